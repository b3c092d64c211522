package golden

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Difference is one place in which an answer is not what dockerd gave.
type Difference struct {
	Recording string
	Path      string // "status", "header Content-Type", "body.State.ExitCode", "body[0].Names"
	Want, Got string // in their compared form; "(missing)" for nothing
	Reason    string // why this is as it should be; "": it is not
}

func (d Difference) String() string {
	s := fmt.Sprintf("%s: %s: got %s, dockerd gave %s", d.Recording, d.Path, d.Got, d.Want)
	if d.Reason != "" {
		s += " (" + d.Reason + ")"
	}
	return s
}

// Explained is a difference that is as it should be. Recording and Path are patterns of path.Match, in which "*" also stands for
// brackets and everything else but a slash.
type Explained struct{ Recording, Path, Reason string }

// Explanations are the differences that this engine has on purpose.
func Explanations() []Explained {
	return []Explained{
		{"*", "header Server", "the server's name is its own"},
		{"*", "header X-Content-Type-Options", "it depends on where in dockerd an error arises"},
		{"008-*", "header *", "dockerd's router answers without the common headers, here they are on every answer"},
		{"009-*", "header *", "as above"},
		{"006-*", "header Docker-Experimental", "as above"},
		{"007-*", "header Docker-Experimental", "as above"},
		{"124-*", "header *", "dockerd leaves the common headers out of attach, but not of exec"},
		{"00[12]-*", "header Builder-Version", "2 promises BuildKit"},
		{"00[34]-*", "body.*", "another program, with other components"},
		{"005-*", "body.*", "another engine describes itself; clients read fields that are compared by a test of their own"},
		{"*-inspect*", "body.GraphDriver*", "no graph driver: layers are read where they lie"},
		{"*-inspect*", "body.Driver", "as above"},
		{"*-inspect*", "body.DockerVersion", "who built an image is not kept"},
		{"*-inspect*", "body.NetworkSettings.Sandbox*", "no network namespace of this machine stands behind a container's addresses"},
		{"*-inspect*", "body.NetworkSettings.Bridge", "as above, and no bridge"},
		{"138-*", "body.NetworkSettings.Networks.bridge.DNSNames", "dockerd lists names on the default bridge, where they do not resolve, once another network is joined"},
		{"138-*", "body.ExecIDs", "dockerd's is that of a health check under way"},
		{"138-*", "body.State.Health.Log", "how often health was checked depends on the recorder's pauses"},
		{"*-inspect*", "body.HostConfig.Runtime", "no runc"},
		{"*-inspect*", "body.HostConfig.CgroupnsMode", "no control groups; dockerd's depends on the host's version of them"},
		{"*-inspect*", "body.*Path", "no files on the host stand behind a container's own, and logs are kept in another form"},
		{"*-container-list*", "body*.SizeRw", "dockerd leaves out a size of 0"},
		{"025-*", "body.message", "what a name server says depends on the machine"},
		{"032-*", "body.Warnings", "what is asked for and not served is said in a warning"},
		{"053-*", "body", "standard output and error are two pipes: their order is not defined"},
		{"054-*", "body", "as above: the last line may be of either"},
		{"074-*", "body.Processes*", "another process table"},
		{"096-*", "body", "no OCI runtime failed here"},
		{"119-*", "body.message", "no OCI runtime failed here"},
		{"120-*", "body.State.Error", "no OCI runtime failed here"},
		{"07[56]-*", "body.*cpu_usage.percpu_usage", "processors are not counted one by one"},
		{"07[56]-*", "body.memory_stats.*", "no control group counts memory by its kinds, nor remembers the most of it"},
		{"07[56]-*", "body.networks", "bytes are not counted by networks"},
		{"084-*", "body.Warnings", "a running container gets its limits when it is started again, and that is said"},
		{"128-*", "body*.Options.com.docker.network.bridge.name", "there is no bridge on this machine"},
		{"168-*", "body.Images", "the recorded script had built an image before, in place of one that is pulled here"},
		{"168-*", "body.Containers", "and that left a container"},
		{"169-*", "body.ContainersDeleted", "the recorded script had built an image before, and that left a container"},
		{"179-*", "body", "the recorded seconds are long over"},
		{"166-*", "body.message", "another ps"},
	}
}

// Headers whose values say nothing about the answer.
var ignoredHeaders = []string{"Date", "Content-Length", "Transfer-Encoding", "Connection", "Keep-Alive"}

// Compare lists where got differs from what was recorded, with the reason of the first of explained that fits.
func Compare(r Recording, got Answer, explained []Explained) ([]Difference, error) {
	want, err := r.Answer()
	if err != nil {
		return nil, err
	}
	c := comparison{recording: r.Name, explained: explained}
	if want.Status != got.Status {
		c.differ("status", strconv.Itoa(want.Status), strconv.Itoa(got.Status))
	}
	names := map[string]bool{}
	for name := range want.Header {
		names[name] = true
	}
	for _, name := range slices.Sorted(maps.Keys(names)) {
		if slices.Contains(ignoredHeaders, name) && len(r.RawHead) == 0 {
			continue
		}
		w, g := form(want.Header[name]), form(got.Header[name])
		if name == "X-Docker-Container-Path-Stat" { // base64 of what differs in times
			w, g = strconv.FormatBool(w != ""), strconv.FormatBool(g != "")
		}
		if w != g {
			c.differ("header "+name, w, g)
		}
	}
	c.bodies(want.Body, got.Body)
	return c.found, nil
}

type comparison struct {
	recording string
	explained []Explained
	found     []Difference
}

func (c *comparison) differ(at, want, got string) {
	d := Difference{Recording: c.recording, Path: at, Want: want, Got: got}
	for _, e := range c.explained {
		if matches(e.Recording, c.recording) && matches(e.Path, at) {
			d.Reason = e.Reason
			break
		}
	}
	c.found = append(c.found, d)
}

func matches(pattern, s string) bool {
	ok, err := path.Match(pattern, strings.ReplaceAll(s, "/", "|"))
	return err == nil && ok
}

// bodies compares JSON field by field, and anything else by its form.
func (c *comparison) bodies(want, got []byte) {
	w, wErr := values(want)
	g, gErr := values(got)
	if wErr != nil || gErr != nil || len(w) == 0 && len(g) == 0 {
		if f, h := form(string(want)), form(string(got)); f != h {
			c.differ("body", strconv.Quote(f), strconv.Quote(h))
		}
		return
	}
	if len(w) == 1 && len(g) == 1 {
		c.value("body", "", w[0], g[0])
		return
	}
	c.value("body", "", stages(w), stages(g))
}

// stages drops, of the messages that tell how far a layer is in one stage, all but the first: how many there are follows
// its size and the machine's speed.
func stages(messages []any) (kept []any) {
	seen := map[string]bool{}
	for _, m := range messages {
		if o, ok := m.(map[string]any); ok && o["progress"] != nil {
			stage := fmt.Sprint(o["id"], o["status"])
			if seen[stage] {
				continue
			}
			seen[stage] = true
		}
		kept = append(kept, m)
	}
	return kept
}

// values decodes a body that is one JSON value or a stream of them.
func values(b []byte) (all []any, err error) {
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	for {
		var v any
		if err := d.Decode(&v); err == io.EOF {
			return all, nil
		} else if err != nil {
			return nil, err
		}
		all = append(all, v)
	}
}

// value compares below a field of that name.
func (c *comparison) value(at, name string, want, got any) {
	switch w := want.(type) {
	case map[string]any:
		g, ok := got.(map[string]any)
		if !ok {
			c.differ(at, show(want), show(got))
			return
		}
		w, g = byForm(w), byForm(g)
		keys := maps.Clone(w)
		maps.Copy(keys, g)
		for _, key := range slices.Sorted(maps.Keys(keys)) {
			wv, inWant := w[key]
			gv, inGot := g[key]
			switch {
			case !inWant:
				c.differ(at+"."+key, "(missing)", show(gv))
			case !inGot:
				c.differ(at+"."+key, show(wv), "(missing)")
			default:
				c.value(at+"."+key, key, wv, gv)
			}
		}
	case []any:
		g, ok := got.([]any)
		if !ok || len(g) != len(w) {
			c.differ(at, show(want), show(got))
			return
		}
		for i := range w {
			c.value(at+"["+strconv.Itoa(i)+"]", name, w[i], g[i])
		}
	case json.Number:
		g, ok := got.(json.Number)
		if !ok || w != g && !measured(name) {
			c.differ(at, show(want), show(got))
		}
	case string:
		g, ok := got.(string)
		if !ok || form(w) != form(g) {
			c.differ(at, show(want), show(got))
		}
	default:
		if want != got {
			c.differ(at, show(want), show(got))
		}
	}
}

// byForm is an object with the forms of its keys: ids are keys, too.
func byForm(object map[string]any) map[string]any {
	formed := make(map[string]any, len(object))
	for key, v := range object {
		formed[form(key)] = v
	}
	return formed
}

// measured says whether a number is a size, a time or a process, which differ between any two runs.
func measured(field string) bool {
	switch field {
	case "Created", "Size", "SizeRw", "SizeRootFs", "VirtualSize", "Pid", "SpaceReclaimed", "time", "timeNano", "current", "total",
		"LayersSize", "total_usage", "usage_in_usermode", "usage_in_kernelmode", "system_cpu_usage", "limit":
		return true
	}
	return false
}

func show(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	return form(string(b))
}

// forms are replaced one after the other.
var forms = []struct {
	pattern *regexp.Regexp
	form    string
}{
	{regexp.MustCompile(`\b[0-9a-f]{64}\b`), "ID"},
	{regexp.MustCompile(`\b[0-9a-f]{12}\b`), "SHORTID"},
	{regexp.MustCompile(`\b(?:[0-9a-f]{2}:){5}[0-9a-f]{2}\b`), "MAC"},
	{regexp.MustCompile(`\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)`), "TIME"},
	{regexp.MustCompile(`(?:About |Less than )?(?:an?|\d+) (?:second|minute|hour)s?`), "AWHILE"},
	{regexp.MustCompile(`\b127\.0\.0\.1:\d+\b`), "REGISTRY"},
	{regexp.MustCompile(`/[^" ]*/containers/ID`), "DATA/containers/ID"},
	{regexp.MustCompile(`/[^" ]*/volumes/`), "DATA/volumes/"},
	{regexp.MustCompile(`\[=*> *\] +[\d.]+[kMG]?B/[\d.]+[kMG]?B`), "PROGRESS"},
}

// neverTime is Docker's time of what has not happened: it must not be mistaken for another.
const neverTime = "0001-01-01T00:00:00Z"

// form takes out of a text what differs between any two runs.
func form(s string) string {
	s = strings.ReplaceAll(s, neverTime, "NEVER")
	for _, f := range forms {
		s = f.pattern.ReplaceAllString(s, f.form)
	}
	return s
}
