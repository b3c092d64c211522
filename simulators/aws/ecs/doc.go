// Package ecs is the Elastic Container Service on Fargate: clusters, task definitions, and tasks that really run.
//
// A task's life is in life.go: from PROVISIONING, where its network and image are got, over a container of the machine, to STOPPED
// with its exit code. What always holds: each state is written before it is told; a simulator that starts again goes on with every
// task where it was.
package ecs
