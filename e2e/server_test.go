package e2e

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// server is a built sockerless with a socket and a folder of its own.
type server struct {
	dir    string // short: unix sockets live in it
	args   []string
	within []string // the command, if any, that runs the server's as its arguments
	cmd    *exec.Cmd
	exited chan struct{} // closed once cmd has been waited for
	log    *os.File
}

func (s *server) socket() string { return filepath.Join(s.dir, "s") }
func (s *server) host() string   { return "unix://" + s.socket() }
func (s *server) data() string   { return filepath.Join(s.dir, "data") }

// newServer prepares a server; start starts it.
func newServer(args ...string) (*server, error) {
	dir, err := os.MkdirTemp("", "sle2e")
	if err != nil {
		return nil, err
	}
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		return nil, err
	}
	return &server{dir: dir, args: args, log: log}, nil
}

func (s *server) environment() []string {
	return append(os.Environ(), "XDG_RUNTIME_DIR="+s.dir, "DOCKER_HOST="+s.host())
}

// start runs the server and returns once it says that it answers.
func (s *server) start() error {
	line := slices.Concat(s.within, []string{binary, "serve", "--listen", s.host(), "--data-dir", s.data()}, s.args)
	cmd := exec.Command(line[0], line[1:]...)
	cmd.Stderr, cmd.Env = s.log, s.environment()
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	ready, exited := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(exited)
		said := false
		for lines := bufio.NewScanner(stdout); lines.Scan(); {
			fmt.Fprintln(s.log, lines.Text())
			if strings.HasPrefix(lines.Text(), "export DOCKER_HOST=") && !said {
				said = true
				close(ready)
			}
		}
		_ = cmd.Wait() // how it ended is in the log
	}()
	select {
	case <-ready:
		s.cmd, s.exited = cmd, exited
		return nil
	case <-exited:
		log, err := os.ReadFile(s.log.Name())
		return errors.Join(fmt.Errorf("the server ended at its start:\n%s", log), err)
	}
}

// signal ends the server by a signal and waits for it. Its containers go on.
func (s *server) signal(sig syscall.Signal) error {
	if s.cmd == nil {
		return nil
	}
	err := s.cmd.Process.Signal(sig)
	<-s.exited
	s.cmd = nil
	return err
}

// cells are the processes that run the server's containers.
func (s *server) cells() ([]int, error) {
	entries, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		return nil, err
	}
	var pids []int
	for _, e := range entries {
		command, err := os.ReadFile(e)
		if err != nil || !bytes.Contains(command, []byte("\x00cell\x00")) || !bytes.Contains(command, []byte(s.dir)) {
			continue
		}
		var pid int
		if _, err := fmt.Sscan(strings.Split(e, "/")[2], &pid); err != nil {
			return nil, err
		}
		pids = append(pids, pid)
	}
	return pids, nil
}

// remove ends the server and everything that it started, and removes its folder.
func (s *server) remove(t interface{ Logf(string, ...any) }) error {
	err := s.signal(syscall.SIGKILL)
	pids, cellsErr := s.cells()
	for _, pid := range pids {
		if p, err := os.FindProcess(pid); err == nil {
			_ = p.Kill() // gone meanwhile is as good
		}
	}
	if testing.Verbose() {
		log, _ := os.ReadFile(s.log.Name())
		t.Logf("server log:\n%s", log)
	}
	return errors.Join(err, cellsErr, s.removeNatives(), s.log.Close(), os.RemoveAll(s.dir))
}
