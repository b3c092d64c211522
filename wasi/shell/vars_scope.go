package shell

// A frame is a running function, sourced file, or command with assignments before it. Local variables are bound shallowly:
// the table has the visible variable, the frame what it hides.
type frame struct {
	name   string // of the function; "source" for a sourced file
	file   string // where the function was defined
	line   int    // where it was called from
	saved  []savedVar
	params []string // the caller's positional parameters
	source bool
	opts   *options // restored at the end, after `local -`
	loops  int
	traps  savedTraps
	temp   bool // only holds the assignments before a builtin
	getopt getoptState
}

// savedVar is what a local variable hides; v is nil if there was none.
type savedVar struct {
	name string
	v    *variable
}

// hide makes room for a local variable of the running function: what it hides is saved in the function's frame.
func (sh *shell) hide(name string) {
	depth := len(sh.frames)
	for depth > 1 && (sh.frames[depth-1].temp || sh.frames[depth-1].source) {
		depth--
	}
	sh.hideAt(name, depth)
}

func (sh *shell) hideAt(name string, depth int) {
	if v := sh.vars.vars[name]; v != nil && v.depth == depth {
		return
	}
	f := sh.frames[depth-1]
	t := sh.own()
	f.saved = append(f.saved, savedVar{name, t.vars[name]})
	t.vars[name] = &variable{depth: depth, owner: t, gen: t.gen.Load()}
	sh.env = nil
}

// popFrame puts back what the locals of the topmost frame hid, and removes the frame.
func (sh *shell) popFrame() {
	last := len(sh.frames) - 1
	sh.reveal(sh.frames[last])
	sh.frames = sh.frames[:last]
}

// reveal puts back what the locals of a frame hid.
func (sh *shell) reveal(f *frame) {
	if len(f.saved) > 0 {
		t := sh.own()
		for i := len(f.saved) - 1; i >= 0; i-- {
			s := f.saved[i]
			if s.v == nil {
				delete(t.vars, s.name)
			} else {
				t.vars[s.name] = s.v
			}
			sh.changed(s.name)
		}
		sh.env = nil
		f.saved = nil
	}
}

// revealSaved is unset of a local of a caller: the variable that it hid is seen again.
func (sh *shell) revealSaved(name string, depth int) {
	t := sh.own()
	f := sh.frames[depth-1]
	for i := range f.saved {
		if f.saved[i].name == name {
			if v := f.saved[i].v; v != nil {
				t.vars[name] = v
			} else {
				delete(t.vars, name)
			}
			f.saved = append(f.saved[:i:i], f.saved[i+1:]...)
			return
		}
	}
	delete(t.vars, name)
}

// withGlobal runs do while the global variable of that name is the visible one, for declare -g.
func (sh *shell) withGlobal(name string, do func()) {
	for _, f := range sh.frames {
		for i := range f.saved {
			if f.saved[i].name != name {
				continue
			}
			t := sh.own()
			local := t.vars[name]
			if f.saved[i].v != nil {
				t.vars[name] = f.saved[i].v
			} else {
				delete(t.vars, name)
			}
			do()
			t = sh.own()
			f.saved[i].v = t.vars[name]
			t.vars[name] = local
			sh.env = nil
			return
		}
	}
	do()
}

// cloneFrames copies the frames for a forked shell, which may reveal or save in them on its own.
func cloneFrames(frames []*frame) []*frame {
	if len(frames) == 0 {
		return nil
	}
	copies := make([]*frame, len(frames))
	for i, f := range frames {
		c := *f
		c.saved = append([]savedVar(nil), f.saved...)
		copies[i] = &c
	}
	return copies
}

// functionDepth is how many functions are running.
func (sh *shell) functionDepth() int {
	n := 0
	for _, f := range sh.frames {
		if !f.source && !f.temp {
			n++
		}
	}
	return n
}

// inFunction says whether a function runs, whose locals a declaration makes.
func (sh *shell) inFunction() bool {
	for i := len(sh.frames) - 1; i >= 0; i-- {
		if f := sh.frames[i]; !f.temp {
			return !f.source || sh.functionDepth() > 0
		}
	}
	return false
}
