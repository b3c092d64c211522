// Package ecs is the Elastic Container Service on Fargate: clusters, task definitions, and tasks that really run.
//
// A task's life is in life.go: from PROVISIONING, where its network is got, over the pull of its image and a container of the
// machine (container.go), to STOPPED with its exit code. What it writes goes to CloudWatch Logs (collect.go), and it can ask about
// itself (metadata.go). What always holds: each state is written before it is told; a simulator that starts again goes on with every
// task where it was, and no line of its output is lost or there twice; what a task asks for that cannot be given is refused when its
// definition is registered, but for two things: the size of its disk is told and not limited, and credentials of a role are there
// where the simulator has somebody who gives them out.
package ecs
