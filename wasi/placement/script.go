package placement

import (
	"context"
	"io"
	"strconv"

	"mvdan.cc/sh/v3/syntax"

	"github.com/sockerless/sockerless/store/rootfs"
)

const (
	maxOpen = 20000 // brackets in a script
	maxDeep = 500   // of them in one another
)

// script is a parsed script.
type script struct {
	name string // of its file; else what it is: "script of sh -c"
	file bool
	tree *syntax.File // nil: it could not be parsed, or was not read
}

// at is where a line is.
func (s *script) at(line int) string {
	switch {
	case line == 0:
		return "command"
	case s.file:
		return "script " + s.name + ":" + strconv.Itoa(line)
	}
	return s.name + ", line " + strconv.Itoa(line)
}

// parse parses text within the limits; nil, with a doubt noted, if that cannot be.
func (a *analysis) parse(text, what string) *syntax.File {
	a.bytes += len(text)
	switch {
	case a.bytes > a.an.opts.MaxBytes:
		a.doubts("its scripts are longer than %d bytes", a.an.opts.MaxBytes)
		a.given = true
		return nil
	case deep(text):
		a.doubts("%s has too many brackets", what)
		return nil
	}
	parser, ok := a.an.parsers.Get().(*syntax.Parser)
	if !ok {
		// The sandbox's shell parses all dialects as bash, and says what is wrong where it does not like that.
		parser = syntax.NewParser(syntax.Variant(syntax.LangBash))
	}
	tree, err := parser.Parse(&reader{ctx: a.ctx, rest: text}, "")
	a.an.parsers.Put(parser)
	if err != nil {
		a.doubts("%s could not be parsed", what)
		return nil
	}
	return tree
}

// reader reads a string until its context ends.
type reader struct {
	ctx  context.Context
	rest string
}

// Read implements io.Reader.
func (r *reader) Read(b []byte) (int, error) {
	if r.rest == "" {
		return 0, io.EOF
	}
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	n := copy(b, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}

// deep says whether text may nest deeper than the parser's recursion should go: Go ends the whole process when a stack
// has 1 GB, and a bracket in arithmetic takes 5 KB. Quotes are not looked at, so that only plenty of them is refused.
func deep(text string) bool {
	open, now := 0, 0
	for i := range len(text) {
		switch text[i] {
		case '(', '[', '{', '?':
			if open++; text[i] != '?' {
				now++
			}
			if now > maxDeep || open > maxOpen {
				return true
			}
		case ')', ']', '}':
			now = max(now-1, 0)
		}
	}
	return false
}

// load reads a script's file; nil, with a doubt noted, if that cannot be. It is parsed once however often it runs.
func (a *analysis) load(files *rootfs.View, name string) *script {
	// Its own path, since the working directory may be another one the next time.
	real, err := a.resolve(files, name)
	if err != nil {
		return nil // the shell will say so
	}
	if s, ok := a.scripts[real]; ok {
		return s
	}
	if a.files++; a.files > a.an.opts.MaxFiles {
		a.doubts("it has more than %d script files", a.an.opts.MaxFiles)
		return nil
	}
	s := &script{name: real, file: true}
	if name[0] == '/' {
		s.name = name
	}
	if a.scripts == nil {
		a.scripts = make(map[string]*script)
	}
	a.scripts[real] = s
	info, err := a.reader.Stat(real)
	switch {
	case err != nil || !info.Mode().IsRegular():
		a.doubts("%s is no file", name) // a pipe: reading it would take away what is in it
		return s
	case info.Size() > int64(a.an.opts.MaxBytes-a.bytes):
		a.doubts("%s is longer than what is read", name)
		return s
	}
	text, err := a.reader.ReadFile(real)
	if err != nil {
		a.doubts("%s could not be read", name)
		return s
	}
	if isText(text) {
		s.tree = a.parse(string(text), name)
	}
	return s
}

// resolve is the path without links of a name as files sees it.
func (a *analysis) resolve(files *rootfs.View, name string) (string, error) {
	reader := a.reader
	if name == "" || name[0] != '/' {
		reader = files.Clone()
		reader.SetCred(rootfs.Cred{})
	}
	return reader.Resolve(name)
}
