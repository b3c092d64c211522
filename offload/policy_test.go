package offload

import (
	"context"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/containerd/errdefs"

	"github.com/sockerless/sockerless/runtime"
)

func parse(t *testing.T, text string) *Policy {
	t.Helper()
	p, err := parseFile("/etc/config.yaml", []byte(text))
	if err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	return p
}

// there are backends that are there.
func there(names ...string) []offer {
	var all []offer
	for _, name := range names {
		all = append(all, offer{name: name})
	}
	return all
}

func TestExamplesOfTheReference(t *testing.T) {
	text, err := os.ReadFile("../docs/policy.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(string(text), -1)
	if len(blocks) < 3 {
		t.Fatalf("%d examples", len(blocks))
	}
	for _, block := range blocks {
		p := parse(t, block[1])
		if len(p.Backends)+len(p.Rules) == 0 {
			t.Errorf("nothing was read of\n%s", block[1])
		}
	}
	for _, name := range append(labelKeys(), "image", "platform", "label", "place", "backends", "env", "binds", "guests", "allow-labels", "concurrency", "volumes", "budget", "price") {
		if !strings.Contains(string(text), "`"+name+"`") {
			t.Errorf("%q is not in the reference", name)
		}
	}
	p := parse(t, blocks[0][1])
	for _, test := range []struct {
		image, platform string
		labels          map[string]string
		rule            string
	}{
		{"postgres:17", "linux/amd64", nil, "14"},
		{"docker.io/library/redis:8", "linux/amd64", nil, "14"},
		{"redis", "linux/amd64", nil, "14"},
		{"registry.lan/db/a/b:1", "linux/amd64", nil, "14"},
		{"node", "linux/arm64", nil, "17"},
		{"node", "linux/amd64", map[string]string{"ci": "", "tier": "gold/1"}, "20"},
		{"node", "linux/amd64", map[string]string{"ci": ""}, "30"},
		{"alpine:3.22", "linux/amd64", nil, "27"},
	} {
		d, err := p.decide(runtime.PlaceRequest{Image: runtime.Image{Name: test.image, Platform: test.platform}, Labels: test.labels}, there("local", "far"))
		if err != nil || d.Rule != "config.yaml:"+test.rule {
			t.Errorf("%s %s %v: rule %s, %v; want %s", test.image, test.platform, test.labels, d.Rule, err, test.rule)
		}
	}
}

func TestMistakesNameLineAndWhatIsAllowed(t *testing.T) {
	for _, test := range []struct{ text, want string }{
		{"offload: 3", ":1: offload is not a mapping; its keys are backends, default, rules"},
		{"offload:\n  rule: []", `:2: unknown key "rule" in offload; there are backends, default, rules`},
		{"offload:\n  rules:\n    - image: a\n      place: cloud", `:4: place "cloud": it is sandbox, offload, auto`},
		{"offload:\n  rules:\n    - image: a\n      backends: [ecs]", `:3: no backend "ecs" in backends; there are local`},
		{"offload:\n  rules:\n    - place: auto", ":3: a rule without image, platform or label"},
		{"offload:\n  rules:\n    - image: []", ":3: image is empty"},
		{"offload:\n  default:\n    image: a", `:3: unknown key "image" in default`},
		{"offload:\n  default: {size: {memory: lots}}", `:2: memory: "lots" is not a size, such as 512MiB or 4GiB`},
		{"offload:\n  default: {size: {cpu: -1}}", `cpu: "-1" is not a number of processors`},
		{"offload:\n  default: {size: {cpu: NaN}}", `cpu: "NaN" is not a number of processors`},
		{"offload:\n  default: {max-duration: 90}", `"90" is not a duration, such as 90s, 30m or 2h`},
		{"offload:\n  default: {max-cost: free}", `"free" is not an amount of US dollars`},
		{"offload:\n  default: {prefer: best}", `prefer "best": it is order, cheapest, fastest`},
		{"offload:\n  default: {binds: [srv]}", `binds "srv": it is not an absolute path`},
		{"offload:\n  default: {guests: [python]}", ":2: guests: the sandbox has no languages of its own yet, so that none can be allowed"},
		{"offload:\n  default: {allow-labels: [all]}", `allow-labels "all": there are backend, bash, cpu`},
		{"offload:\n  default: {bash: zsh}", `bash "zsh": it is sandbox, native`},
		{"offload:\n  default: {place: auto, place: sandbox}", `"place" stands twice in default`},
		{"offload:\n  backends: {a: {concurrency: 1}}", `:2: backend "a" has no type`},
		{"offload:\n  backends: {a: {type: docker, concurrency: 0}}", `concurrency: "0" is not a count of at least 1`},
		{"offload:\n  backends: {sandbox: {type: docker}}", `backend "sandbox": a name begins`},
		{"offload:\n  backends: {A_b: {type: docker}}", `backend "A_b": a name begins`},
		{"offload:\n  backends: [a]", ":2: backends is not a mapping"},
		{"offload: [\n", "config.yaml: yaml: line"},
		{"offload: {default: &a {size: *a}}", `unknown key "size" in size`},
	} {
		_, err := parseFile("/etc/config.yaml", []byte(test.text))
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%q: %v, want %q", test.text, err, test.want)
		}
	}
	_, err := parseFile("c", []byte("offload:\n  default:\n    place: x\n    bash: y"))
	if err == nil || !strings.Contains(err.Error(), "c:3:") || !strings.Contains(err.Error(), "c:4:") {
		t.Errorf("two mistakes: %v", err)
	}
}

func TestSettingsOfADriver(t *testing.T) {
	p := parse(t, "log-level: info\noffload:\n  backends:\n    far:\n      type: docker\n      host: tcp://x\n      spot: true\n")
	var settings struct {
		Host string `yaml:"host"`
		Spot bool   `yaml:"spot"`
	}
	if err := p.Backends[0].Decode(&settings); err != nil || settings.Host != "tcp://x" || !settings.Spot {
		t.Errorf("%+v, %v", settings, err)
	}
	var other struct {
		Host string `yaml:"host"`
	}
	err := p.Backends[0].Decode(&other)
	if err == nil || err.Error() != `/etc/config.yaml:7: unknown key "spot" in backend "far" of type docker; there are type, concurrency, volumes, budget, price, host` {
		t.Errorf("unknown key: %v", err)
	}
	var wrong struct {
		Host int  `yaml:"host"`
		Spot bool `yaml:"spot"`
	}
	if err := p.Backends[0].Decode(&wrong); err == nil || !strings.Contains(err.Error(), "line 6") {
		t.Errorf("wrong kind: %v", err)
	}
}

func TestPatterns(t *testing.T) {
	for _, test := range []struct {
		pattern, image string
		want           bool
	}{
		{"node", "node:22", true}, {"node", "docker.io/library/node", true}, {"node", "nodejs", false},
		{"node:2*", "node:22-alpine", true}, {"node:2*", "node:18", false}, {"*", "ghcr.io/a/b:1", true},
		{"ghcr.io/*", "ghcr.io/a/b", false}, {"ghcr.io/**", "ghcr.io/a/b", true}, {"ghcr.io/*/b", "ghcr.io/a/b:3", true},
		{"docker.io/library/*", "node", true}, {"node:latest", "node", true}, {"n?de", "node", true}, {"a.c", "abc", false},
		{"sha256:" + strings.Repeat("a", 64), "node@sha256:" + strings.Repeat("a", 64), true},
		{"sha256:bbb*", "node", true}, {"node@*", "node@sha256:" + strings.Repeat("a", 64), true},
	} {
		r := Rule{Image: []string{test.pattern}}
		got, _ := r.matches(runtime.Image{Name: test.image, ID: "sha256:bbbb"}, nil)
		if got != test.want {
			t.Errorf("%s for %s: %v", test.pattern, test.image, got)
		}
	}
	for pattern, want := range map[string]bool{"/srv/**": true, "/srv": false, "/srv/*": true, "/**": true, "/srv/a/**": true, "/srvx/**": false} {
		if got := matchesBind(pattern, "/srv/a"); got != want {
			t.Errorf("bind %s: %v", pattern, got)
		}
	}
}

func TestLabels(t *testing.T) {
	p := parse(t, "offload:\n  rules:\n    - image: node\n      place: sandbox\n      allow-labels: [place, size, max-duration]\n")
	request := func(labels ...string) runtime.PlaceRequest {
		r := runtime.PlaceRequest{Image: runtime.Image{Name: "node"}, Labels: map[string]string{}, Size: runtime.Size{CPU: 1, Memory: 1 << 20}}
		for _, l := range labels {
			k, v, _ := strings.Cut(l, "=")
			r.Labels["sockerless."+k] = v
		}
		return r
	}
	d, err := p.decide(request("place=offload", "cpu=4", "memory=4GiB", "max-duration=1h"), there("local"))
	if err != nil || d.Where != runtime.Offloaded || d.Size != (runtime.Size{CPU: 4, Memory: 4 << 30}) || d.MaxDuration != time.Hour {
		t.Errorf("%+v, %v", d, err)
	}
	if d, err = p.decide(request(), there("local")); err != nil || d.Where != runtime.InSandbox || d.Size.CPU != 1 ||
		d.Refusal != "the policy keeps it in the sandbox (config.yaml:3); what would let it: place: auto there" {
		t.Errorf("%+v, %v", d, err)
	}
	_, err = p.decide(request("bash=native"), there("local"))
	if !errdefs.IsPermissionDenied(err) || !strings.Contains(err.Error(), "sockerless.bash (config.yaml:3)") {
		t.Errorf("not allowed: %v", err)
	}
	if _, err = p.decide(request("cpu=many"), there("local")); !errdefs.IsInvalidArgument(err) || !strings.Contains(err.Error(), "label sockerless.cpu") {
		t.Errorf("nonsense: %v", err)
	}
	open := parse(t, "offload:\n  backends: {far: {type: docker}}\n")
	if d, err = open.decide(request("backend=far", "bash=native"), there("local", "far")); err != nil || !slices.Equal(d.Backends, []string{"far"}) || !d.NativeBash {
		t.Errorf("%+v, %v", d, err)
	}
	if _, err = open.decide(request("backend=near"), there("local", "far")); !errdefs.IsInvalidArgument(err) || !strings.Contains(err.Error(), "there are local, far") {
		t.Errorf("unknown backend: %v", err)
	}
	closed := parse(t, "offload:\n  rules: []\n")
	if _, err = closed.decide(request("place=offload"), there("local")); !errdefs.IsPermissionDenied(err) || !strings.Contains(err.Error(), "(default)") {
		t.Errorf("a policy that says nothing of labels: %v", err)
	}
}

func TestNoBackend(t *testing.T) {
	d, err := DefaultPolicy().decide(runtime.PlaceRequest{}, []offer{{"local", "user namespaces are disabled"}})
	want := "no backend runs it: local is not available (user namespaces are disabled); add to the file of --config: offload: {backends: {far: {type: docker}}}"
	if err != nil || d.Where != runtime.Auto || len(d.Backends) != 0 || d.Refusal != want {
		t.Errorf("%+v, %v", d, err)
	}
	d, err = DefaultPolicy().decide(runtime.PlaceRequest{}, there("local"))
	if err != nil || !slices.Equal(d.Backends, []string{"local"}) || d.Refusal != "" || d.Rule != "default" {
		t.Errorf("%+v, %v", d, err)
	}
	p := parse(t, "offload: {default: {backends: []}}")
	if d, err = p.decide(runtime.PlaceRequest{}, there("local")); err != nil || !strings.Contains(d.Refusal, "gives it no backend (config.yaml:1)") {
		t.Errorf("%+v, %v", d, err)
	}
}

func TestBinds(t *testing.T) {
	p := parse(t, "offload: {default: {binds: [/srv/**]}}")
	for _, place := range []runtime.Where{runtime.Auto, runtime.Offloaded} {
		p.Default.Place = place
		d, err := p.decide(runtime.PlaceRequest{Binds: []string{"/srv", "/srv/x"}}, there("local"))
		if err != nil || len(d.Backends) != 1 {
			t.Errorf("%+v, %v", d, err)
		}
		d, err = p.decide(runtime.PlaceRequest{Binds: []string{"/srv/../etc"}}, there("local"))
		if place == runtime.Offloaded && !errdefs.IsPermissionDenied(err) || place == runtime.Auto && (err != nil || len(d.Backends) != 0 || !strings.Contains(d.Refusal, "/etc")) {
			t.Errorf("%s: %+v, %v", place, d, err)
		}
	}
}

func TestEnvPatterns(t *testing.T) {
	p := parse(t, "offload: {default: {env: {allow: [CI, A_*], drop: [A_SECRET]}}}")
	d, err := p.decide(runtime.PlaceRequest{}, there("local"))
	if want := []string{"*", "!CI", "!A_*", "A_SECRET"}; err != nil || !slices.Equal(d.DropEnv, want) {
		t.Errorf("%v, %v", d.DropEnv, err)
	}
}

// stepClock gives its ticks by hand.
type stepClock struct{ ticks chan time.Time }

func (stepClock) Now() time.Time                         { return time.Now() }
func (c stepClock) After(time.Duration) <-chan time.Time { return c.ticks }

func TestReload(t *testing.T) {
	file := filepath.Join(t.TempDir(), "config.yaml")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("offload: {default: {place: nowhere}}")
	s, err := NewSource(file, nil)
	if p, again := s.Policy(); err == nil || p != nil || again == nil {
		t.Fatalf("a wrong policy: %v, %v, %v", p, again, err)
	}
	scheduler := NewScheduler(SchedulerConfig{Source: s})
	d, err := scheduler.Place(t.Context(), runtime.PlaceRequest{})
	if err != nil || len(d.Backends) != 0 || !strings.Contains(d.Refusal, `the policy cannot be read: `+file+`:1: place "nowhere"`) {
		t.Errorf("it does not fail closed: %+v, %v", d, err)
	}
	clock := stepClock{make(chan time.Time)}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.Watch(ctx, time.Second, clock)
	}()
	after := func(text string) (*Policy, error) {
		t.Helper()
		changed := s.Changed()
		write(text)
		clock.ticks <- time.Time{}
		<-changed
		return s.Policy()
	}
	good, err := after("offload: {default: {place: sandbox}}")
	if err != nil || good.Default.Place != runtime.InSandbox {
		t.Fatalf("%+v, %v", good, err)
	}
	kept, err := after("offload: {default: {place: nowhere!}}")
	if err == nil || kept != good {
		t.Errorf("a policy that has become wrong: %v, %v", kept, err)
	}
	if p, err := after("offload: {default: {place: offload}}"); err != nil || p.Default.Place != runtime.Offloaded {
		t.Errorf("%+v, %v", p, err)
	}
	changed := s.Changed()
	clock.ticks <- time.Time{}
	clock.ticks <- time.Time{} // the first has been looked at
	select {
	case <-changed:
		t.Error("a file that has not changed was read as another policy")
	default:
	}
	cancel()
	<-done
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if err := s.Reload(); err == nil {
		t.Error("a file that is gone is no error")
	}
	if p, _ := s.Policy(); p == nil || p.Default.Place != runtime.Offloaded {
		t.Error("the last good policy is gone with its file")
	}
}
