package dockerapi

import (
	"net/http"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/network"

	"github.com/sockerless/sockerless/runtime"
)

// createRequest is container.CreateRequest with what 1.52 dropped and older clients still send.
type createRequest struct {
	*container.Config
	HostConfig       *container.HostConfig     `json:"HostConfig,omitempty"`
	NetworkingConfig *network.NetworkingConfig `json:"NetworkingConfig,omitempty"`
	MacAddress       network.HardwareAddr      `json:"MacAddress,omitempty"`
}

// createContainer serves POST /containers/create.
func createContainer(c *call) error {
	if err := c.checkJSON(); err != nil {
		return err
	}
	var r createRequest
	if err := c.decodeJSON(&r); err != nil {
		return err
	}
	if r.Config == nil {
		return invalid("config cannot be empty in order to create a container")
	}
	if r.HostConfig == nil {
		r.HostConfig = &container.HostConfig{}
	}
	if r.NetworkingConfig == nil {
		r.NetworkingConfig = &network.NetworkingConfig{}
	}
	if c.version < 42 { // the size of the terminal was ignored
		r.HostConfig.ConsoleSize = [2]uint{}
	}
	r.moveMacAddress()
	opts := runtime.CreateOptions{Name: c.value("name"), Config: r.Config, HostConfig: r.HostConfig, Networking: r.NetworkingConfig}
	if c.version >= 41 {
		opts.Platform = c.value("platform")
	}
	answer, err := c.engine.ContainerCreate(c.making(), opts)
	if err != nil {
		return err
	}
	if answer.Warnings == nil {
		answer.Warnings = []string{}
	}
	return c.json(http.StatusCreated, answer)
}

// moveMacAddress puts the container-wide MAC address of API versions before 1.52 where newer ones have it: on the endpoint of
// the network that the container's mode names.
func (r *createRequest) moveMacAddress() {
	if len(r.MacAddress) == 0 {
		return
	}
	name := r.HostConfig.NetworkMode.NetworkName()
	if name == "" || r.HostConfig.NetworkMode.IsDefault() {
		name = network.NetworkBridge
	}
	endpoints := r.NetworkingConfig.EndpointsConfig
	if endpoints == nil {
		endpoints = map[string]*network.EndpointSettings{}
		r.NetworkingConfig.EndpointsConfig = endpoints
	}
	if endpoints[name] == nil {
		endpoints[name] = &network.EndpointSettings{}
	}
	if len(endpoints[name].MacAddress) == 0 {
		endpoints[name].MacAddress = r.MacAddress
	}
}
