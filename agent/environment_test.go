package agent_test

import (
	"slices"
	"testing"

	"github.com/sockerless/sockerless/agent"
)

func TestFilterEnv(t *testing.T) {
	env := []string{"PATH=/bin", "AWS_KEY=x", "AWS_REGION=r", "MY_TOKEN=t", "EMPTY="}
	for _, test := range []struct{ patterns, want []string }{
		{nil, env},
		{[]string{"AWS_*", "*_TOKEN"}, []string{"PATH=/bin", "EMPTY="}},
		{[]string{"AWS_*", "!AWS_REGION"}, []string{"PATH=/bin", "AWS_REGION=r", "MY_TOKEN=t", "EMPTY="}},
		{[]string{"*", "!PATH"}, []string{"PATH=/bin"}},
		{[]string{"!AWS_*", "["}, []string{}},
	} {
		if got := agent.FilterEnv(env, test.patterns); !slices.Equal(got, test.want) {
			t.Errorf("%q: %q, want %q", test.patterns, got, test.want)
		}
	}
}
