// Package placement decides, before a process starts, whether it needs native programs: whether its command is one, or
// is a script that will come to one, and whether such a script is better run natively as a whole.
//
// It executes nothing, writes nothing, and is no shell: what a script does is known only as far as its text says, with
// the variables and files as they are now. What it overlooks is found at run time, when the sandbox meets the program;
// so an answer that is wrong costs time, and never a result.
//
// Start reading in plan.go ([Analyzer.Analyze]), then find.go (what a file is: package wasi asks the same [Finder] when
// it starts the process), walk.go (the statements of a script, in the order in which they run), command.go (one
// command) and whole.go (the rule for whole scripts).
//
// What always holds: no input makes it fail, and where it doubts it says sandbox, uncertain. Files, bytes, commands and
// depth are bounded, and a context that ends stops it. It looks at files as the process would, with its credentials and
// its working directory.
package placement
