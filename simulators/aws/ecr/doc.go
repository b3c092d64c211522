// Package ecr is the Elastic Container Registry: repositories and what is set for them, over the data plane of package registry,
// which it guards as ECR does.
//
// Start reading in ecr.go for what the service can do, in data.go for what it lets through to the registry. What always holds: a
// client of the registry has a token that has not expired; only what was pushed to a repository, or mounted into it, is in it; an
// image that cannot be overwritten is not. Lifecycle and repository policies are kept and told, and nothing acts on them; images
// are not scanned.
package ecr
