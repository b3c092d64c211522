package wasi

import (
	"testing"

	"github.com/sockerless/sockerless/agent/agentpb"
)

// TestNetworkCommands has both ends in one container, which has no network but loopback.
func TestNetworkCommands(t *testing.T) {
	c := serveCell(t)
	startSleeper(t, c, newContainer(t, c))
	for script, want := range map[string]struct {
		out, errs string
		code      int32
	}{
		`echo reply | nc -l -p 7000 & until echo asked | nc localhost 7000; do :; done; wait`: {"", "", 0},
		`printf 'HTTP/1.0 200 OK\r\n\r\nhello\n' | nc -l -p 7001 > /request & curl -s --retry 99 --retry-delay 0.01 --retry-connrefused http://localhost:7001/a; wait; /bin/cat /request`: {
			"hello\nGET /a HTTP/1.1\r\nHost: localhost:7001\r\nUser-Agent: curl/8.5.0\r\nAccept: */*\r\n\r\n", "", 0},
		`printf 'HTTP/1.0 200 OK\r\n\r\nhello\n' | nc -l -p 7002 > /dev/null & wget -q -O - --retry-connrefused --waitretry 0.01 -t 0 http://127.0.0.1:7002/a; wait`: {"hello\n", "", 0},
		`nc -z localhost 7003`:           {"", "", 1},
		`curl -sS http://localhost:7003`: {"", "curl: (7) Failed to connect to localhost port 7003: Connection refused\n", 7},
		`curl -sS http://no.such`:        {"", "curl: (6) Could not resolve host: no.such\n", 6},
		`curl -sS http://10.0.0.1`:       {"", "curl: (7) Failed to connect to 10.0.0.1 port 80: Network is unreachable\n", 7},
	} {
		out, errs, code := runIn(t, c, "", &agentpb.Process{Args: []string{"sh", "-c", script}})
		if script[:10] == "echo reply" {
			if out != "reply\nasked\n" && out != "asked\nreply\n" || code != 0 {
				t.Errorf("%s\n%d %q %q", script, code, out, errs)
			}
			continue
		}
		if out != want.out || errs != want.errs || code != want.code {
			t.Errorf("%s\n%d %q %q", script, code, out, errs)
		}
	}
}
