// Package ecs runs tasks on ECS with Fargate.
//
// It is a driver only: an image is prepared into ECR with the agent as its entry point, a task definition is reused by what it
// says, and what is a task's own (where its agent dials back, with which token) is an override of the environment. Command,
// environment, files and output are the agent's. Start reading in driver.go.
package ecs
