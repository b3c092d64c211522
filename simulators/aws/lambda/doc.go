// Package lambda is Lambda with functions as container images, which really run.
//
// An invocation (invoke.go) is given to a sandbox (sandbox.go): a container of the machine whose process asks the Runtime API
// (runtimeapi.go) for its work, at the address that Lambda has for it; only that container reaches it there. Between two invocations a
// sandbox is frozen. Asynchronous invocations (events.go) are records until they are done. What always holds: a function serves what
// was last active while an update is under way; what was accepted is run, retried or dropped as its function is configured, whatever
// becomes of the simulator; no sandbox outlives the simulator that started it.
package lambda
