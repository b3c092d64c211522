package e2e

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// logged waits until a container has printed a text.
func (s *server) logged(t *testing.T, container, text string) {
	t.Helper()
	for {
		o := outcomeOf(t, s.docker(t, "logs", container))
		if strings.Contains(o.stdout+o.stderr, text) {
			return
		}
		if s.ok(t, "inspect", "-f", "{{.State.Running}}", container) != "true" {
			t.Fatalf("%s has ended without %q: %s", container, text, o)
		}
	}
}

// sandbox runs a script of bash in a container of the sandbox in a network, and wants what it prints.
func (s *server) sandbox(t *testing.T, network, script, want string) {
	t.Helper()
	o := outcomeOf(t, s.docker(t, "run", "--rm", "--network", network, "sockerless/base", "bash", "-c", script))
	if o.stdout != want {
		t.Errorf("%s\nprinted %s, want %q", script, o, want)
	}
}

// TestNode runs Debian's node: as a container, in a script that is promoted, and at a terminal.
func TestNode(t *testing.T) {
	s := offloadServer(t, "{}\n")
	s.programImage(t, "node")
	for _, c := range []struct {
		name, stdin string
		command     []string
		want        outcome
	}{
		{name: "script", command: []string{"node", "-e", "console.log([1, 2].map(x => x * 21)); console.error('err'); process.exitCode = 3"}, want: outcome{"[ 21, 42 ]\n", "err\n", 3}},
		{name: "input", stdin: "one\ntwo\n", command: []string{"node", "-e", "let n = 0; process.stdin.on('data', d => n += d.length).on('end', () => console.log(n))"}, want: outcome{stdout: "8\n"}},
		{name: "threads, children, files", command: []string{"node", "-e", `const {Worker} = require('worker_threads'), fs = require('fs'), {execSync} = require('child_process');
fs.writeFileSync('/f', 'file');
new Worker("require('worker_threads').parentPort.postMessage(6*7)", {eval: true}).on('message', m => console.log(m, String(execSync('cat /f'))))`}, want: outcome{stdout: "42 file\n"}},
		{name: "promoted", command: []string{"bash", "-c", `N=$(echo abqr | tr a-z n-za-m); echo "console.log(process.argv[2] * 2)" > s.js
for i in 1 2; do $N s.js $i; done | while read x; do echo "shell $x"; done; $N -e 'process.kill(process.pid)'; echo $?; exec $N -e 'process.exit(9)'`}, want: outcome{"shell 2\nshell 4\n143\n", "", 9}},
	} {
		t.Run(c.name, func(t *testing.T) {
			cmd := s.docker(t, append([]string{"run", "--rm", "-i", "node"}, c.command...)...)
			cmd.Stdin = strings.NewReader(c.stdin)
			got := outcomeOf(t, cmd)
			got.stderr = withoutJobs(got.stderr)
			if got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
	s.ok(t, "run", "-d", "--name", "c", "node", "sleep", "infinity")
	x := s.open(t, "exec", "-it", "c", "node")
	x.expect("> ")
	x.run("process.stdout.columns + ' ' + process.stdin.isTTY", "'80 true'")
	x.expect("> ")
	x.run(".exit", "\n")
	x.ends(0)
	s.leavesNothing(t)
}

// webServers are servers on a port, of the image's own programs.
var webServers = []struct{ image, script string }{
	{"python", `mkdir /www; echo hello > /www/f; cd /www; exec python3 -u -m http.server 8000`},
	{"node", `exec node -e "require('http').createServer((q, r) => { console.log(q.socket.remoteAddress.replace('::ffff:', ''), '-', q.method, q.url); r.writeHead(q.url == '/f' ? 200 : 404); r.end('hello\n') }).listen(8000, () => console.log('Serving'))"`},
}

// TestWebServer reaches a native web server from this machine, from the sandbox and from native programs, by its names in
// each network that it is in; and what is not there is an error at once.
func TestWebServer(t *testing.T) {
	s := offloadServer(t, "{}\n")
	s.programImage(t, "node")
	for _, n := range []string{"one", "two"} {
		s.ok(t, "network", "create", n)
	}
	for _, web := range webServers {
		t.Run(web.image, func(t *testing.T) {
			s.ok(t, "run", "-d", "--name", "web", "-p", "127.0.0.1::8000", "--network", "one", "--network-alias", "site", web.image, "bash", "-c", web.script)
			s.logged(t, "web", "Serving")
			r, err := http.Get("http://" + s.ok(t, "port", "web", "8000/tcp") + "/f")
			if err != nil {
				t.Fatal(err)
			}
			body, err := io.ReadAll(r.Body)
			r.Body.Close()
			if string(body) != "hello\n" || err != nil {
				t.Errorf("this machine got %q, %v", body, err)
			}
			s.sandbox(t, "one", `curl -s http://web:8000/f; wget -qO- http://site:8000/f; curl -s -o /dev/null -w '%{http_code}\n' http://web:8000/nosuch
exec 3<>/dev/tcp/site/8000; printf 'GET /f HTTP/1.0\r\n\r\n' >&3; tail -n 1 <&3; nc -z web 8000; echo $?
curl -s http://web:8001/; echo $?; curl -s http://nosuch:8000/; echo $?`, "hello\nhello\n404\nhello\n0\n7\n6\n")
			const ask = `import socket, urllib.request
print(urllib.request.urlopen("http://site:8000/f").read())
for f in (lambda: socket.create_connection(("web", 8001)), lambda: socket.gethostbyname("nosuch")):
    try: f()
    except OSError as e: print(e)
print(socket.gethostbyname("web") == socket.gethostbyname("site"), socket.gethostbyaddr(socket.gethostbyname("web"))[0])`
			const answers = "b'hello\\n'\n[Errno 111] Connection refused\n[Errno -2] Name or service not known\nTrue web."
			if got := s.ok(t, "run", "--rm", "--network", "one", "python", "python3", "-c", ask); got != answers+"one" {
				t.Errorf("a native program got %q", got)
			}
			s.sandbox(t, "two", "curl -s http://web:8000/f; echo $?", "6\n")
			s.ok(t, "network", "connect", "--alias", "also", "two", "web")
			s.sandbox(t, "two", "curl -s http://also:8000/f; wget -qO- http://web:8000/f", "hello\nhello\n")
			if got := s.ok(t, "run", "--rm", "--network", "two", "python", "python3", "-c", strings.ReplaceAll(ask, "site", "also")); got != answers+"two" {
				t.Errorf("a native program got %q", got)
			}
			s.ok(t, "run", "-d", "--name", "peer", "--network", "two", "python", "python3", "-u", "-m", "http.server", "80")
			s.logged(t, "peer", "Serving")
			s.ok(t, "exec", "web", "bash", "-c", "exec 3<>/dev/tcp/peer/80")
			s.ok(t, "network", "disconnect", "two", "web")
			s.sandbox(t, "two", "curl -s http://also:8000/f; echo $?", "6\n")
			s.fails(t, 1, []string{"peer"}, "exec", "web", "bash", "-c", "exec 3<>/dev/tcp/peer/80")
			// Each is known by its address, as in Docker.
			log := outcomeOf(t, s.docker(t, "logs", "web"))
			own := s.ok(t, "inspect", "-f", "{{.NetworkSettings.Networks.one.IPAddress}}", "web")
			gateway := s.ok(t, "inspect", "-f", "{{.NetworkSettings.Networks.one.Gateway}}", "web")
			if all := log.stdout + log.stderr; !strings.Contains(all, gateway+" -") || strings.Contains(all, own+" -") {
				t.Errorf("%s, whose gateway is %s, had requests of:\n%s", own, gateway, all)
			}
			s.ok(t, "rm", "-f", "web", "peer")
		})
	}
	s.leavesNothing(t)
}

// TestDatagrams carries UDP between native containers and from the sandbox, by name; what nobody takes is refused.
func TestDatagrams(t *testing.T) {
	s := offloadServer(t, "{}\n")
	s.ok(t, "network", "create", "one")
	s.ok(t, "run", "-d", "--name", "echo", "--network", "one", "python", "python3", "-uc", `import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(("", 5300)); print("up")
while True:
    data, sender = s.recvfrom(65536); s.sendto(data.upper(), sender)`)
	s.logged(t, "echo", "up")
	s.sandbox(t, "one", `exec 3<>/dev/udp/echo/5300; echo datagram >&3; head -n 1 <&3; echo of nc | nc -u -w 1 echo 5300
exec 3<>/dev/udp/echo/5301; echo x >&3; head -n 1 <&3 2>/dev/null; echo $?`, "DATAGRAM\nOF NC\n1\n")
	got := s.ok(t, "run", "--rm", "--network", "one", "python", "python3", "-c", `import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for d in (b"a", b"", b"b" * 9000):
    s.sendto(d, ("echo", 5300)); print(len(s.recvfrom(65536)[0]))
s.connect(("echo", 5301)); s.send(b"x")
try: s.recv(10)
except OSError as e: print(e)`)
	if got != "1\n0\n9000\n[Errno 111] Connection refused" {
		t.Errorf("a native program got %q", got)
	}
	s.leavesNothing(t)
}

// TestRedisByName has clients of redis in the sandbox, in a native container, and at a terminal.
func TestRedisByName(t *testing.T) {
	s := offloadServer(t, "{}\n")
	s.ok(t, "network", "create", "one")
	redis := registryHost + "/redis"
	s.ok(t, "run", "-d", "--name", "db", "--network", "one", "--network-alias", "cache", "-w", "/tmp", redis, "redis-server", "--save", "", "--protected-mode", "no")
	s.logged(t, "db", "Ready to accept connections")
	s.sandbox(t, "one", `printf 'SET k value\r\nQUIT\r\n' | nc db 6379; exec 3<>/dev/tcp/cache/6379; printf 'GET k\r\nQUIT\r\n' >&3; cat <&3`, "+OK\r\n+OK\r\n$5\r\nvalue\r\n+OK\r\n")
	if got := s.ok(t, "run", "--rm", "--network", "one", redis, "redis-cli", "-h", "cache", "get", "k"); got != "value" {
		t.Errorf("a native client got %q", got)
	}
	x := s.open(t, "exec", "-it", "db", "redis-cli")
	x.expect("127.0.0.1:6379> ")
	x.run("append k s", "(integer) 6")
	x.expect("127.0.0.1:6379> ")
	x.send("subscribe c\r")
	x.expect("Reading messages")
	s.sandbox(t, "one", `printf 'PUBLISH c hello\r\nQUIT\r\n' | nc db 6379`, ":1\r\n+OK\r\n")
	x.expect(`"hello"`)
	x.send(ctrlC)
	x.expect("127.0.0.1:6379> ")
	x.send("quit\r")
	x.ends(0)
	s.leavesNothing(t)
}

// TestPostgres runs PostgreSQL as its image does: a script makes the database as root and starts the server as its user.
// Its clients are native ones by name, the sandbox, and a person.
func TestPostgres(t *testing.T) {
	s := offloadServer(t, "{}\n")
	s.programImage(t, "postgres")
	s.ok(t, "network", "create", "one")
	script := filepath.Join(t.TempDir(), "entrypoint.sh")
	if err := os.WriteFile(script, []byte(`#!/bin/bash
set -eo pipefail
as() { setpriv --reuid www-data --regid www-data --clear-groups "$@"; }
if [ ! -e $PGDATA/PG_VERSION ]; then
	mkdir -p /run/db
	chown www-data:www-data $PGDATA /run/db
	chmod 700 $PGDATA
	as initdb --auth=trust -U postgres -E UTF8 --no-sync | tail -n 3
	echo 'host all all samenet trust' >> $PGDATA/pg_hba.conf
	as psql --version | while read -r line; do echo "by $line"; done
fi
exec setpriv --reuid www-data --regid www-data --clear-groups "$@"
`), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, hidden := range []string{"", "shell"} { // the script as a whole, and promoted on its way
		t.Run("as "+hidden, func(t *testing.T) {
			command := []string{"/entrypoint.sh", "postgres", "-c", "listen_addresses=*", "-c", "unix_socket_directories=/run/db", "-c", "fsync=off"}
			if hidden != "" {
				command = append([]string{"bash", "-c", `S=$(echo /ragelcbvag.fu | tr a-z n-za-m); . $S`}, command...)
			}
			s.ok(t, append([]string{"run", "-d", "--name", "pg", "--network", "one", "--network-alias", "db", "-e", "PGDATA=/var/lib/db", "-v", "data:/var/lib/db",
				"-v", script + ":/entrypoint.sh:ro", "postgres"}, command...)...)
			s.logged(t, "pg", "database system is ready to accept connections")
			psql := []string{"run", "--rm", "-i", "--network", "one", "postgres", "psql", "-qAtX", "-v", "ON_ERROR_STOP=1", "-h", "db", "-U", "postgres"}
			cmd := s.docker(t, psql...)
			var in strings.Builder
			in.WriteString("create table t (n int, s text); copy t from stdin;\n")
			for i := range 20000 {
				fmt.Fprintf(&in, "%d\trow %d\n", i, i)
			}
			in.WriteString("\\.\nselect count(*), sum(n), max(length(s)) from t; select inet_server_addr() = inet_client_addr();")
			cmd.Stdin = strings.NewReader(in.String())
			if got, want := outcomeOf(t, cmd), (outcome{stdout: "20000|199990000|9\nf\n"}); got != want {
				t.Errorf("psql: %s, want %s", got, want)
			}
			s.fails(t, 1, []string{`relation "nosuch" does not exist`}, append(psql, "-c", "select * from nosuch")...)
			s.sandbox(t, "one", `nc -z db 5432; echo $?; exec 3<>/dev/tcp/pg/5432; printf '\0\0\0\x08\x04\xd2\x16\x2f' >&3; head -c 1 <&3`, "0\nN") // no TLS
			x := s.open(t, "exec", "-it", "-u", "www-data", "pg", "psql", "-X", "-h", "/run/db", "-U", "postgres")
			x.expect("postgres=# ")
			x.run("select 6 * 7 as answer;", "answer")
			x.expect("42")
			x.expect("postgres=# ")
			x.send(ctrlD)
			x.ends(0)
			s.ok(t, "stop", "pg")
			if got := s.ok(t, "inspect", "-f", "{{.State.ExitCode}}", "pg"); got != "0" {
				t.Errorf("it ended with %s: %s", got, outcomeOf(t, s.docker(t, "logs", "pg")))
			}
			s.ok(t, "start", "pg")
			s.logged(t, "pg", "database system was shut down")
			for outcomeOf(t, s.docker(t, "exec", "-u", "www-data", "pg", "pg_isready", "-h", "/run/db")).code != 0 {
			}
			if got := s.ok(t, "exec", "-u", "www-data", "pg", "psql", "-AtX", "-h", "/run/db", "-U", "postgres", "-c", "select count(*) from t"); got != "20000" {
				t.Errorf("after a restart it has %s rows", got)
			}
			s.ok(t, "rm", "-fv", "pg")
			s.ok(t, "volume", "rm", "data")
		})
	}
	s.leavesNothing(t)
}
