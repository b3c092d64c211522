package shell

import (
	"errors"
	"sort"
	"strconv"
	"strings"
	"time"
)

func errorIs(err, target error) bool { return errors.Is(err, target) }

// dynamicVariables makes variables whose values are computed.
func (sh *shell) dynamicVariables(names ...string) {
	for _, name := range names {
		v := sh.writable(name)
		v.dynamic = true
		switch name {
		case "SHELLOPTS", "BASHOPTS":
			v.attrs |= attrReadonly
		case "RANDOM", "SECONDS", "LINENO", "BASHPID", "SRANDOM", "HISTCMD":
			v.attrs |= attrInteger
		case "FUNCNAME", "BASH_SOURCE", "BASH_LINENO", "PIPESTATUS", "GROUPS", "DIRSTACK", "BASH_REMATCH":
			v.kind = indexedArray
		}
	}
}

// dynamicVar is the variable with its value of the moment.
func (sh *shell) dynamicVar(name string, v *variable) *variable {
	now := &variable{kind: v.kind, attrs: v.attrs, set: true}
	switch name {
	case "RANDOM":
		now.str = strconv.Itoa(sh.nextRandom())
	case "SRANDOM":
		now.str = strconv.Itoa(sh.nextRandom()<<15 | sh.nextRandom())
	case "SECONDS":
		now.str = strconv.Itoa(int(time.Since(sh.started).Seconds()))
	case "LINENO":
		now.str = strconv.Itoa(sh.currentLine())
	case "BASHPID":
		now.str = strconv.Itoa(sh.p.PID())
	case "EPOCHSECONDS":
		now.str = strconv.FormatInt(time.Now().Unix(), 10)
	case "EPOCHREALTIME":
		micro := time.Now().UnixMicro()
		now.str = strconv.FormatInt(micro/1e6, 10) + "." + strings.Repeat("0", 6-len(strconv.FormatInt(micro%1e6, 10))) + strconv.FormatInt(micro%1e6, 10)
	case "BASH_COMMAND":
		now.str = sh.commandText()
	case "BASH_SUBSHELL":
		now.str = strconv.Itoa(sh.subshells)
	case "BASH_ARGV0":
		now.str = sh.name
	case "SHELLOPTS":
		now.str = sh.setOptions()
	case "BASHOPTS":
		now.str = sh.shoptsOn()
	case "HISTCMD":
		now.str = strconv.Itoa(sh.history.number())
	case "BASH_REMATCH":
		now.list.vals = sh.rematch
	case "PIPESTATUS":
		for _, status := range sh.pipeStatus {
			now.list.vals = append(now.list.vals, strconv.Itoa(status))
		}
	case "GROUPS":
		cred := sh.p.Files().Cred()
		now.list.vals = []string{strconv.Itoa(int(cred.GID))}
		for _, g := range cred.Groups {
			if g != cred.GID {
				now.list.vals = append(now.list.vals, strconv.Itoa(int(g)))
			}
		}
	case "DIRSTACK":
		now.list.vals = append([]string{sh.homeShort(sh.getOr("PWD", ""))}, sh.dirs...)
	default:
		sh.callStack(name, now)
	}
	return now
}

// callStack fills FUNCNAME, BASH_SOURCE and BASH_LINENO in, the innermost call first.
func (sh *shell) callStack(name string, now *variable) {
	for i := len(sh.frames) - 1; i >= 0; i-- {
		f := sh.frames[i]
		if f.temp {
			continue
		}
		value := f.name
		switch name {
		case "BASH_SOURCE":
			if value = f.file; value == "" && !f.source {
				value = "environment"
			}
		case "BASH_LINENO":
			value = strconv.Itoa(f.line)
		}
		now.list.vals = append(now.list.vals, value)
	}
	main := sh.scriptName()
	switch {
	case name == "FUNCNAME":
		if sh.functionDepth() == 0 {
			now.list.vals = nil
		}
		if len(now.list.vals) == 0 {
			now.set = false
		} else if main != "" {
			now.list.vals = append(now.list.vals, "main")
		}
	case main != "":
		if name == "BASH_LINENO" {
			main = "0"
		}
		now.list.vals = append(now.list.vals, main)
	}
}

// scriptName is the script file that runs, "" for -c and standard input.
func (sh *shell) scriptName() string {
	if sh.oneCommand || sh.fromStdin {
		return ""
	}
	return sh.name
}

// nextRandom is the generator of bash 5.1 and later: Park and Miller's, the halves of the state mixed.
func (sh *shell) nextRandom() int {
	for {
		seed := int32(sh.random)
		if seed == 0 {
			seed = 123459876
		}
		h, l := seed/127773, seed%127773
		t := 16807*l - 2836*h
		if t < 0 {
			t += 0x7fffffff
		}
		sh.random = uint32(t)
		n := int((uint32(t)>>16)^(uint32(t)&65535)) & 32767
		if n != sh.lastRandom {
			sh.lastRandom = n
			return n
		}
	}
}

// assignDynamic is an assignment to a variable that is computed.
func (sh *shell) assignDynamic(name, value string) {
	switch name {
	case "RANDOM":
		sh.random = uint32(sh.arith(value))
		sh.lastRandom = 0
	case "SECONDS":
		sh.started = time.Now().Add(-time.Duration(sh.arith(value)) * time.Second)
	case "BASH_ARGV0":
		sh.name = value
	case "LINENO":
		if sh.posix() { // bash counts on
			v := sh.writable(name)
			v.dynamic, v.str, v.set = false, value, true
		}
	}
}

// sortedNames lists all variables by name.
func (sh *shell) sortedNames() []string {
	names := make([]string, 0, len(sh.vars.vars))
	for name := range sh.vars.vars {
		names = append(names, name)
	}
	sort.Strings(names)
	return names
}
