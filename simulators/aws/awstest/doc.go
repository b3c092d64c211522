// Package awstest is what tests of the simulated AWS compare it with: the command line client, and the models of the services
// that come with it. Both are where e2e/install-aws puts them.
//
// Start reading in cli.go for the client and in model.go for the models. What always holds: what an answer has is what its model
// has, by name, type and required members, and an error is one that its operation may give.
package awstest
