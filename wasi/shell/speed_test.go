package shell

import "testing"

// BenchmarkScripts times the loops that the facts about shells were measured with, a hundredth as long.
func BenchmarkScripts(b *testing.B) {
	for name, script := range map[string]string{
		"empty while 1e5":     `i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done`,
		"arithmetic 1e5":      `for ((i=0;i<100000;i++)); do ((x+=i*2)); done`,
		"function 3e4":        `f() { :; }; for ((i=0;i<30000;i++)); do f a b; done`,
		"function local 3e4":  `f() { local x=$1; }; for ((i=0;i<30000;i++)); do f a b; done`,
		"substitution 1e4":    `for ((i=0;i<10000;i++)); do x=$(echo a); done`,
		"pipeline 1e4":        `for ((i=0;i<10000;i++)); do echo a | cat; done >/dev/null`,
		"suffix and case 1e5": `x=foo.tar.gz; for ((i=0;i<100000;i++)); do y=${x%.*}; case $y in *.tar) :;; esac; done`,
		"echo 1e5":            `for ((i=0;i<100000;i++)); do echo $i; done >/dev/null`,
		"fib 15":              `fib() { if (($1<2)); then r=$1; else local n=$1 a; fib $((n-1)); a=$r; fib $((n-2)); ((r+=a)); fi; }; fib 15`,
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if r := runShell(b, "", "bash", "-c", script); r.code != 0 {
					b.Fatal(r)
				}
			}
		})
	}
}
