package placement

import "fmt"

// installers are the programs that bring or build others, which then run natively too, and that write many files, which
// a sandboxed script would have to be sent.
var installers = set("apt-get", "apt", "dpkg", "apk", "dnf", "microdnf", "yum", "rpm", "zypper", "pacman", "npm", "npx", "yarn", "pnpm", "bun", "corepack",
	"pip", "pip3", "pipx", "poetry", "uv", "conda", "mamba", "gem", "bundle", "bundler", "composer", "cargo", "rustup", "go", "mvn", "mvnw", "gradle",
	"gradlew", "sbt", "make", "gmake", "cmake", "ninja", "meson", "bazel", "nix", "nix-env", "brew", "dotnet", "mix", "cabal", "stack", "swift", "opam", "deno")

func set(names ...string) map[string]bool {
	m := make(map[string]bool, len(names))
	for _, name := range names {
		m[name] = true
	}
	return m
}

// whole decides whether a process with native programs runs natively as a whole, and why.
//
// The figures are those of prototypes (two cores, November 2026): a native command of a sandboxed script costs 0.3–0.8 ms
// more than under a native shell, since it is started through an agent, and on another machine a transfer of what has
// changed besides; a program of the sandbox that runs natively instead costs 1–2 ms where it cost 0.04. By time alone two
// or three native commands on this machine would weigh as much as one of the sandbox's, elsewhere far less than one. The
// rule counts them alike, and gives a tie to the native side, where the script behaves as its author saw it. The shell's own
// commands weigh nothing. Commands in a loop count ten times, or as often as the loop's words say. Three things outweigh
// the count: a program that the script becomes by exec, since the script is then its prelude; an installer, for what it
// brings; a native program in a loop, for what each of its starts costs elsewhere.
//
// Only what is certain makes a script whole, save exec: a script with its native programs in branches starts in the
// sandbox and is promoted when it comes to one.
func (a *analysis) whole() (bool, string) {
	switch {
	case !a.plan.Native || !a.ownShell:
		return false, ""
	case a.direct:
		return true, ""
	case a.ending != "":
		return true, fmt.Sprintf("it ends in %s by exec", a.ending)
	case !a.certain:
		return false, ""
	case a.installer != "":
		return true, fmt.Sprintf("%s brings or builds further programs", a.installer)
	case a.looped != "":
		return true, fmt.Sprintf("%s is started in a loop", a.looped)
	case a.natives >= a.others:
		return true, fmt.Sprintf("of the programs that it starts %d are native and %d the sandbox's, loops counted", a.natives, a.others)
	}
	return false, ""
}

// conclude makes the plan of what was found.
func (a *analysis) conclude() Plan {
	p := &a.plan
	if !p.Native {
		p.Certain = a.doubt == ""
		p.Reason = "it needs no native program"
		if !p.Certain {
			p.Reason = "no native program is known to run, but " + a.doubt
		}
		return *p
	}
	p.Certain = a.certain
	whole, why := a.whole()
	p.Whole = whole
	p.Reason = a.first
	switch {
	case a.direct:
	case whole && !p.Certain:
		p.Reason += ", in a branch; the whole process runs natively: " + why
	case whole:
		p.Reason += "; the whole process runs natively: " + why
	case !p.Certain:
		p.Reason += ", in a branch; it starts in the sandbox"
	case !a.ownShell:
		p.Reason += "; the shell is the sandbox's"
	default:
		p.Reason += fmt.Sprintf("; of the programs that it starts most are the sandbox's (%d, %d are native)", a.others, a.natives)
	}
	return *p
}
