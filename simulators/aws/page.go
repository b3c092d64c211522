package aws

import (
	"bytes"
	_ "embed"
	"html/template"
	"net/http"
	"path"
	"slices"
	"strings"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
	lambdatypes "github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"github.com/sockerless/sockerless/simulators/aws/logs"
	"github.com/sockerless/sockerless/simulators/internal/calls"
)

//go:embed page.html
var pageText string

var page = template.Must(template.New("page").Funcs(template.FuncMap{"text": awssdk.ToString, "base": func(s *string) string { return path.Base(awssdk.ToString(s)) }, "region": region}).Parse(pageText))

// region is that of an ARN.
func region(arn *string) string {
	parts := strings.Split(awssdk.ToString(arn), ":")
	return parts[min(3, len(parts)-1)]
}

// shown is what a page is made of.
type shown struct {
	Host      string
	Clusters  []types.Cluster
	Tasks     []types.Task
	Functions []lambdatypes.FunctionConfiguration
	Busy      int // invocations that run
	Groups    []logs.Group
	Stream    string
	Lines     []logs.Line
	Calls     []calls.Call
}

// lastCalls is how many calls a page has.
const lastCalls = 200

// page shows clusters, tasks, functions, logs and calls; with a stream's name, that stream.
func (s *Simulator) page(w http.ResponseWriter, r *http.Request) {
	if s.services.Load() == nil {
		http.Error(w, "the simulator starts", http.StatusServiceUnavailable)
		return
	}
	v := shown{Host: s.Host(), Clusters: s.ecs.Clusters(), Tasks: s.ecs.Tasks(), Functions: s.lambda.Functions(), Busy: s.lambda.Busy(), Groups: s.logs.Groups(), Calls: s.calls.Last(lastCalls)}
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
