package dockerfile

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/container"
)

func signal(name string) error {
	if name != "SIGTERM" && name != "9" {
		return errors.New("invalid signal: " + name)
	}
	return nil
}

// TestApply has what docker import -c made of the same changes on dockerd 28.5, as docker inspect shows it.
func TestApply(t *testing.T) {
	for _, c := range []struct {
		changes []string
		want    string
	}{
		{[]string{"EXPOSE 8080:80 81-83/udp"}, `{"ExposedPorts":{"80/tcp":{},"81/udp":{},"82/udp":{},"83/udp":{}}}`},
		{[]string{"ENV P=80", "EXPOSE $P", `LABEL x="$P y" z=$P\ w`}, `{"ExposedPorts":{"80/tcp":{}},"Env":["P=80"],"Labels":{"x":"80 y","z":"80 w"}}`},
		{[]string{"WORKDIR a", "WORKDIR b"}, `{"WorkingDir":"/a/b"}`},
		{[]string{"WORKDIR a", "WORKDIR /c/../d"}, `{"WorkingDir":"/d"}`},
		{[]string{"HEALTHCHECK --interval=5s CMD curl x"}, `{"Healthcheck":{"Test":["CMD-SHELL","curl x"],"Interval":5000000000}}`},
		{[]string{`healthcheck --retries=3 --start-period=1m CMD ["a", "b"]`}, `{"Healthcheck":{"Test":["CMD","a","b"],"StartPeriod":60000000000,"Retries":3}}`},
		{[]string{"HEALTHCHECK NONE"}, `{"Healthcheck":{"Test":["NONE"]}}`},
		{[]string{"CMD"}, `{"Cmd":["/bin/sh","-c"]}`},
		{[]string{"CMD []"}, `{}`},
		{[]string{"CMD [a]"}, `{"Cmd":["/bin/sh","-c","[a]"]}`},
		{[]string{"USER a b"}, `{"User":"a b"}`},
		{[]string{"ONBUILD RUN x", "VOLUME /a /b", "CMD echo $P", `ENTRYPOINT ["a",  "b"]`}, `{"Entrypoint":["a","b"],"Cmd":["/bin/sh","-c","echo $P"],"Volumes":{"/a":{},"/b":{}},"OnBuild":["RUN x"]}`},
		{[]string{`VOLUME ["/a b"]`}, `{"Volumes":{"/a b":{}}}`},
		{[]string{"ENV A b c"}, `{"Env":["A=b c"]}`},
		{[]string{"ENV A=1 B=2", "ENV A=3 C=$A$B"}, `{"Env":["A=3","B=2","C=12"]}`},
		{[]string{`ENV A=x`, `ENV B='$A' C="$A\"" D=\$A E=${A}y F=${N:-d} G=${A:+s} H=${N-d}`}, `{"Env":["A=x","B=$A","C=x\"","D=$A","E=xy","F=d","G=s","H=d"]}`},
		{[]string{"ENV \\\n A=1 \\\n# a comment\n B=2"}, `{"Env":["A=1","B=2"]}`},
		{[]string{"STOPSIGNAL 9"}, `{"StopSignal":"9"}`},
	} {
		var config container.Config
		if err := Apply(&config, c.changes, signal); err != nil {
			t.Errorf("%q: %v", c.changes, err)
			continue
		}
		var all map[string]json.RawMessage
		data, err := json.Marshal(config)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(data, &all); err != nil {
			t.Fatal(err)
		}
		got := "{"
		for _, key := range []string{"ExposedPorts", "User", "Env", "Entrypoint", "Cmd", "Healthcheck", "Volumes", "WorkingDir", "Labels", "StopSignal", "OnBuild"} {
			if v := string(all[key]); v != "" && v != "null" && v != `""` && v != "[]" {
				got += `"` + key + `":` + v + ","
			}
		}
		if got = strings.TrimSuffix(got, ",") + "}"; got != c.want {
			t.Errorf("%q:\n\t%s\nwant\n\t%s", c.changes, got, c.want)
		}
	}
}

// TestApplyRefuses has dockerd 28.5's texts for the same changes.
func TestApplyRefuses(t *testing.T) {
	for change, want := range map[string]string{
		"FOO x": "FOO is not a valid change command", "RUN x": "RUN is not a valid change command", "": "file with no instructions",
		"ENV a": "ENV must have two arguments", "ENV a=1 b": `Syntax error - can't find = in "b". Must be of the form: name=value`,
		"EXPOSE abc": "Invalid containerPort: abc", "EXPOSE 80/foo": "Invalid proto: foo",
		"HEALTHCHECK --foo=1 CMD x": "unknown flag: --foo", "HEALTHCHECK --interval=-1s CMD x": `Interval "interval" cannot be less than 1ms`,
		"STOPSIGNAL FOO": "invalid signal: FOO", "LABEL": "LABEL requires at least one argument", `VOLUME [""]`: "VOLUME specified can not be an empty string",
		"ONBUILD FROM x": "FROM isn't allowed as an ONBUILD trigger", "ENV h=${x:?bad}": `failed to process "${x:?bad}": x: bad`,
	} {
		if err := Apply(&container.Config{}, []string{change}, signal); !errdefs.IsInvalidArgument(err) || err.Error() != want {
			t.Errorf("%q: %v, want %s", change, err, want)
		}
	}
}

// TestEntrypointDropsCmd: a command of before was for another entry point.
func TestEntrypointDropsCmd(t *testing.T) {
	config := container.Config{Cmd: []string{"old"}}
	if err := Apply(&config, []string{"ENTRYPOINT new"}, signal); err != nil || config.Cmd != nil {
		t.Errorf("%v, %v", config.Cmd, err)
	}
}
