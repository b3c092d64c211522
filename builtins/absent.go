package builtins

// absence says why a command is not in the sandbox, and what runs it.
var absence = map[string]string{
	"apt": "package managers", "apt-get": "package managers", "apt-cache": "package managers", "dpkg": "package managers", "apk": "package managers", "yum": "package managers", "dnf": "package managers", "rpm": "package managers",
	"make": "build tools", "cmake": "build tools", "gcc": "compilers", "g++": "compilers", "cc": "compilers", "c++": "compilers", "clang": "compilers", "ld": "compilers",
}

// absent is a command that only says that it is not here. It is found in images of the sandbox alone: a program of that
// name in any other image is that image's own, and is offloaded.
func absent(p *Process) int {
	_, _, status, done := p.parse(usage{synopsis: "[ARGUMENT]...", about: "Not in the sandbox: an image that has it runs it natively, where a backend is configured.", status: 2, inOrder: true, anyLacks: true})
	if done {
		return status
	}
	p.Errorf("%s are not supported in the sandbox, they are offloaded: use an image that has %s, with a backend that runs native programs", absence[p.Name()], p.Name())
	return 2
}
