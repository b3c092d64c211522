package runtime

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sockerless/sockerless/agent/spool"
)

// collect makes a lines that keeps what it emits.
func collect() (*lines, *[]message) {
	var got []message
	return &lines{emit: func(m message) error {
		m.text = slices.Clone(m.text)
		got = append(got, m)
		return nil
	}}, &got
}

func texts(messages []message) []string {
	var list []string
	for _, m := range messages {
		list = append(list, fmt.Sprintf("%d:%s", m.stream, m.text))
	}
	return list
}

func TestLinesAreAssembledPerStream(t *testing.T) {
	long := strings.Repeat("x", maxLine)
	for _, test := range []struct {
		name   string
		chunks []string // stream, colon, data
		want   []string
	}{
		{"whole lines", []string{"1:a\nb\n"}, []string{"1:a\n", "1:b\n"}},
		{"a line in pieces", []string{"1:a", "1:b", "1:\n"}, []string{"1:ab\n"}},
		{"streams between each other", []string{"1:a", "2:err\n", "1:b\n"}, []string{"2:err\n", "1:ab\n"}},
		{"no newline at the end", []string{"1:a\nb"}, []string{"1:a\n", "1:b"}},
		{"a long line", []string{"1:" + long + "yy\n"}, []string{"1:" + long, "1:yy\n"}},
		{"a line of just the limit", []string{"1:" + long, "1:\n"}, []string{"1:" + long, "1:\n"}},
		{"one byte less", []string{"1:" + long[1:] + "\n"}, []string{"1:" + long[1:] + "\n"}},
		{"empty lines", []string{"1:\n\n"}, []string{"1:\n", "1:\n"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			p, got := collect()
			for _, c := range test.chunks {
				if err := p.add(c[0]-'0', time.Unix(1, 0), []byte(c[2:])); err != nil {
					t.Fatal(err)
				}
			}
			if err := p.flush(); err != nil {
				t.Fatal(err)
			}
			if have := texts(*got); !slices.Equal(have, test.want) {
				t.Errorf("have %q, want %q", have, test.want)
			}
		})
	}
}

func TestPiecesOfALineHaveTheTimeOfTheFirst(t *testing.T) {
	p, got := collect()
	if err := p.add(1, time.Unix(1, 0), []byte(strings.Repeat("x", maxLine))); err != nil {
		t.Fatal(err)
	}
	if err := p.add(1, time.Unix(2, 0), []byte("end\nnext\n")); err != nil {
		t.Fatal(err)
	}
	var at []int64
	for _, m := range *got {
		at = append(at, m.at.Unix())
	}
	if !slices.Equal(at, []int64{1, 1, 2}) {
		t.Errorf("times %v", at)
	}
}

// The tail of a log is what one gets by reading all of it: random logs say so. (A line that has no end yet, and was
// begun long before others that have, is not looked for: only the stream that was written to last has one here.)
func TestTailIsTheEndOfTheWhole(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for round := range 200 {
		path := filepath.Join(t.TempDir(), "log")
		w := spool.NewWriter(path)
		chunks := random.IntN(40)
		for i := range chunks + 3 {
			if i == chunks || i == chunks+1 {
				if _, err := w.Write(uint8(1+i-chunks), []byte{'\n'}); err != nil {
					t.Fatal(err)
				}
				continue
			}
			data := make([]byte, 1+random.IntN(12))
			for i := range data {
				if data[i] = 'a' + byte(random.IntN(26)); random.IntN(4) == 0 {
					data[i] = '\n'
				}
			}
			if _, err := w.Write(uint8(1+random.IntN(2)), data); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		reader, err := spool.OpenReader(path)
		if err != nil {
			t.Fatal(err)
		}
		whole, all := collect()
		end, err := whole.read(reader, 0, -1)
		if err != nil || whole.flush() != nil {
			t.Fatal(err)
		}
		for n := 1; n < len(*all)+3; n++ {
			p, got := collect()
			at, err := tail(reader, n, p)
			if err != nil || at != end || p.flush() != nil {
				t.Fatalf("tail at %d, end %d, %v", at, end, err)
			}
			want := texts((*all)[max(0, len(*all)-n):])
			if have := texts(*got); !slices.Equal(have, want) {
				t.Fatalf("round %d, tail %d: have %q, want %q", round, n, have, want)
			}
		}
		if err := reader.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// A short tail of a long log reads its end only.
func TestTailDoesNotReadTheWhole(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	w := spool.NewWriter(path)
	line := []byte(strings.Repeat("x", 1000) + "\n")
	for range 20_000 {
		if _, err := w.Write(1, line); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := w.Write(2, []byte("the only one\n")); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	reader, err := spool.OpenReader(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = reader.Close() }()
	end, err := reader.End()
	if err != nil {
		t.Fatal(err)
	}
	from, err := tailStart(reader, end, 2)
	if err != nil || end-min(from[0], from[1]) > 2*maxSearch {
		t.Fatalf("reads from %v of %d, %v", from, end, err)
	}
	p, got := collect()
	if _, err := tail(reader, 2, p); err != nil {
		t.Fatal(err)
	}
	if have := texts(*got); len(have) != 2 || have[1] != "2:the only one\n" || have[0] != "1:"+string(line) {
		t.Errorf("have %q", have)
	}
}
