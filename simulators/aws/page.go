package aws

import (
	"bytes"
	_ "embed"
	"html/template"
	"net/http"
	"path"
	"slices"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/sockerless/sockerless/simulators/aws/logs"
	"github.com/sockerless/sockerless/simulators/internal/calls"
)

//go:embed page.html
var pageText string

var page = template.Must(template.New("page").Funcs(template.FuncMap{"text": awssdk.ToString, "base": func(s *string) string { return path.Base(awssdk.ToString(s)) }}).Parse(pageText))

// shown is what a page is made of.
type shown struct {
	Host     string
	Clusters []types.Cluster
	Tasks    []types.Task
	Groups   []logs.Group
	Stream   string
	Lines    []logs.Line
	Calls    []calls.Call
}

// lastCalls is how many calls a page has.
const lastCalls = 200

// page shows clusters, tasks, logs and calls; with a stream's name, that stream.
func (s *Simulator) page(w http.ResponseWriter, r *http.Request) {
	if s.services.Load() == nil {
		http.Error(w, "the simulator starts", http.StatusServiceUnavailable)
		return
	}
	v := shown{Host: s.Host(), Clusters: s.ecs.Clusters(), Tasks: s.ecs.Tasks(), Groups: s.logs.Groups(), Calls: s.calls.Last(lastCalls)}
	slices.Reverse(v.Calls)
	slices.SortFunc(v.Tasks, func(a, b types.Task) int { return awssdk.ToTime(b.CreatedAt).Compare(awssdk.ToTime(a.CreatedAt)) })
	if q := r.URL.Query(); q.Has("stream") {
		v.Stream, v.Lines = q.Get("stream"), s.logs.Text(q.Get("region"), q.Get("group"), q.Get("stream"))
	}
	var b bytes.Buffer
	if err := page.Execute(&b, v); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = w.Write(b.Bytes()) // the client is gone
}
