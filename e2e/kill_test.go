package e2e

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/api/pkg/stdcopy"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"
)

// told is what a client has been told of one container.
type told struct {
	id                        string
	lines, code               int
	created, started, removed bool // acknowledged
	starting, removing        bool // asked for, perhaps without an answer
}

// TestKillLoop kills the server 50 times at random moments while clients create, start and remove containers. Every
// acknowledged container, log line and exit code is there afterwards, and nothing is left when all is removed.
func TestKillLoop(t *testing.T) {
	const rounds, clients = 50, 4
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	s := runningServer(t)
	var all []*told
	for round := range rounds {
		var answers atomic.Int64
		limit := 1 + random.Int64N(60)
		enough := make(chan struct{})
		answered := func() {
			if answers.Add(1) == limit {
				close(enough)
			}
		}
		ctx, stop := context.WithCancel(t.Context())
		var working sync.WaitGroup
		lists := make([][]*told, clients)
		for i := range clients {
			number := random.IntN(1000)
			working.Go(func() { lists[i] = work(ctx, t, s.host(), fmt.Sprintf("r%dc%d", round, i), number, answered) })
		}
		<-enough
		if err := s.signal(syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		stop()
		working.Wait()
		for _, l := range lists {
			all = append(all, l...)
		}
		if err := s.start(); err != nil {
			t.Fatalf("after round %d: %v", round, err)
		}
	}
	docker := dockerClient(t, s.host())
	for _, c := range all {
		verify(t, docker, c)
	}
	t.Logf("%d containers verified", len(all))
	list, err := docker.ContainerList(t.Context(), client.ContainerListOptions{All: true})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range list.Items {
		if _, err := docker.ContainerRemove(t.Context(), c.ID, client.ContainerRemoveOptions{Force: true}); err != nil {
			t.Error(err)
		}
	}
	if err := s.signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	left, err := filepath.Glob(filepath.Join(s.data(), "containers", "*"))
	if err != nil || len(left) > 0 {
		t.Errorf("folders left: %v, %v", left, err)
	}
	for {
		pids, err := s.cells()
		if err != nil {
			t.Fatal(err)
		}
		if len(pids) == 0 {
			break
		}
	}
}

func dockerClient(t *testing.T, host string) *client.Client {
	t.Helper()
	docker, err := client.New(client.WithHost(host))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = docker.Close() })
	return docker
}

// work makes containers until the server stops answering, and returns what it was told of them.
func work(ctx context.Context, t *testing.T, host, prefix string, number int, answered func()) (list []*told) {
	docker := dockerClient(t, host)
	for i := 0; ; i++ {
		c := &told{lines: 1 + (number+i)%40, code: (number + i) % 100}
		script := fmt.Sprintf("i=0; while [ $i -lt %d ]; do echo $i of %d; i=$((i+1)); done; exit %d", c.lines, c.lines, c.code)
		created, err := docker.ContainerCreate(ctx, client.ContainerCreateOptions{
			Name:   fmt.Sprintf("%s-%d", prefix, i),
			Config: &container.Config{Image: "sockerless/base", Cmd: []string{"sh", "-c", script}}})
		if err != nil {
			return list
		}
		c.id, c.created = created.ID, true
		list = append(list, c)
		answered()
		c.starting = true
		if _, err := docker.ContainerStart(ctx, c.id, client.ContainerStartOptions{}); err != nil {
			return list
		}
		c.started = true
		answered()
		if i%3 == 2 {
			c.removing = true
			if _, err := docker.ContainerRemove(ctx, c.id, client.ContainerRemoveOptions{Force: true}); err != nil {
				return list
			}
			c.removed = true
			answered()
		}
	}
}

// verify compares what the server has with what a client was told.
func verify(t *testing.T, docker *client.Client, c *told) {
	t.Helper()
	_, err := docker.ContainerInspect(t.Context(), c.id, client.ContainerInspectOptions{})
	switch {
	case c.removed && !errdefs.IsNotFound(err):
		t.Errorf("%.12s was removed and is there: %v", c.id, err)
		return
	case c.removed, c.removing && errdefs.IsNotFound(err):
		return
	case err != nil:
		t.Errorf("%.12s was created and is gone: %v", c.id, err)
		return
	}
	if !c.started {
		return
	}
	wait := docker.ContainerWait(t.Context(), c.id, client.ContainerWaitOptions{Condition: container.WaitConditionNotRunning})
	select {
	case exit := <-wait.Result:
		killed := c.removing && exit.StatusCode == 137
		if int(exit.StatusCode) != c.code && !killed {
			t.Errorf("%.12s ended with %d, want %d", c.id, exit.StatusCode, c.code)
		}
		if killed {
			return
		}
	case err := <-wait.Error:
		t.Errorf("%.12s: wait: %v", c.id, err)
		return
	}
	logs, err := docker.ContainerLogs(t.Context(), c.id, client.ContainerLogsOptions{ShowStdout: true, ShowStderr: true})
	if err != nil {
		t.Errorf("%.12s: logs: %v", c.id, err)
		return
	}
	defer logs.Close()
	var out bytes.Buffer
	if _, err := stdcopy.StdCopy(&out, io.Discard, logs); err != nil {
		t.Errorf("%.12s: logs: %v", c.id, err)
	}
	var want strings.Builder
	for i := range c.lines {
		fmt.Fprintf(&want, "%d of %d\n", i, c.lines)
	}
	if out.String() != want.String() {
		t.Errorf("%.12s: logs are\n%swant\n%s", c.id, out.String(), want.String())
	}
}
