package state

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"testing"
)

const writerDir = "STATE_TEST_WRITER_DIR"

// TestKilledWriter is not a test of its own: it is the process that TestKill kills. It writes until it is gone and
// says what was acknowledged.
func TestKilledWriter(t *testing.T) {
	dir := os.Getenv(writerDir)
	if dir == "" {
		return
	}
	s, err := Open(dir, Options{FreeSpace: roomy})
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; ; i++ {
		if err := s.Update(context.Background(), Put(fmt.Sprintf("k/%08d", i), []byte(strconv.Itoa(i)))); err != nil {
			t.Fatal(err)
		}
		fmt.Printf("ack %d\n", i)
	}
}

func TestKill(t *testing.T) {
	for round := range 3 {
		dir := t.TempDir()
		cmd := exec.Command(os.Args[0], "-test.run=^TestKilledWriter$")
		cmd.Env = append(os.Environ(), writerDir+"="+dir)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		acked := -1
		for lines := bufio.NewScanner(out); lines.Scan(); {
			var n int
			if _, err := fmt.Sscanf(lines.Text(), "ack %d", &n); err != nil {
				continue
			}
			acked = n
			if n == 500*(round+1) {
				if err := cmd.Process.Kill(); err != nil {
					t.Fatal(err)
				}
			}
		}
		if err := cmd.Wait(); err == nil {
			t.Fatal("the writer was not killed")
		}
		if acked < 500*(round+1) {
			t.Fatalf("the writer ended after %d", acked)
		}
		s := open(t, dir, Options{})
		for i := range acked + 1 {
			if v, err := s.Get(fmt.Sprintf("k/%08d", i)); err != nil || string(v) != strconv.Itoa(i) {
				t.Fatalf("round %d: acknowledged update %d of %d is lost: %v", round, i, acked, err)
			}
		}
	}
}
