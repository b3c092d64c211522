package golden

import (
	"embed"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io/fs"
	"strings"
)

//go:embed testdata/*.json
var recorded embed.FS

// Recording is one request to dockerd and its answer.
type Recording struct {
	Name    string `json:"-"` // the file's, without .json: they sort in the order in which the requests were made
	Request struct {
		Method string
		Path   string
		Body   json.RawMessage
		Sent   string // after the connection was hijacked
	}
	Status  int
	Headers map[string]string
	// One of these is the answer's body.
	Body   json.RawMessage
	Frames []json.RawMessage // a stream of JSON
	Text   *string
	Base64 string
	// Of a hijacked connection: the head's lines, and what came behind it.
	RawHead       []string `json:"raw_head"`
	PayloadBase64 string   `json:"payload_base64"`
}

// Load reads all recordings, in order.
func Load() ([]Recording, error) {
	files, err := fs.Glob(recorded, "testdata/*.json")
	if err != nil {
		return nil, err
	}
	all := make([]Recording, len(files))
	for i, file := range files {
		b, err := recorded.ReadFile(file)
		if err != nil {
			return nil, err
		}
		if err := json.Unmarshal(b, &all[i]); err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		all[i].Name = strings.TrimSuffix(strings.TrimPrefix(file, "testdata/"), ".json")
	}
	return all, nil
}

// Answer is the recorded answer in the form in which others are compared with it.
func (r Recording) Answer() (Answer, error) {
	a := Answer{Status: r.Status, Header: r.Headers}
	switch {
	case len(r.RawHead) > 0:
		if _, err := fmt.Sscanf(r.RawHead[0], "HTTP/1.1 %d", &a.Status); err != nil {
			return a, fmt.Errorf("%s: %q: %w", r.Name, r.RawHead[0], err)
		}
		a.Header = map[string]string{}
		for _, line := range r.RawHead[1:] {
			name, value, _ := strings.Cut(line, ": ")
			a.Header[name] = value
		}
		return a, decode(&a.Body, r.PayloadBase64)
	case r.Base64 != "":
		return a, decode(&a.Body, r.Base64)
	case r.Text != nil:
		a.Body = []byte(*r.Text)
	case r.Frames != nil:
		for _, f := range r.Frames {
			a.Body = append(append(a.Body, f...), '\n')
		}
	default:
		a.Body = r.Body
	}
	return a, nil
}

func decode(to *[]byte, text string) (err error) {
	*to, err = base64.StdEncoding.DecodeString(text)
	return err
}

// Answer is what a server said.
type Answer struct {
	Status int
	Header map[string]string // the first value of each, by its canonical name
	Body   []byte
}
