// Package aws is an AWS that runs here: the services that a backend, the command line client and Terraform need for the life of a
// task, over the same wire, with tasks that really run.
//
// Each service is a package of its own that makes a [wire.Service] and keeps its records in the simulator's state under its own
// prefix. Start reading in simulator.go. What always holds: what the simulator cannot do is the service's own error; a task that
// is said to run is a container of this machine; a restart keeps all.
package aws
