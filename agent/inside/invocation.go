package inside

import "time"

// Invocation is the event by which a function of a cloud is told which agent it is to be, where its command is "sockerless-agent
// invoked": it speaks the Runtime API of AWS Lambda.
type Invocation struct {
	Arguments   []string          `json:"arguments"`   // of sockerless-agent
	Environment map[string]string `json:"environment"` // its secrets
	Tags        map[string]string `json:"tags"`        // for its notes
}

// Note is a line of an invoked agent on its standard error, in JSON, for who has no other way to know of it.
type Note struct {
	Said    string            `json:"sockerless-agent"` // NoteAdmitted, NoteRefused
	Request string            `json:"request"`          // id of the invocation
	Tags    map[string]string `json:"tags"`
}

// What a note says.
const (
	NoteAdmitted = "admitted" // a server has let the agent in
	NoteRefused  = "refused"  // no server wants it, and it ends: another one is the task's
)

// Directory is where an invoked agent has its files: all that it can write to is /tmp.
const Directory = "/tmp/" + own + "/run"

// own is the folder of the agent, in the container's root or in its /tmp. It is not among the container's files.
const own = ".sockerless"

// isOwn tells whether a name in a directory is the agent's folder.
func isOwn(dir, name string) bool { return name == own && (dir == "/" || dir == "/tmp") }

// Ahead is how long before its platform would kill it an agent ends itself, so that the end of its container is told.
const Ahead = 5 * time.Second
