package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"
)

// server is the sockerless that is measured, spoken to over one kept connection.
type server struct {
	dir, socket string
	cmd         *exec.Cmd
	started     time.Duration // from the start of the process to the first answer

	conn   net.Conn
	reader *bufio.Reader
}

func (s *server) stop() {
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err == nil {
		_ = s.cmd.Wait() // its exit code is not what is measured
	}
	_ = os.RemoveAll(s.dir)
}

// request writes a request with a JSON body on a connection.
func request(w io.Writer, method, path string, body []byte, headers string) error {
	_, err := fmt.Fprintf(w, "%s /v1.51%s HTTP/1.1\r\nHost: d\r\nContent-Type: application/json\r\nContent-Length: %d\r\n%s\r\n%s",
		method, path, len(body), headers, body)
	return err
}

// call makes a call on the kept connection; result, if not nil, is decoded from the answer.
func (s *server) call(method, path string, body, result any) error {
	if s.conn == nil {
		conn, err := net.Dial("unix", s.socket)
		if err != nil {
			return err
		}
		s.conn, s.reader = conn, bufio.NewReader(conn)
	}
	var data []byte
	if body != nil {
		var err error
		if data, err = json.Marshal(body); err != nil {
			return err
		}
	}
	if err := request(s.conn, method, path, data, ""); err != nil {
		return err
	}
	response, err := http.ReadResponse(s.reader, &http.Request{Method: method})
	if err != nil {
		return err
	}
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	if response.Close {
		_ = s.conn.Close() // it is the server's decision
		s.conn = nil
	}
	if response.StatusCode >= 400 {
		return fmt.Errorf("%s %s: %s: %s", method, path, response.Status, answer)
	}
	if result == nil {
		return nil
	}
	return json.Unmarshal(answer, result)
}

func (s *server) create(command ...string) (id string, err error) {
	return s.new(map[string]any{"Image": "sockerless/base", "Cmd": command})
}

// new makes a container.
func (s *server) new(config map[string]any) (id string, err error) {
	var created struct{ ID string }
	err = s.call("POST", "/containers/create", config, &created)
	return created.ID, err
}

// lifecycle is one container that runs `true`, from create to remove.
func (s *server) lifecycle() error {
	id, err := s.create("true")
	if err != nil {
		return err
	}
	return s.finish(id)
}

// finish starts a container, waits for its end and removes it.
func (s *server) finish(id string) error {
	if err := s.call("POST", "/containers/"+id+"/start", nil, nil); err != nil {
		return err
	}
	if err := s.wait(id); err != nil {
		return err
	}
	return s.call("DELETE", "/containers/"+id, nil, nil)
}

// wait waits for the end of a container, which must be a success.
func (s *server) wait(id string) error {
	var exit struct{ StatusCode int }
	if err := s.call("POST", "/containers/"+id+"/wait", nil, &exit); err != nil {
		return err
	}
	if exit.StatusCode != 0 {
		return fmt.Errorf("the container ended with %d", exit.StatusCode)
	}
	return nil
}

// hangUp closes the kept connection.
func (s *server) hangUp() {
	if s.conn != nil {
		_ = s.conn.Close()
		s.conn = nil
	}
}

// exec runs a command (`true` if none is named) in a container and reads its stream to the end.
func (s *server) exec(container string, command ...string) error {
	if len(command) == 0 {
		command = []string{"true"}
	}
	_, err := s.execOutput(container, io.Discard, command)
	return err
}

func (s *server) execOutput(container string, out io.Writer, command []string) (int64, error) {
	var exec struct{ ID string }
	if err := s.call("POST", "/containers/"+container+"/exec",
		map[string]any{"Cmd": command, "AttachStdout": true, "AttachStderr": true}, &exec); err != nil {
		return 0, err
	}
	conn, err := net.Dial("unix", s.socket)
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	if err := request(conn, "POST", "/exec/"+exec.ID+"/start", []byte(`{}`), "Connection: Upgrade\r\nUpgrade: tcp\r\n"); err != nil {
		return 0, err
	}
	reader := bufio.NewReaderSize(conn, 256<<10)
	if err := skipHead(reader); err != nil {
		return 0, err
	}
	n, err := io.Copy(out, reader)
	if err != nil {
		return n, err
	}
	var ended struct {
		Running  bool
		ExitCode *int
	}
	if err := s.call("GET", "/exec/"+exec.ID+"/json", nil, &ended); err != nil {
		return n, err
	}
	if ended.Running || ended.ExitCode == nil || *ended.ExitCode != 0 {
		return n, fmt.Errorf("exec of %v ended with %v", command, ended)
	}
	return n, nil
}

// throughput prints how fast the output of an exec arrives.
func (s *server) throughput(container string) error {
	const megabytes = 512
	began := time.Now()
	n, err := s.execOutput(container, io.Discard, []string{"head", "-c", fmt.Sprintf("%dM", megabytes), "/dev/zero"})
	if err != nil {
		return err
	}
	if n < megabytes<<20 {
		return fmt.Errorf("exec: %d bytes of output, want %d MB", n, megabytes)
	}
	fmt.Printf("%-46s %7.0f MB/s\n", fmt.Sprintf("output of an exec, %d MB", megabytes), megabytes/time.Since(began).Seconds())
	return nil
}

// pings counts answers to /_ping in a time over some connections.
func (s *server) pings(connections int, duration time.Duration) (perSecond float64, err error) {
	var (
		group sync.WaitGroup
		mu    sync.Mutex
		count int
	)
	ping := []byte("GET /_ping HTTP/1.1\r\nHost: d\r\n\r\n")
	began := time.Now()
	for range connections {
		group.Go(func() {
			n, e := pingUntil(s.socket, ping, began.Add(duration))
			mu.Lock()
			defer mu.Unlock()
			count += n
			if e != nil {
				err = e
			}
		})
	}
	group.Wait()
	return float64(count) / time.Since(began).Seconds(), err
}

func pingUntil(socket string, ping []byte, end time.Time) (count int, err error) {
	conn, err := net.Dial("unix", socket)
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	buf := make([]byte, 4096)
	for time.Now().Before(end) {
		if _, err := conn.Write(ping); err != nil {
			return count, err
		}
		n := 0
		for !bytes.HasSuffix(buf[:n], []byte("\r\n\r\nOK")) {
			m, err := conn.Read(buf[n:])
			if err != nil {
				return count, err
			}
			n += m
		}
		count++
	}
	return count, nil
}
