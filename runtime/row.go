package runtime

import (
	"reflect"
	"strings"

	"github.com/moby/moby/api/types/network"
)

// row is what a list shows of a definition or filters by. It stays in memory with its container, so that a list of ten
// thousand reads nothing from the state; what most containers have in common they share. It is never changed.
type row struct {
	command     string // as docker ps shows it
	labels      map[string]string
	annotations map[string]string
	networkMode string
	networks    map[string]*network.EndpointSettings
	mounts      []mountPoint
	exposed     []network.Port // sorted
	published   []network.Port // sorted
}

// row returns what a list needs of a container.
func (e *Engine) row(c *container) (*row, error) {
	if w := c.listed.Load(); w != nil {
		return w, nil
	}
	d, err := e.definition(c)
	if err != nil {
		return nil, err
	}
	w := e.newRow(d)
	c.listed.Store(w)
	return w, nil
}

func (e *Engine) newRow(d *definition) *row {
	w := &row{
		command: d.commandLine(), labels: d.Config.Labels, annotations: d.HostConfig.Annotations,
		networkMode: string(d.HostConfig.NetworkMode), networks: e.shareNetworks(d.Networks),
		mounts: d.Mounts, exposed: sortedPorts(d.Config.ExposedPorts), published: sortedPorts(d.HostConfig.PortBindings),
	}
	if len(w.labels) == 0 && w.labels != nil {
		w.labels = noLabels
	}
	return w
}

// noLabels are the labels of all containers without any.
var noLabels = map[string]string{}

// shareNetworks returns, for a container in one network without settings of its own, a map that all such have.
func (e *Engine) shareNetworks(networks map[string]*network.EndpointSettings) map[string]*network.EndpointSettings {
	if len(networks) != 1 {
		return networks
	}
	for name, settings := range networks {
		if settings != nil && reflect.ValueOf(settings).Elem().IsZero() {
			shared, _ := e.networks.LoadOrStore(name, networks)
			return shared.(map[string]*network.EndpointSettings)
		}
	}
	return networks
}

// commandLine is the command as docker ps shows it.
func (d *definition) commandLine() string {
	var b strings.Builder
	b.WriteString(d.Path)
	for _, arg := range d.Args {
		if strings.Contains(arg, " ") {
			arg = "'" + arg + "'"
		}
		b.WriteString(" " + arg)
	}
	return b.String()
}
