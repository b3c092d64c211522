// Package offload takes containers out of the sandbox: it decides by the user's policy which of them run where, gives
// each an agent on a backend, and sees to it that what it has started elsewhere is found again and ended.
//
// It is not a backend itself. A [Driver] knows one platform (another Docker Engine, a cloud) by a few verbs; [NewBackend]
// makes a runtime.Backend of it. Nor does it know what runs in a container: that goes through the agent.
//
// Start reading at [Policy] in policy.go and decide.go for what is decided, at scheduler.go for how a container gets an
// agent, at driver.go and backend.go for how a task comes into being; intent.go is what is written down of it, recover.go
// how it is found again after a kill.
//
// What always holds: an intent is on the disk before a platform is asked for anything (for a task of this machine, which ends
// with its power, it is where no kill of the server loses it), and is the last thing to go; a driver is asked for one task an
// attempt, however often; tasks of another instance are never touched; a container whose end nobody has told has no exit code
// of 0; a policy that cannot be read lets nothing native run.
package offload
