// Package ec2 is the network of EC2: VPCs, subnets, security groups, routes, gateways and network interfaces. There are no instances.
//
// What is not a record only: a VPC that tasks are in is a network of the machine with the VPC's addresses, a task's interface has an
// address of its subnet there, and [EC2.Admit] lets through what security groups and routes do. A connection that they drop fails at
// once as one that has timed out, which in the cloud takes as long as the caller waits. Addresses that are public are records: nobody
// outside reaches a task by one; with one, or behind a NAT gateway, a task reaches what is outside, this machine as well
// (host.docker.internal). Network ACLs allow all.
//
// Start reading in ec2.go. What always holds: a task's address is given to no other while its interface is there; each region has a
// default VPC from the first call on.
package ec2
