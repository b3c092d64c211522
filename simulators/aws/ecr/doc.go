// Package ecr is the Elastic Container Registry: repositories and tokens for them. The images themselves are the registry's that all
// simulators share.
package ecr
