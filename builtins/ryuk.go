package builtins

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
)

// The engine's socket in a container, and what the reaper of testcontainers does where its environment says nothing.
const (
	engineSocket       = "/var/run/docker.sock"
	ryukPort           = "8080"
	ryukConnectTimeout = time.Minute
	ryukReconnect      = 10 * time.Second
)

var ryukUsage = usage{about: "Wait for the clients of testcontainers, and remove what their session has made once they are gone."}

// reaper is one run of ryuk.
type reaper struct {
	p      *Process
	client *http.Client

	mu      sync.Mutex
	filters []string // each a JSON object of filters, in the order in which they came
	clients int
	changed chan struct{} // closed at the next change of clients; replaced then
}

// ryuk is the reaper of testcontainers (github.com/testcontainers/moby-ryuk): a client sends lines of filters, each answered by
// ACK, and once no client has been connected for a while all that a filter fits is removed.
func ryuk(p *Process) int {
	if _, _, status, done := p.parse(ryukUsage); done {
		return status
	}
	r := &reaper{p: p, changed: make(chan struct{})}
	r.client = &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return p.System.Dial(ctx, "unix", engineSocket)
		},
	}}
	first, err := ryukTime(p, "RYUK_CONNECTION_TIMEOUT", ryukConnectTimeout)
	again, err2 := ryukTime(p, "RYUK_RECONNECTION_TIMEOUT", ryukReconnect)
	if err := errors.Join(err, err2); err != nil {
		p.Errorf("%s", err)
		return 1
	}
	port := p.Getenv("RYUK_PORT")
	if port == "" {
		port = ryukPort
	}
	l, err := p.System.Listen("tcp", ":"+port)
	if err != nil {
		p.Errorf("listen on port %s: %s", port, strerror(err))
		return 1
	}
	var serving sync.WaitGroup
	serving.Go(func() { r.accept(l, &serving) })
	r.log("Started", "address=[::]:"+port)
	r.wait(first, again)
	l.Close()
	serving.Wait()
	if p.Context.Err() != nil {
		return 1
	}
	return r.prune()
}

// ryukTime reads a time of the environment, such as 10s.
func ryukTime(p *Process, name string, otherwise time.Duration) (time.Duration, error) {
	value := p.Getenv(name)
	if value == "" {
		return otherwise, nil
	}
	d, err := time.ParseDuration(value)
	if err != nil {
		return 0, fmt.Errorf("%s=%s is no time such as 10s", name, value)
	}
	return d, nil
}

func (r *reaper) log(message string, pairs ...string) {
	fmt.Fprintf(r.p.Stdout, "time=%s level=INFO msg=%s %s\n", r.p.System.Now().UTC().Format(time.RFC3339Nano), message, strings.Join(pairs, " "))
}

// accept takes clients until the listener is closed.
func (r *reaper) accept(l net.Listener, serving *sync.WaitGroup) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		r.count(1)
		serving.Go(func() {
			defer r.count(-1)
			defer c.Close()
			stop := context.AfterFunc(r.p.Context, func() { c.Close() })
			defer stop()
			r.serve(c)
		})
	}
}

func (r *reaper) count(n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.clients += n
	close(r.changed)
	r.changed = make(chan struct{})
}

// serve takes the filters of a client: label=key=value&label=….
func (r *reaper) serve(c net.Conn) {
	for lines := bufio.NewScanner(c); lines.Scan(); {
		values, err := url.ParseQuery(strings.TrimSpace(lines.Text()))
		if err != nil || len(values) == 0 {
			continue // no filter: nothing is removed by it, nor is it acknowledged
		}
		filter, err := json.Marshal(values)
		if err != nil {
			continue
		}
		r.mu.Lock()
		if !slices.Contains(r.filters, string(filter)) {
			r.filters = append(r.filters, string(filter))
		}
		r.mu.Unlock()
		if _, err := io.WriteString(c, "ACK\n"); err != nil {
			return
		}
	}
}

// wait returns when no client is connected and none comes in time, or when the process is to end.
func (r *reaper) wait(first, again time.Duration) {
	patience := first
	for {
		r.mu.Lock()
		clients, changed := r.clients, r.changed
		r.mu.Unlock()
		var late <-chan time.Time
		if clients == 0 {
			late = time.After(patience)
		} else {
			patience = again
		}
		ended := false
		r.p.System.Block(func() {
			select {
			case <-changed:
			case <-late:
				ended = true
			case <-r.p.Context.Done():
				ended = true
			}
		})
		if ended {
			return
		}
	}
}

// prune removes what the filters fit: containers first, which hold the rest.
func (r *reaper) prune() int {
	removed := map[string]int{}
	status := 0
	for _, kind := range []string{"containers", "networks", "volumes", "images"} {
		for _, filter := range r.filters {
			n, err := r.remove(kind, filter)
			removed[kind] += n
			if err != nil {
				r.p.Errorf("remove %s: %s", kind, err)
				status = 1
			}
		}
	}
	r.log("removed", fmt.Sprintf("containers=%d networks=%d volumes=%d images=%d", removed["containers"], removed["networks"], removed["volumes"], removed["images"]))
	return status
}

// remove removes what a filter fits of a kind, and returns how many that were.
func (r *reaper) remove(kind, filter string) (int, error) {
	query := url.Values{"filters": {filter}}
	if kind == "images" {
		var report struct{ ImagesDeleted []struct{ Deleted string } }
		err := r.call(http.MethodPost, "/images/prune", query, &report)
		return len(report.ImagesDeleted), err
	}
	var names []string
	switch kind {
	case "containers":
		query.Set("all", "1")
		var list []struct{ ID string }
		if err := r.call(http.MethodGet, "/containers/json", query, &list); err != nil {
			return 0, err
		}
		for _, c := range list {
			names = append(names, c.ID)
		}
	case "networks":
		var list []struct{ ID string }
		if err := r.call(http.MethodGet, "/networks", query, &list); err != nil {
			return 0, err
		}
		for _, n := range list {
			names = append(names, n.ID)
		}
	case "volumes":
		var list struct{ Volumes []struct{ Name string } }
		if err := r.call(http.MethodGet, "/volumes", query, &list); err != nil {
			return 0, err
		}
		for _, v := range list.Volumes {
			names = append(names, v.Name)
		}
	}
	own := r.p.System.Hostname()
	removed := 0
	var errs []error
	for _, name := range names {
		if kind == "containers" && strings.HasPrefix(name, own) {
			continue // itself, which ends now
		}
		if err := r.call(http.MethodDelete, "/"+kind+"/"+name, url.Values{"force": {"1"}, "v": {"1"}}, nil); err != nil {
			errs = append(errs, err)
			continue
		}
		removed++
	}
	return removed, errors.Join(errs...)
}

// call asks the engine. What is not there is removed.
func (r *reaper) call(method, path string, query url.Values, answer any) error {
	req, err := http.NewRequestWithContext(r.p.Context, method, "http://docker"+path+"?"+query.Encode(), nil)
	if err != nil {
		return err
	}
	resp, err := r.client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	switch {
	case method == http.MethodDelete && resp.StatusCode == http.StatusNotFound:
		return nil
	case resp.StatusCode >= http.StatusBadRequest:
		return fmt.Errorf("%s %s: %s: %s", method, path, resp.Status, strings.TrimSpace(string(body)))
	case answer == nil:
		return nil
	}
	return json.Unmarshal(body, answer)
}
