package runtime

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

func TestDetachKeys(t *testing.T) {
	for _, test := range []struct {
		keys, typed, passed string
		detached            bool
	}{
		{"", "hello", "hello", false},
		{"", "a\x10\x11b", "a", true},
		{"", "a\x10b", "a\x10b", false},
		{"", "\x10\x10\x11", "\x10", true},
		{"", "end\x10", "end\x10", false},
		{"ctrl-a,d", "x\x01dy", "x", true},
		{"ctrl-[", "x\x1b", "x", true},
		{"a,b,c", "aabc", "a", true},
	} {
		keys, err := parseDetachKeys(test.keys)
		if err != nil {
			t.Fatal(err)
		}
		for _, slow := range []bool{false, true} {
			var from io.Reader = strings.NewReader(test.typed)
			if slow {
				from = iotest.OneByteReader(from)
			}
			got, err := io.ReadAll(&detachReader{from: from, keys: keys})
			if string(got) != test.passed || errors.Is(err, errDetach) != test.detached {
				t.Errorf("keys %q, typed %q: passed %q, %v", test.keys, test.typed, got, err)
			}
		}
	}
	for _, bad := range []string{"ctrl-", "ctrl-aa", "abc", ",", "ctrl-1"} {
		if _, err := parseDetachKeys(bad); err == nil {
			t.Errorf("%q is accepted", bad)
		}
	}
}
