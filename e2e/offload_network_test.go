package e2e

import (
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
)

// placed are the options of a container that has to run in the sandbox, or natively.
func placed(where string) []string { return []string{"--label", "sockerless.place=" + where} }

func TestOneNetwork(t *testing.T) {
	s := offloadServer(t, "{}\n")
	oneNetwork(t, s)
	s.leavesNothing(t)
}

// oneNetwork has containers of the sandbox and of a backend in one network: both reach each other by name, alias and published
// port, and neither can tell where the other runs.
func oneNetwork(t *testing.T, s *server) {
	image := map[string]string{"sandbox": "sockerless/base", "offload": "python"}
	run := func(where, name string, options []string, command ...string) string {
		args := append([]string{"run", "-d", "--name", name}, placed(where)...)
		return s.ok(t, append(append(args, options...), append([]string{image[where]}, command...)...)...)
	}
	once := func(where string, options []string, command ...string) outcome {
		args := append([]string{"run", "--rm"}, placed(where)...)
		return outcomeOf(t, s.docker(t, append(append(args, options...), append([]string{image[where]}, command...)...)...))
	}
	printed := func(name, text string) {
		t.Helper()
		for !strings.Contains(s.ok(t, "logs", name), text) {
			if state := s.ok(t, "inspect", "-f", "{{.State.Status}}", name); state != "running" && !strings.Contains(s.ok(t, "logs", name), text) {
				t.Fatalf("%s is %s:\n%s", name, state, outcomeOf(t, s.docker(t, "logs", name)))
			}
		}
	}
	s.ok(t, "network", "create", "lan")
	lan := []string{"--network", "lan"}
	const serve = `
import socketserver, sys
class H(socketserver.StreamRequestHandler):
    def handle(self):
        self.wfile.write(b"HTTP/1.0 200 OK\r\n\r\nnative " + self.rfile.readline().split()[1])
class U(socketserver.BaseRequestHandler):
    def handle(self):
        data, s = self.request
        s.sendto(data.upper(), self.client_address)
import threading
socketserver.TCPServer.allow_reuse_address = True
t = socketserver.ThreadingTCPServer(("", 80), H)
u = socketserver.UDPServer(("", 5353), U)
threading.Thread(target=u.serve_forever).start()
print("serving", flush=True)
t.serve_forever()
`
	run("offload", "web", []string{"--network", "lan", "--network-alias", "www", "-p", "127.0.0.1::80", "-u", "1234"}, "python3", "-c", serve)
	printed("web", "serving")
	port := s.ok(t, "port", "web", "80")
	fetch := func() string {
		t.Helper()
		r, err := http.Get("http://" + port + "/published")
		if err != nil {
			t.Fatal(err)
		}
		defer r.Body.Close()
		text, err := io.ReadAll(r.Body)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	if got := fetch(); got != "native /published" {
		t.Errorf("by the published port: %q", got)
	}
	for _, name := range []string{"web", "www"} {
		if got := once("sandbox", lan, "curl", "-s", "http://"+name+"/"+name); got.stdout != "native /"+name {
			t.Errorf("from the sandbox to %s: %s", name, got)
		}
		const get = "import urllib.request as r; print(r.urlopen('http://%s/x').read().decode())"
		if got := once("offload", lan, "python3", "-c", strings.Replace(get, "%s", name, 1)); got.stdout != "native /x\n" {
			t.Errorf("from the backend to %s: %s", name, got)
		}
	}
	if got := once("sandbox", lan, "sh", "-c", "echo datagram | nc -u -w 1 web 5353"); got.stdout != "DATAGRAM\n" {
		t.Errorf("datagrams from the sandbox: %s", got)
	}

	run("sandbox", "box", lan, "sh", "-c", "for i in 1 2 3; do echo sandbox $i | nc -l -p 7000 >/tmp/got; done; cat /tmp/got; echo served")
	const talk = `
import socket, sys, time
while True:
    try: c = socket.create_connection(("box", 7000))
    except ConnectionRefusedError: continue
    break
c.sendall(b"from the backend"); c.shutdown(socket.SHUT_WR)
print(c.makefile().read(), end="")
`
	for _, want := range []string{"sandbox 1\n", "sandbox 2\n", "sandbox 3\n"} {
		if got := once("offload", lan, "python3", "-c", talk); got != (outcome{want, "", 0}) {
			t.Errorf("from the backend to the sandbox: %s", got)
		}
	}
	printed("box", "from the backendserved")

	const fail = "import socket\ntry: socket.create_connection(%q, 60)\nexcept OSError as e: print(e.strerror)"
	for _, c := range []struct {
		name, to, want string
		options        []string
	}{
		{"another network", "('web', 80)", "Name or service not known\n", nil},
		{"nobody", "('nobody', 80)", "Name or service not known\n", lan},
		{"nobody listens", "('web', 81)", "Connection refused\n", lan},
		{"no network", "('192.0.2.1', 80)", "Network is unreachable\n", []string{"--network", "none"}},
		{"credentials of the machine", "('169.254.169.254', 80)", "No route to host\n", nil},
	} {
		got := once("offload", c.options, "python3", "-c", strings.Replace(fail, "%q", c.to, 1))
		if got.stdout != c.want {
			t.Errorf("%s: got %s, want %q", c.name, got, c.want)
		}
	}
	const rights = "print([l.split()[1] for l in open('/proc/self/status') if l[:6] in ('CapEff', 'CapBnd')])"
	for name, c := range map[string]struct {
		options []string
		want    string
	}{
		"the rights that every container has": {nil, "00000000a80425fb"},
		"the right to change the network":     {[]string{"--cap-add", "NET_ADMIN"}, "00000000a80435fb"},
	} {
		if got := once("offload", append(c.options, lan...), "python3", "-c", rights); got.stdout != "['"+c.want+"', '"+c.want+"']\n" {
			t.Errorf("%s: %s", name, got)
		}
	}

	// The network outlives the server.
	if err := s.signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if err := s.start(); err != nil {
		t.Fatal(err)
	}
	if got := fetch(); got != "native /published" {
		t.Errorf("by the published port, after a restart of the server: %q", got)
	}
	s.ok(t, "restart", "-t", "0", "web")
	printed("web", "serving\nserving")
	port = s.ok(t, "port", "web", "80")
	if got := fetch(); got != "native /published" {
		t.Errorf("by the published port, after a restart of the container: %q", got)
	}
	s.ok(t, "rm", "-f", "web", "box")
	s.ok(t, "network", "rm", "lan")
	if c, err := net.Dial("tcp", port); err == nil {
		_ = c.Close()
		t.Error("the port is still published")
	}
}
