//go:build linux

package builtins

import (
	"context"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestDate(t *testing.T) {
	tr := trial{setup: "touch -d '2020-02-03 04:05:06.789' f; printf '@0\\n2020-01-01\\n' > list"}
	var lines []string
	for _, d := range []string{"@0", "@1700000000.5", "2024-02-29", "2024-02-30", "2024-01-31 12:34:56", "2024-01-31T12:34:56Z", "2024-01-31T12:34:56.123+02:00", "20240131", "20240131 1530", "Jan 31 2024", "31 Jan 2024 10:00", "31 January 2024",
		"Wed, 31 Jan 2024 10:00:00 +0100", "2024-01-31 +1 day", "2024-01-31 1 month", "2024-01-31 3 days ago", "2024-01-31 -2 weeks", "2024-01-31 10:00 next hour", "2024-01-31 12:00 UTC+2 hours", "01/31/2024", "2024/01/31", "2024-01-31 5pm", "2024-01-31 12am",
		"foo", "2024-13-01", "2024-01-31 25:00", "2024-01-31 yesterday", "2024-01-31 EST", "1 year ago 2024-03-01", "2024-01-31 + 1 day", "@-1", "2024-01-31 10:00:00 -0500", "2024-01-31 last month", "2024-01-31 tomorrow"} {
		lines = append(lines, "date -d '"+d+"' '+%F %T.%N %z'")
	}
	tr.check(t, lines...)
	tr.check(t, "date -r f", "date -u -d @0", "date -d @0 -R", "date -d @0 -Iseconds", "date -d @0 -I", "date -d @0 -Ins", "date -d @0 --rfc-3339=ns", "date -f list +%s", "date -d @0 +%F +%T", "date foo", "date -d @0 -Ifoo", "date -r none", "date -d '' +%H%M%S", "date -d today +%H", "date +",
		"date -d @86399 '+%a %A %b %B %c %C %d %D %e %g %G %h %H %I %j %k %l %m %M %n %p %P %q %r %R %s %S %t %u %U %V %w %W %x %X %y %Y %z %:z %::z %:::z %Z %% %N %3N %-d %_d %05d %^a %#Z %-N %10Y %Q %-H%-M %+4Y'")
	for _, zone := range []string{"Europe/Berlin", "America/New_York", "EST5EDT", "UTC-2", "foo", "XXX3"} {
		tr.env = []string{"TZ=" + zone}
		tr.check(t, "date -d @1700000000 '+%F %T %z %Z'", "date -d '2024-07-01 12:00' '+%s %Z'", "date -d '2024-01-01 12:00 UTC' '+%F %T %z'")
	}
}

func TestEnvironment(t *testing.T) {
	trial{env: []string{"A=1", "B=2"}}.check(t, "env -i", "env -i X=y", "env -i X=y echo a", "env -u A -i Z=1", "env none", "env -i none", "env -C / echo x", "env -C none echo", "env -S 'echo a  b'", "env -z", "env -u", "env false", "env -0i A=b", "env -C /", "env -i - A=b", "env A=3 true",
		"nohup echo x", "nohup", "nice echo x", "nice -n 5 echo x", "nice -n x echo", "setsid echo x", "timeout 5 echo x", "timeout 5 false", "timeout x echo", "timeout 5", "timeout", "timeout 5 none", "timeout -s FOO 5 true", "timeout -k x 5 true", "timeout --preserve-status 5 false", "sleep 0", "sleep", "sleep x", "sleep 0.01 0.01", "sleep -1")
	trial{setup: "mkdir -p /tmp"}.check(t, "id", "id -u", "id -g", "id -G", "id -un", "id -gn", "id -Gn", "id root", "id daemon", "id nosuch", "id -u daemon", "id -n", "id -ug", "id -z", "id 1", "whoami", "whoami x", "groups root", "groups nosuch", "groups daemon bin", "groups", "arch", "uname -s", "uname -m", "uname -o", "uname x", "uname -z", "uname -sm",
		"tty", "tty -s", "getent passwd root", "getent passwd 1", "getent passwd nosuch", "getent group sys", "getent group 3 nosuch", "kill -l 9", "kill -l HUP", "kill x")
}

func TestBlocks(t *testing.T) {
	setup := `printf 'abcdefghij' > a; head -c 3000 /dev/zero > z; mkdir -p d/e; head -c 5000 /dev/zero > d/e/f; ln d/e/f d/g; echo x > d/h`
	trial{setup: setup, stdin: "hello world\n", erase: regexp.MustCompile(`copied, .*`)}.check(t, "dd if=a of=b", "dd if=a bs=3", "dd if=a bs=3 count=2", "dd if=a bs=1 skip=4 count=3 status=none", "dd if=a of=z bs=2 seek=3 conv=notrunc", "dd if=a of=z bs=2 seek=3", "dd conv=ucase", "dd bs=4 conv=sync status=noxfer", "dd if=none", "dd foo=1", "dd foo",
		"dd if=a bs=x", "dd if=a conv=foo", "dd if=z of=b bs=1k", "dd if=z of=b ibs=100 obs=1000", "dd if=a conv=swab status=none", "dd if=a of=b count=5 iflag=count_bytes", "dd if=z of=b bs=1M", "dd if=a of=none/b", "dd if=a status=foo", "dd if=a of=b bs=3 oflag=append conv=notrunc")
	trial{setup: setup}.check(t, "truncate -s 5 a", "truncate -s +5 a", "truncate -s -3 a", "truncate -s 1K n", "truncate -s '<5' a", "truncate -s '>50' a", "truncate -s %8 a", "truncate -s /4 a", "truncate -r a z", "truncate a", "truncate -s x a", "truncate -s 5", "truncate -c -s 5 none", "truncate -s 0 a", "truncate -s 5 none/x",
		"du -b d/h", "du -ab d/e/f d/h a", "du -sb a z", "du -cb a z", "du -bh a z", "du none", "du -as d", "du -d x d", "du -B1 --apparent-size a", "mkfifo p", "mkfifo -m 600 p", "mkfifo a", "mkfifo", "mknod p p", "mknod", "mknod x", "mknod x c", "install a b", "install -m 600 a b", "install -d x/y", "install -D a x/y/z", "install a d", "install -v a b",
		"install none b", "install", "install d b", "install -t d a z", "install -dm 700 x", "install -o daemon -g sys a b", "install -p a b", "install a a", "install -m foo a b", "install a b c", "install -vd x/y", "install -Dv a x/y/z", "sync", "sync a")
}

func TestTimeoutKills(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, _, _ := newProcess(t, t.TempDir(), []string{"timeout", "-s", "INT", "10", "sleep", "infinity"})
		ctx, cancel := context.WithCancel(t.Context())
		system := &killableSystem{fakeSystem: fakeSystem{p: p}, stop: cancel}
		p.Context, p.System = ctx, system
		begun := time.Now()
		if status := timeout(p); status != 124 || time.Since(begun) != 10*time.Second {
			t.Error(status, time.Since(begun))
		}
		if got := strings.Join(system.killed, " "); !strings.HasPrefix(got, "-1000:2") {
			t.Error(got)
		}
	})
}

// killableSystem ends every program at the first signal.
type killableSystem struct {
	fakeSystem
	stop func()
}

func (s *killableSystem) Kill(pid, signal int) error {
	s.fakeSystem.Kill(pid, signal)
	s.stop()
	return nil
}

func TestPs(t *testing.T) {
	now := time.Date(2024, 5, 6, 12, 0, 0, 0, time.UTC)
	processes := []ProcessInfo{
		{PID: 1, PGID: 1, SID: 1, State: 'S', Started: now.Add(-time.Hour), Args: []string{"/bin/sh", "-c", "job"}, TTY: "pts/0"},
		{PID: 42, PPID: 1, PGID: 42, SID: 1, State: 'R', Started: now.Add(-time.Minute), Args: []string{"ps"}, CPU: 1500 * time.Millisecond},
		{PID: 7, PPID: 1, PGID: 7, SID: 1, UID: 1, State: 'S', Started: now.Add(-2 * time.Hour), Args: []string{"sleep", "100"}},
	}
	for line, want := range map[string]string{
		"ps":                  "    PID TTY          TIME CMD\n     42 ?        00:00:01 ps\n", // the caller has no terminal: neither do those shown
		"ps -e":               "    PID TTY          TIME CMD\n      1 pts/0    00:00:00 sh\n     42 ?        00:00:01 ps\n      7 ?        00:00:00 sleep\n",
		"ps -ef":              "UID          PID    PPID  C STIME TTY          TIME CMD\nroot           1       0  0 11:00 pts/0    00:00:00 /bin/sh -c job\nroot          42       1  0 11:59 ?        00:00:01 ps\ndaemon         7       1  0 10:00 ?        00:00:00 sleep 100\n",
		"ps -o pid,args -p 7": "    PID COMMAND\n      7 sleep 100\n",
		"ps -o pid= -p 7":     "      7\n",
		"ps -eo comm=":        "sh\nps\nsleep\n",
		"ps -p 99 -o pid=":    "",
		"pgrep sleep":         "7\n",
		"pgrep -fl job":       "1 sh\n",
		"pidof sleep sh":      "7 1\n",
	} {
		p, stdout, stderr := newProcess(t, t.TempDir(), splitWords(line))
		p.System = &fakeSystem{p: p, processes: processes, now: now}
		Lookup(p.Args[0])(p)
		if stdout.String() != want || stderr.Len() > 0 {
			t.Errorf("%s:\n%q\n%q\n%s", line, stdout, want, stderr)
		}
	}
	p, _, _ := newProcess(t, t.TempDir(), []string{"kill", "-9", "7", "-1"})
	system := &fakeSystem{p: p, processes: processes}
	p.System = system
	if status := kill(p); status != 0 || strings.Join(system.killed, " ") != "7:9 -1:9" {
		t.Error(status, system.killed)
	}
}
