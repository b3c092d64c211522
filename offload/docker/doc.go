// Package docker is the backend that runs tasks on another Docker Engine, here or far: Docker, Podman, or a Sockerless.
//
// It is a driver only: it makes the container, brings image and agent there, and gives a connection to the agent. That
// connection is an exec in the container, which works over whatever the engine's API goes over: no port has to be open,
// on neither side. The agent makes the container's network device: the container is in the server's networks and in none of the
// engine's. With connect: reverse the agent dials the server's gate instead, as the agents of clouds do, over the engine's
// network. What a container does is the agent's, and packages offload and runtime know it.
//
// Start reading in driver.go; container.go is what the engine is asked for. What always holds: what this driver makes has the labels of its instance, and nothing without
// them is ever touched, but for the agent's volume and the container that keeps it, which all instances share; a name follows
// from the attempt, so that a second Run of one attempt finds the first one's container.
package docker
