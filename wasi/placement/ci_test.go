package placement

import (
	"context"
	"strings"
	"testing"
)

// TestRealScripts: scripts as continuous integration and images have them, in the form in which they start.
func TestRealScripts(t *testing.T) {
	actions := []string{"bash", "--noprofile", "--norc", "-e", "-o", "pipefail", "/var/run/act/workflow/0"}
	gitlab := []string{"sh", "-c", "if [ -x /usr/local/bin/bash ]; then\n\texec /usr/local/bin/bash \nelif [ -x /usr/bin/bash ]; then\n\texec /usr/bin/bash \n" +
		"elif [ -x /bin/bash ]; then\n\texec /bin/bash \nelif [ -x /usr/local/bin/sh ]; then\n\texec /usr/local/bin/sh \nelif [ -x /usr/bin/sh ]; then\n" +
		"\texec /usr/bin/sh \nelif [ -x /bin/sh ]; then\n\texec /bin/sh \nelif [ -x /busybox/sh ]; then\n\texec /busybox/sh \nelse\n\techo shell not found\n\texit 1\nfi\n\n"}
	entry := func(args ...string) []string { return append([]string{"/entry"}, args...) }
	for _, c := range []struct {
		name   string
		args   []string
		file   string // where the script is put
		script string
		want   string
	}{
		{"actions: node", actions, "/var/run/act/workflow/0", "npm ci\nnpm run build --if-present\nnpm test\n", "native whole npm"},
		{"actions: message", actions, "/var/run/act/workflow/0", "echo \"sha_short=$(echo $GITHUB_SHA | cut -c1-7)\" >> $GITHUB_OUTPUT\n", "sandbox"},
		{"actions: version", actions, "/var/run/act/workflow/0",
			"VERSION=${GITHUB_REF#refs/tags/v}\necho \"version=$VERSION\" >> \"$GITHUB_ENV\"\nif [[ \"$VERSION\" == *-* ]]; then\n  echo prerelease=true >> $GITHUB_OUTPUT\nfi\n", "sandbox"},
		{"actions: checks", actions, "/var/run/act/workflow/0",
			"set -x\nfailed=0\nfor f in $(find . -name '*.md'); do\n  if grep -q TODO \"$f\"; then\n    echo \"::error file=$f::TODO\"\n    failed=1\n  fi\ndone\nexit $failed\n", "sandbox"},
		{"actions: apt", actions, "/var/run/act/workflow/0",
			"sudo apt-get update -qq\nsudo apt-get install -y --no-install-recommends \\\n  libfoo-dev \\\n  cmake\nmkdir build && cd build\ncmake -DX=1 ..\nmake -j$(nproc)\n", "native whole sudo make"},
		{"actions: python", actions, "/var/run/act/workflow/0",
			"python -m pip install --upgrade pip\npip install flake8 pytest\nif [ -f requirements.txt ]; then pip install -r requirements.txt; fi\npytest\n", "native whole python pip"},
		{"actions: git diff", actions, "/var/run/act/workflow/0",
			"if ! git diff --exit-code; then\n  echo 'Run make fmt'\n  exit 1\nfi\n", "native whole git"},
		{"actions: matrix", actions, "/var/run/act/workflow/0",
			"case \"$RUNNER_OS\" in\n  Linux) make linux ;;\n  macOS) make mac ;;\nesac\n", "sandbox"}, // RUNNER_OS is not set here
		{"actions: docker tags", actions, "/var/run/act/workflow/0",
			"TAGS=latest\nfor t in ${TAGS//,/ }; do\n  docker build -t img:$t .\n  docker push img:$t\ndone\n", "native? docker"},
		{"actions: rust", actions, "/var/run/act/workflow/0", "cargo fmt --all -- --check\ncargo clippy -- -D warnings\n", "native whole cargo"},
		{"actions: wait for a service", actions, "/var/run/act/workflow/0",
			"for i in $(seq 1 30); do\n  curl -fs http://localhost:8080/health && exit 0\n  sleep 1\ndone\nexit 1\n", "native? curl"},
		{"actions: curl | tar", actions, "/var/run/act/workflow/0",
			"curl -sSL https://x.y/z.tar.gz | tar xz -C /tmp\nsudo mv /tmp/z /usr/local/bin\nz --version\n", "native whole curl sudo"},
		{"actions: python here-document", actions, "/var/run/act/workflow/0", "python3 - <<'EOF'\nimport os\nprint(os.environ)\nEOF\n", "native whole python3"},
		{"actions: json", actions, "/var/run/act/workflow/0",
			"matrix=$(jq -c . < matrix.json)\necho \"matrix=$matrix\" >> $GITHUB_OUTPUT\n", "native whole jq"},
		{"actions: summary", actions, "/var/run/act/workflow/0",
			"{\n  echo '### Result'\n  echo\n  cat out.txt | sed 's/^/> /'\n} >> $GITHUB_STEP_SUMMARY\n", "sandbox"},
		{"actions: ssh", actions, "/var/run/act/workflow/0",
			"mkdir -p ~/.ssh\necho \"$KEY\" > ~/.ssh/id\nchmod 600 ~/.ssh/id\nssh-keyscan -H host >> ~/.ssh/known_hosts\n", "native ssh-keyscan"},
		{"actions: keep-alive", []string{"tail", "-f", "/dev/null"}, "", "", "sandbox"},
		{"gitlab: detection", gitlab, "", "", "sandbox?"},
		{"gitlab: node", []string{"bash", "/builds/script"}, "/builds/script",
			"#!/usr/bin/env bash\n\nif set -o | grep pipefail > /dev/null; then set -o pipefail; fi; set -o errexit\nset +o noclobber\n" +
				": | eval $'export CI_JOB_NAME=$\\'build\\'\\nexport CI=true\\necho $\\'\\\\x1b[32;1m$ npm ci\\\\x1b[0;m\\'\\nnpm ci\\necho $\\'\\\\x1b[32;1m$ it\\\\\\'s\\\\x1b[0;m\\'\\nnpm test\\n'\nexit 0\n",
			"native whole npm"},
		{"gitlab: shell only", []string{"bash", "/builds/script"}, "/builds/script",
			"#!/usr/bin/env bash\n\nset -eo pipefail\nset +o noclobber\n: | eval $'export A=$\\'x y\\'\\ncd \"/app\"\\necho $\\'\\\\x1b[32;1m$ ls -l | wc -l\\\\x1b[0;m\\'\\nls -l | wc -l\\n'\nexit 0\n",
			"sandbox"},
		{"gitlab: before, script, after", []string{"sh", "/builds/script"}, "/builds/script",
			"set -eo pipefail\n: | eval $'cd \"/app\"\\necho $\\'$ apt-get update\\'\\napt-get update\\nif [ \"$CI_COMMIT_BRANCH\" == \"main\" ]; then\\n  make deploy\\nfi\\n'\nexit 0\n",
			"native whole apt-get"},
		{"jenkins", []string{"sh", "-xe", "/ws@tmp/durable/script.sh"}, "/ws@tmp/durable/script.sh", "#!/bin/sh -xe\nmvn -B verify\ngo build ./...\n", "native whole go"},
		{"tekton", []string{"/tekton/scripts/script-0"}, "/tekton/scripts/script-0*", "#!/usr/bin/env sh\nset -ex\ngo test ./... | tee out\n", "native whole go"},
		{"drone", []string{"/bin/sh", "-c", "echo \"$DRONE_SCRIPT\" | /bin/sh"}, "", "", "sandbox?"},
		{"make in a sub-directory", []string{"sh", "-c", "for d in a b c; do (cd $d && make); done"}, "", "", "native whole make"},

		{"entry: node", entry("node", "server.js"), "/entry*",
			"#!/bin/sh\nset -e\n\nif [ \"${1#-}\" != \"${1}\" ] || [ -z \"$(command -v \"${1}\")\" ] || { [ -f \"${1}\" ] && ! [ -x \"${1}\" ]; }; then\n  set -- node \"$@\"\nfi\n\nexec \"$@\"\n",
			"native whole node"},
		{"entry: node, an option", entry("--version"), "/entry*",
			"#!/bin/sh\nset -e\n\nif [ \"${1#-}\" != \"${1}\" ] || [ -z \"$(command -v \"${1}\")\" ]; then\n  set -- node \"$@\"\nfi\n\nexec \"$@\"\n",
			"native whole node"},
		{"entry: node, a shell", entry("sh", "-c", "ls"), "/entry*",
			"#!/bin/sh\nset -e\n\nif [ \"${1#-}\" != \"${1}\" ]; then\n  set -- node \"$@\"\nfi\n\nexec \"$@\"\n", "sandbox"},
		{"entry: database", entry("nginx", "-c", "x"), "/entry*",
			`#!/usr/bin/env bash
set -Eeo pipefail
_is_sourced() {
	[ "${#FUNCNAME[@]}" -ge 2 ] && [ "${FUNCNAME[0]}" = '_is_sourced' ] && [ "${FUNCNAME[1]}" = 'source' ]
}
setup() {
	local user; user="$(id -u)"
	mkdir -p "$DATA"
	chmod 00700 "$DATA" || :
	if [ "$user" = '0' ]; then
		find "$DATA" \! -user x -exec chown x '{}' +
	fi
}
_main() {
	if [ "${1:0:1}" = '-' ]; then
		set -- nginx "$@"
	fi
	if [ "$1" = 'nginx' ]; then
		setup
		if [ "$(id -u)" = '0' ]; then
			exec gosu x "$BASH_SOURCE" "$@"
		fi
	fi
	exec "$@"
}
if ! _is_sourced; then
	_main "$@"
fi
`, "native? whole gosu nginx"},
		{"entry: templates", entry("nginx", "-g", "daemon off;"), "/entry*",
			`#!/bin/sh
set -e
entrypoint_log() {
    if [ -z "${QUIET_LOGS:-}" ]; then
        echo "$@"
    fi
}
if [ "$1" = "nginx" ] || [ "$1" = "nginx-debug" ]; then
    if /usr/bin/find "/entry.d/" -mindepth 1 -maxdepth 1 -type f -print -quit 2>/dev/null | read v; then
        entrypoint_log "$0: looking"
        find "/entry.d/" -follow -type f -print | sort -V | while read -r f; do
            case "$f" in
                *.envsh) if [ -x "$f" ]; then . "$f"; fi ;;
                *.sh) if [ -x "$f" ]; then "$f"; fi ;;
                *) entrypoint_log "$0: ignoring $f";;
            esac
        done
    fi
fi
exec "$@"
`, "native whole nginx"},
		{"entry: options by hand", entry("-p", "80", "node", "x"), "/entry*",
			"#!/bin/sh\nwhile [ $# -gt 0 ]; do\n  case \"$1\" in\n    -p) PORT=$2; shift 2;;\n    *) break;;\n  esac\ndone\nexec \"$@\"\n", "native? whole node"},
		{"health check", []string{"/bin/sh", "-c", "curl -f http://localhost/ || exit 1"}, "", "", "native whole curl"},
		{"health check of the sandbox", []string{"/bin/sh", "-c", "test -f /tmp/ready && ls /tmp || exit 1"}, "", "", "sandbox"},
		{"waiting", []string{"/bin/sh", "-c", "echo Container started\ntrap \"exit 0\" 15\nwhile sleep 1 & wait $!; do :; done"}, "", "", "sandbox"},
		{"dev container", []string{"/bin/sh", "-c", "echo Container started\ntrap \"exit 0\" 15\n\nexec \"$@\"\nwhile sleep 1 & wait $!; do :; done", "-"}, "", "", "sandbox"},
	} {
		t.Run(c.name, func(t *testing.T) {
			files := image{}
			if c.file != "" {
				files[c.file] = c.script
			}
			env := append([]string{"GITHUB_REF=refs/tags/v1.2.3", "GITHUB_SHA=0123456789"}, usualEnv...)
			p := Analyze(context.Background(), debian(files).view(t), env, "/app", c.args, options())
			if got := summary(p); got != c.want {
				t.Errorf("got %s, want %s\n%s\n%s", got, c.want, p.Reason, strings.TrimSpace(c.script))
			}
		})
	}
}
