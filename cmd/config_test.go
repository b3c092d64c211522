package cmd

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/pflag"
)

// load reads a configuration as serve does.
func load(t *testing.T, file string, args ...string) (*Config, error) {
	t.Helper()
	var c Config
	f := pflag.NewFlagSet("serve", pflag.ContinueOnError)
	path := c.flags(f)
	if file != "" {
		name := filepath.Join(t.TempDir(), "config.yaml")
		if err := os.WriteFile(name, []byte(file), 0o600); err != nil {
			t.Fatal(err)
		}
		args = append(args, "--config", name)
	}
	if err := f.Parse(args); err != nil {
		t.Fatal(err)
	}
	return &c, c.load(f, *path)
}

func TestPrecedence(t *testing.T) {
	t.Setenv("SOCKERLESS_LOG_LEVEL", "warn")
	t.Setenv("SOCKERLESS_LISTEN", "unix:///a,tcp://127.0.0.1:1")
	file := "data-dir: /file\nlog-level: debug\nlog-format: json\nlisten: [unix:///file]\nregistries:\n  r.lan:5000: {plain_http: true, mirrors: [m.lan]}\n"
	c, err := load(t, file, "--data-dir", "/flag")
	if err != nil {
		t.Fatal(err)
	}
	if c.DataDir != "/flag" || c.LogLevel != "warn" || c.LogFormat != "json" {
		t.Errorf("data-dir %q, log-level %q, log-format %q", c.DataDir, c.LogLevel, c.LogFormat)
	}
	if got := strings.Join(c.Listen, " "); got != "unix:///a tcp://127.0.0.1:1" {
		t.Errorf("listen %q", got)
	}
	if r := c.Registries["r.lan:5000"]; !r.PlainHTTP || len(r.Mirrors) != 1 {
		t.Errorf("registries %+v", c.Registries)
	}
}

func TestMistakesAreNamed(t *testing.T) {
	for _, test := range []struct{ file, arg, want string }{
		{"data-dir: /x\nlisten: []\nlisen: [unix:///s]\n", "", `line 3: unknown key "lisen"`},
		{"data-dir: [\n", "", "config.yaml: line "},
		{"log-format: xml\n", "", `log-format "xml": it is text or json`},
		{"log-level: loud\n", "", `log-level "loud"`},
		{"listen: []\n", "", "listen is empty"},
		{"agents: {listen: \":8443\"}\n", "", "agents needs both"},
		{"agents: {listen: \"8443\", url: \"https://h\"}\n", "", "missing port"},
		{"agents: {listen: \":8443\", url: \"http://h:8443\"}\n", "", "nothing but https"},
		{"agents: {listen: \":8443\", url: \"https://h?x\"}\n", "", "it is https://host:port"},
		{"registries: {r: {mirrors: m}}\n", "", "line 1"},
		{"", "--config=/nosuch/file", "read configuration: open /nosuch/file"},
	} {
		var args []string
		if test.arg != "" {
			args = append(args, test.arg)
		}
		if _, err := load(t, test.file, args...); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%q %s: %v, want %q", test.file, test.arg, err, test.want)
		}
	}
}

func TestListen(t *testing.T) {
	dir := t.TempDir()
	for _, test := range []struct{ address, want string }{
		{"tcp://0.0.0.0:0", "beyond loopback only with TLS"},
		{"tcp://example.org:1", "beyond loopback only with TLS"},
		{"http://x", "begins with unix:// or tcp://"},
		{"unix://", "the path is missing"},
	} {
		c := Config{Listen: []string{"unix://" + dir + "/first", test.address}}
		if _, err := c.listen(); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %q", test.address, err, test.want)
		}
		if _, err := os.Stat(dir + "/first"); !os.IsNotExist(err) {
			t.Errorf("%s: the first socket is left: %v", test.address, err)
		}
	}
	c := Config{Listen: []string{"unix://" + dir + "/s", "tcp://127.0.0.1:0"}}
	listeners, err := c.listen()
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(dir + "/s")
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("socket: %v, %v", info, err)
	}
	if _, err := c.listen(); err == nil || !strings.Contains(err.Error(), "another server answers there") {
		t.Errorf("second server: %v", err)
	}
	for _, l := range listeners {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 0 {
		t.Errorf("left: %v, %v", entries, err)
	}
}
