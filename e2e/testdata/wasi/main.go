// Command wasi is the program of TestWASI's image. Its first argument says what it does.
package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"strings"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "wasi:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	switch args[0] {
	case "args":
		fmt.Printf("%q\n", args[1:])
	case "env":
		fmt.Println(os.Getenv(args[1]))
	case "upper":
		for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
			fmt.Println(strings.ToUpper(lines.Text()))
		}
		fmt.Fprintln(os.Stderr, "end of input")
	case "count":
		n, err := io.Copy(io.Discard, os.Stdin)
		fmt.Println(n)
		return err
	case "copy":
		data, err := os.ReadFile(args[1])
		if err != nil {
			return err
		}
		return os.WriteFile(args[2], append([]byte("copied: "), data...), 0o640)
	case "exit":
		os.Exit(3)
	case "spin":
		fmt.Println("ready")
		for i := 0; ; i++ {
		}
	case "block":
		fmt.Println("ready")
		_, err := io.Copy(io.Discard, os.Stdin)
		return err
	case "panic":
		panic("on purpose")
	}
	return nil
}
