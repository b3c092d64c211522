package main

import (
	"fmt"
	"os/exec"
	"time"
)

// shellRows are what scripts do most: each is a row, timed in the sandbox's sh and bash and in the shells of this machine.
var shellRows = []struct {
	name, script string
	onlyBash     bool
}{
	{name: "empty loop, 300,000", script: `i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done`},
	{name: "arithmetic, 200,000", script: `i=0 x=0; while [ $i -lt 200000 ]; do x=$((x*3+i%7-(x>>2))); i=$((i+1)); done`},
	{name: "strings, 100,000", script: `i=0 s=; while [ $i -lt 100000 ]; do s=${s#?????????}x$i; case $s in *9) s=${s%9};; esac; i=$((i+1)); done`},
	{name: "function calls, 100,000", script: `f() { r=$1; }; i=0; while [ $i -lt 100000 ]; do f $i x; i=$((i+1)); done`},
	{name: "arrays, 100,000", script: `a=(); for ((i=0; i<100000; i++)); do a[i]=$i; done; n=0; for x in "${a[@]}"; do ((n+=x)); done`, onlyBash: true},
	{name: "$(builtin), 3,000", script: `i=0; while [ $i -lt 3000 ]; do x=$(echo $i); i=$((i+1)); done`},
	{name: "pipelines of three builtins, 1,000", script: `i=0; while [ $i -lt 1000 ]; do echo a | { read x; echo $x; } | { read y; }; i=$((i+1)); done`},
	{name: "short commands, 10,000", script: `i=0; while [ $i -lt 10000 ]; do cat /dev/null; i=$((i+1)); done`},
}

// shells times the rows, best of three each. A shell of this machine that is missing has no figure.
func shells(s *server) error {
	keeper, err := s.create("sleep", "infinity")
	if err == nil {
		err = s.call("POST", "/containers/"+keeper+"/start", nil, nil)
	}
	if err != nil {
		return err
	}
	fmt.Printf("%-46s %10s %10s %10s %10s\n", "shell, best of three", "sandbox", "bash", "dash", "ash")
	for _, row := range shellRows {
		fmt.Printf("%-46s", row.name)
		ours, err := best(func() error { return s.exec(keeper, "bash", "-c", row.script) })
		if err != nil {
			return fmt.Errorf("%s: %w", row.name, err)
		}
		fmt.Printf(" %10s", round(ours))
		for _, peer := range [][]string{{"bash"}, {"dash"}, {"busybox", "ash"}} {
			path, err := exec.LookPath(peer[0])
			if err != nil || row.onlyBash && peer[0] != "bash" {
				fmt.Printf(" %10s", "–") // not there, or without arrays
				continue
			}
			took, err := best(func() error {
				return exec.Command(path, append(peer[1:len(peer):len(peer)], "-c", row.script)...).Run()
			})
			if err != nil {
				return fmt.Errorf("%s in %s: %w", row.name, peer[0], err)
			}
			fmt.Printf(" %10s", round(took))
		}
		fmt.Println()
	}
	return nil
}

func best(call func() error) (time.Duration, error) {
	shortest := time.Duration(1<<63 - 1)
	for range 3 {
		began := time.Now()
		if err := call(); err != nil {
			return 0, err
		}
		shortest = min(shortest, time.Since(began))
	}
	return shortest, nil
}
