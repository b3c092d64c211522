package inside

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"syscall"

	"github.com/sockerless/sockerless/agent"
	"github.com/sockerless/sockerless/agent/agentpb"
	"github.com/sockerless/sockerless/agent/netstack"
	"github.com/sockerless/sockerless/agent/network"
)

// connections are the container's network: what its programs connect to goes to the server, and the server connects into
// it.
type connections struct {
	config Config
	agent  *network.Agent

	mu      sync.Mutex
	begun   bool
	sockets bool            // of the engine are there
	stack   *netstack.Stack // nil without a network of its own
}

func newConnections(config Config) *connections {
	c := &connections{config: config}
	c.agent = network.NewAgent(c)
	return c
}

// begin starts to serve the container's programs, once it is known where in its networks it is.
func (c *connections) begin(spec *agentpb.Container) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.sockets {
		c.sockets = true
		if err := c.serveEngine(spec); err != nil {
			return err
		}
	}
	if c.begun || len(spec.GetEndpoints()) == 0 {
		return nil
	}
	device, err := c.device(spec)
	if err != nil || device == nil {
		return err
	}
	c.begun = true
	c.stack, err = netstack.Start(netstack.Config{
		TUN: device, Container: spec.GetId(), Endpoints: spec.GetEndpoints(), Outgoing: c.agent, Log: c.config.Log,
	})
	if err != nil {
		return fmt.Errorf("begin the container's network: %w", err)
	}
	return nil
}

// device is where the packets of the container's programs come from: a descriptor that was handed over, or a device that is
// made now; nil without a network of its own.
func (c *connections) device(spec *agentpb.Container) (*os.File, error) {
	if c.config.Device != 0 {
		return os.NewFile(uintptr(c.config.Device), "eth0"), nil
	}
	if !c.config.MakeDevice {
		return nil, nil
	}
	device, err := netstack.Setup(spec.GetEndpoints())
	if err != nil {
		return nil, fmt.Errorf("make the container's network: %w", err)
	}
	if err := writeNames(spec); err != nil {
		return nil, errors.Join(fmt.Errorf("make the container's network: %w", err), device.Close())
	}
	return device, nil
}

// writeNames writes what the container's programs look names up by. A platform that has mounted these files read-only has
// been asked for what they need to have.
func writeNames(spec *agentpb.Container) error {
	for name, text := range map[string]string{"/etc/hosts": agent.HostsFile(spec), "/etc/resolv.conf": agent.ResolvFile(spec)} {
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil && !errors.Is(err, syscall.EROFS) {
			return err
		}
	}
	return nil
}

// serve serves a server's stream.
func (c *connections) serve(ctx context.Context, stream io.ReadWriteCloser) error {
	return c.agent.Serve(ctx, stream)
}

// DialInto connects to a program of the container. Where the network is the machine's or another engine's, the address is not
// the container's own: its loopback is tried, and what else it has.
func (c *connections) DialInto(ctx context.Context, container, kind, address string) (net.Conn, error) {
	c.mu.Lock()
	stack := c.stack
	c.mu.Unlock()
	if stack != nil {
		return stack.DialInto(ctx, container, kind, address)
	}
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, fmt.Errorf("connect into the container: %w", err)
	}
	var errs []error
	for _, host := range ownHosts() {
		var d net.Dialer
		conn, err := d.DialContext(ctx, kind, net.JoinHostPort(host, port))
		if err == nil {
			return conn, nil
		}
		errs = append(errs, err)
	}
	return nil, fmt.Errorf("connect into the container: %w", errors.Join(errs...))
}

// ownHosts are the addresses under which programs of this network namespace can listen.
func ownHosts() []string {
	hosts := []string{"127.0.0.1"}
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		return hosts // the loopback is always there
	}
	for _, a := range addresses {
		if ip, ok := a.(*net.IPNet); ok && !ip.IP.IsLoopback() && ip.IP.To4() != nil {
			hosts = append(hosts, ip.IP.String())
		}
	}
	return hosts
}

func (c *connections) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stack != nil {
		_ = c.stack.Close() // its connections end with the container
	}
}
