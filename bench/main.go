// Command bench measures a built sockerless over its socket and prints medians: `make bench`.
//
// It starts a server of its own on a temporary folder and speaks plain HTTP to it, so that no client library is in
// the figures. It measures one machine at one time: compare rows of one run, not runs.
package main

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"
)

func main() {
	rounds := flag.Int("rounds", 300, "repetitions of each call")
	sleepers := flag.Int("sleepers", 1000, "sleeping containers to start")
	only := flag.Bool("offload", false, "only what concerns native containers")
	parts := flag.String("part", "", "only these parts of that, by comma: starts, execs, attach, promotions, script, once")
	scripts := flag.Bool("shell", false, "only the shell")
	flag.Parse()
	if flag.NArg() != 1 {
		fmt.Fprintln(os.Stderr, "usage: bench [-rounds N] [-sleepers N] [-offload] [-shell] [-part NAME,…] BINARY")
		os.Exit(2)
	}
	if err := run(flag.Arg(0), *rounds, *sleepers, *only, *scripts, *parts); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(binary string, rounds, sleepers int, only, scripts bool, parts string) error {
	if scripts {
		return onServer(binary, shells)
	}
	fmt.Printf("%-46s %10s %10s %10s\n", "", "min", "median", "p99")
	if !only && parts == "" {
		if err := onServer(binary, func(s *server) error { return sandbox(s, rounds, sleepers) }); err != nil {
			return err
		}
		if err := onServer(binary, shells); err != nil {
			return err
		}
	}
	return onServer(binary, func(s *server) error { return offload(s, max(rounds/10, 5), parts) })
}

// onServer measures on a server of its own, so that no part is in the figures of another.
func onServer(binary string, part func(*server) error) error {
	s, err := startServer(binary)
	if err != nil {
		return err
	}
	defer s.stop()
	return part(s)
}

// sandbox prints what containers in the sandbox cost.
func sandbox(s *server, rounds, sleepers int) error {
	fmt.Printf("%-46s %10s\n", "server: start to first answer", round(s.started))
	if err := measure("create + start + wait + rm of `true`", rounds, s.lifecycle); err != nil {
		return err
	}
	keeper, err := s.create("sleep", "infinity")
	if err == nil {
		err = s.call("POST", "/containers/"+keeper+"/start", nil, nil)
	}
	if err != nil {
		return err
	}
	if err := measure("exec of `true`", rounds, func() error { return s.exec(keeper) }); err != nil {
		return err
	}
	if err := measure("exec of `sh -c 'echo a | cat'`", rounds, func() error {
		return s.exec(keeper, "sh", "-c", "echo a | cat")
	}); err != nil {
		return err
	}
	for _, connections := range []int{1, 8} {
		perSecond, err := s.pings(connections, 2*time.Second)
		if err != nil {
			return err
		}
		fmt.Printf("%-46s %10.0f\n", fmt.Sprintf("/_ping per second, %d connections", connections), perSecond)
	}
	if err := s.throughput(keeper); err != nil {
		return err
	}
	server, cells := s.memory()
	fmt.Printf("%-46s %7d MB  (cells %d MB)\n", "memory after that", server>>20, cells>>20)
	began := time.Now()
	for range sleepers {
		id, err := s.create("sleep", "infinity")
		if err == nil {
			err = s.call("POST", "/containers/"+id+"/start", nil, nil)
		}
		if err != nil {
			return err
		}
	}
	took := time.Since(began)
	server2, cells2 := s.memory()
	fmt.Printf("%-46s %10s\n", fmt.Sprintf("%d sleeping containers: time to start", sleepers), round(took))
	fmt.Printf("%-46s %7d MB  (cells %d MB, all %d MB)\n", fmt.Sprintf("%d sleeping containers: memory", sleepers),
		server2>>20, cells2>>20, (server2+cells2)>>20)
	return measure(fmt.Sprintf("list of %d containers", sleepers), 20, func() error {
		return s.call("GET", "/containers/json", nil, nil)
	})
}

// measure prints the minimum, median and 99th percentile of a call.
func measure(what string, rounds int, call func() error) error {
	for range rounds / 10 { // warm-up
		if err := call(); err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
	}
	times := make([]time.Duration, rounds)
	for i := range times {
		began := time.Now()
		if err := call(); err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
		times[i] = time.Since(began)
	}
	row(what, times)
	return nil
}

// row prints what was measured; it sorts the times.
func row(what string, times []time.Duration) {
	slices.Sort(times)
	fmt.Printf("%-46s %10s %10s %10s\n", what, round(times[0]), round(median(times)), round(times[len(times)*99/100]))
}

func median(times []time.Duration) time.Duration {
	slices.Sort(times)
	return times[len(times)/2]
}

func round(d time.Duration) time.Duration { return d.Round(10 * time.Microsecond) }

// startServer runs the binary on a folder and a socket of its own.
func startServer(binary string) (*server, error) {
	dir, err := os.MkdirTemp("", "bench")
	if err != nil {
		return nil, err
	}
	s := &server{dir: dir, socket: dir + "/s"}
	s.cmd = exec.Command(binary, "serve", "--listen", "unix://"+s.socket, "--data-dir", dir+"/data", "--log-level", "warn")
	s.cmd.Stderr = os.Stderr
	s.cmd.Env = append(os.Environ(), "XDG_RUNTIME_DIR="+dir)
	began := time.Now()
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	for time.Since(began) < 10*time.Second {
		if err = s.call("GET", "/_ping", nil, nil); err == nil {
			s.started = time.Since(began)
			return s, nil
		}
		time.Sleep(time.Millisecond) // asking, not synchronising: the figure is what is measured here
	}
	s.stop()
	return nil, fmt.Errorf("the server does not answer: %w", err)
}

// memory is the resident memory of the server and of its cells, in bytes, read from /proc; 0 where there is none.
func (s *server) memory() (server, cells int64) {
	server = resident(s.cmd.Process.Pid)
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return server, 0
	}
	for _, e := range entries {
		var pid int
		if _, err := fmt.Sscan(e.Name(), &pid); err != nil || pid == s.cmd.Process.Pid {
			continue
		}
		command, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
		if err == nil && strings.Contains(string(command), "\x00cell\x00") && strings.Contains(string(command), s.dir) {
			cells += resident(pid)
		}
	}
	return server, cells
}

func resident(pid int) int64 {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	_, rest, found := strings.Cut(string(data), "VmRSS:")
	var kb int64
	if !found {
		return 0
	}
	if _, err := fmt.Sscan(rest, &kb); err != nil {
		return 0
	}
	return kb << 10
}
