package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
)

// native measures containers outside of the sandbox, each figure beside that of a peer.
type native struct {
	*server
	image  string
	rounds int
	peers  []peer
}

// offload prints what native containers cost: all of it, or the parts that are named.
func offload(s *server, rounds int, parts string) error {
	root, err := busyboxRoot()
	if err != nil {
		return err
	}
	ref, stop, err := serveImage(root)
	if err != nil {
		return err
	}
	defer stop()
	if err := s.call("POST", "/images/create?fromImage="+url.QueryEscape(ref), nil, nil); err != nil {
		return err
	}
	found, done, err := findPeers(root)
	if err != nil {
		return err
	}
	defer done()
	n := &native{server: s, image: ref, rounds: rounds, peers: found}
	for _, part := range []struct {
		name  string
		print func() error
	}{
		{"starts", n.starts}, {"execs", n.execs}, {"attach", n.attach}, {"promotions", n.promotions}, {"script", n.script}, {"once", n.atOnce},
	} {
		if parts != "" && !slices.Contains(strings.Split(parts, ","), part.name) {
			continue
		}
		if err := part.print(); err != nil {
			return err
		}
	}
	return nil
}

// make makes a container; place is that of the policy: sandbox, offload, auto.
func (n *native) make(place string, command ...string) (string, error) {
	return n.new(map[string]any{"Image": n.image, "Cmd": command, "Labels": map[string]string{"sockerless.place": place}})
}

// begin makes a container and starts it.
func (n *native) begin(place string, command ...string) (string, error) {
	id, err := n.make(place, command...)
	if err == nil {
		err = n.call("POST", "/containers/"+id+"/start", nil, nil)
	}
	return id, err
}

func (n *native) remove(id string) error {
	return n.call("DELETE", "/containers/"+id+"?force=1", nil, nil)
}

func (n *native) starts() error {
	for _, place := range []string{"sandbox", "offload"} {
		if err := measure(place+": create + start + wait + rm of `true`", n.rounds, func() error {
			id, err := n.make(place, "true")
			if err != nil {
				return err
			}
			return n.finish(id)
		}); err != nil {
			return err
		}
	}
	for _, p := range n.peers {
		if err := measure(p.name+": "+p.runs+" of `true`", n.rounds, p.run); err != nil {
			return err
		}
	}
	return nil
}

func (n *native) execs() error {
	for _, place := range []string{"sandbox", "offload"} {
		id, err := n.begin(place, "sleep", "1000000")
		if err != nil {
			return err
		}
		if err := measure(place+": exec of `true`", 2*n.rounds, func() error { return n.exec(id) }); err != nil {
			return err
		}
		if err := n.remove(id); err != nil {
			return err
		}
	}
	for _, p := range n.peers {
		end, err := p.begin()
		if err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
		err = measure(p.name+": exec of `true`", 2*n.rounds, p.exec)
		end()
		if err != nil {
			return err
		}
	}
	return nil
}

// attach prints how fast the output of a container arrives.
func (n *native) attach() error {
	const size = 1 << 30
	for _, place := range []string{"sandbox", "offload"} {
		var took []time.Duration
		for range 3 {
			id, err := n.new(map[string]any{"Image": n.image, "Cmd": []string{"head", "-c", fmt.Sprint(size), "/dev/zero"},
				"AttachStdout": true, "Labels": map[string]string{"sockerless.place": place}})
			if err != nil {
				return err
			}
			d, err := n.drain(id, size)
			if err != nil {
				return err
			}
			took = append(took, d)
			if err := n.remove(id); err != nil {
				return err
			}
		}
		fmt.Printf("%-46s %21.0f MB/s\n", place+": attached output, 1 GiB", size/1e6/median(took).Seconds())
	}
	return nil
}

// drain attaches to a container, starts it, and reads its output to the end.
func (n *native) drain(id string, size int64) (time.Duration, error) {
	conn, err := net.Dial("unix", n.socket)
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	if err := request(conn, "POST", "/containers/"+id+"/attach?stream=1&stdout=1", nil, "Connection: Upgrade\r\nUpgrade: tcp\r\n"); err != nil {
		return 0, err
	}
	reader := bufio.NewReaderSize(conn, 256<<10)
	if err := skipHead(reader); err != nil {
		return 0, err
	}
	began := time.Now()
	if err := n.call("POST", "/containers/"+id+"/start", nil, nil); err != nil {
		return 0, err
	}
	got, err := io.Copy(io.Discard, reader)
	if err == nil && got < size {
		err = fmt.Errorf("attach: %d bytes of output, want %d", got, size)
	}
	return time.Since(began), err
}

// promotions prints how long it takes to go over to a native machine, with changes of some sizes to take along.
func (n *native) promotions() error {
	for _, megabytes := range []int{0, 1, 100} {
		var latencies, walls []time.Duration
		for range min(11, n.rounds) {
			latency, wall, err := n.promotion(megabytes)
			if err != nil {
				return fmt.Errorf("promotion: %w", err)
			}
			latencies, walls = append(latencies, latency), append(walls, wall)
		}
		row(fmt.Sprintf("promotion with %d MB of changes: latency", megabytes), latencies)
		row(fmt.Sprintf("promotion with %d MB: the program, seen inside", megabytes), walls)
	}
	return nil
}

// promotion is the engine's own figure, and the time that passes in the script from before the program to after it.
func (n *native) promotion(megabytes int) (latency, wall time.Duration, err error) {
	// The program's name comes out of a substitution, so that nothing is known of it before it is met.
	script := fmt.Sprintf("head -c %d /dev/urandom >/root/changes; echo begin; P=$(echo %s); $P true; echo end; sleep 1000000", megabytes<<20, nativeProgram)
	id, err := n.new(map[string]any{"Image": n.image, "Cmd": []string{"sh", "-c", script}, "AttachStdout": true,
		"Labels": map[string]string{"sockerless.place": "auto"}})
	if err != nil {
		return 0, 0, err
	}
	conn, err := net.Dial("unix", n.socket)
	if err != nil {
		return 0, 0, err
	}
	defer conn.Close()
	if err := request(conn, "POST", "/containers/"+id+"/attach?stream=1&stdout=1&stderr=1", nil, "Connection: Upgrade\r\nUpgrade: tcp\r\n"); err != nil {
		return 0, 0, err
	}
	reader := bufio.NewReader(conn)
	if err := skipHead(reader); err != nil {
		return 0, 0, err
	}
	if err := n.call("POST", "/containers/"+id+"/start", nil, nil); err != nil {
		return 0, 0, err
	}
	var began time.Time
	for wall == 0 {
		line, err := reader.ReadString('\n')
		switch {
		case err != nil:
			return 0, 0, err
		case strings.HasSuffix(line, "begin\n"):
			began = time.Now()
		case strings.HasSuffix(line, "end\n"):
			wall = time.Since(began)
		default:
			return 0, 0, fmt.Errorf("the script says %q", line)
		}
	}
	// The engine writes its figure down while the program runs already, so it may be there a moment later.
	for asked := time.Now(); ; {
		var inspected struct {
			HostConfig struct{ Annotations map[string]string }
		}
		if err := n.call("GET", "/containers/"+id+"/json", nil, &inspected); err != nil {
			return 0, 0, err
		}
		if latency, err = time.ParseDuration(inspected.HostConfig.Annotations["sockerless.promotion.latency"]); err == nil {
			break
		}
		if time.Since(asked) > 10*time.Second {
			return 0, 0, fmt.Errorf("the container was not promoted: %w", err)
		}
	}
	return latency, wall, n.remove(id)
}

// script prints how long a script takes that goes to and fro between the sandbox's shell and native programs, and how
// long it takes under a native shell.
func (n *native) script() error {
	script := "P=$(echo " + nativeProgram + "); $P true; i=0; while [ $i -lt 1000 ]; do i=$((i+1)); echo $i >/tmp/i; $P true; done"
	var medians []time.Duration
	for _, place := range []string{"auto", "offload"} {
		var took []time.Duration
		for range 3 {
			began := time.Now()
			id, err := n.make(place, "sh", "-c", script)
			if err == nil {
				err = n.finish(id)
			}
			if err != nil {
				return err
			}
			took = append(took, time.Since(began))
		}
		row(place+": 1,000 × (shell command, native one)", took)
		medians = append(medians, median(took))
	}
	fmt.Printf("%-46s %21.2f\n", "the first over the second", medians[0].Seconds()/medians[1].Seconds())
	return nil
}

// atOnce prints how long many native containers take that are started at the same time.
func (n *native) atOnce() error {
	const many = 200
	var (
		group sync.WaitGroup
		mu    sync.Mutex
		first error
	)
	began := time.Now()
	for range many {
		group.Go(func() {
			one := &native{server: &server{socket: n.socket}, image: n.image} // with a connection of its own
			defer one.hangUp()
			id, err := one.make("offload", "true")
			if err == nil {
				err = one.finish(id)
			}
			mu.Lock()
			defer mu.Unlock()
			if first == nil {
				first = err
			}
		})
	}
	group.Wait()
	fmt.Printf("%-46s %21s\n", fmt.Sprintf("offload: %d of `true` at once", many), round(time.Since(began)))
	return first
}

// skipHead reads the head of an answer.
func skipHead(r *bufio.Reader) error {
	for {
		line, err := r.ReadSlice('\n')
		if err != nil {
			return err
		}
		if len(bytes.TrimSpace(line)) == 0 {
			return nil
		}
	}
}
