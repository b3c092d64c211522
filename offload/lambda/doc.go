// Package lambda runs tasks as invocations of functions on AWS Lambda.
//
// It is a driver only. An image is prepared into ECR with the agent as its entry point; a function is made of it once for each size
// and used again, and deleted when nobody has used it for days. A task is an asynchronous invocation that is never tried again, whose
// event says what the agent is to be (package agent/inside, "invoked"): where it dials back, with which token. Lambda tells of an
// invocation nothing but what is in its log: Describe and List read that. Start reading in driver.go, then in log.go.
package lambda
