//go:build linux

package native

import (
	"os/exec"
	"testing"
)

// BenchmarkStart is from the call to the end of a program that ends at once, and its removal from the kernel.
func BenchmarkStart(b *testing.B) {
	lower := image(b)
	for _, kind := range []struct {
		name string
		set  func(*Spec)
	}{
		{"plain", func(*Spec) {}},
		{"host network", func(s *Spec) { s.HostNetwork = true }},
		{"limits", func(s *Spec) { s.Limits = Limits{Memory: 1 << 30, Pids: 100, NanoCPUs: 5e8} }},
	} {
		b.Run(kind.name, func(b *testing.B) {
			s := spec(b, lower, ":")
			kind.set(&s)
			for b.Loop() {
				c, err := Start(b.Context(), config(b), s)
				must(b, err)
				must(b, c.Wait(b.Context()))
				must(b, c.Close())
			}
		})
	}
}

// BenchmarkForkExec is what the first stage's own start costs: this binary, doing nothing.
func BenchmarkForkExec(b *testing.B) {
	for b.Loop() {
		must(b, exec.Command(config(b).Executable, "-test.run=^$").Run())
	}
}
