package machine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"sync"

	"github.com/sockerless/sockerless/offload"
	"github.com/sockerless/sockerless/offload/local"
	"github.com/sockerless/sockerless/offload/native"
	"github.com/sockerless/sockerless/runtime"
	"github.com/sockerless/sockerless/store/content"
	"github.com/sockerless/sockerless/store/image"
	"github.com/sockerless/sockerless/store/layer"
	"github.com/sockerless/sockerless/store/state"
	"github.com/sockerless/sockerless/store/unpacked"
)

// Config is what a machine is made of.
type Config struct {
	DataDir    string // folder of images and tasks; it is made
	RuntimeDir string // for links to sockets: short, of this machine only
	Instance   string // of this simulator: only its tasks are touched
	State      state.Store
	Native     native.Config // how this program is the first stage of a container
	Agent      func(platform string) (offload.AgentProgram, error)
	Registries image.RegistriesConfig // how to speak to the simulator's own
	// Egress is the engine's: the rules for what tasks may connect to outside their network.
	Egress func(container, address string) error
	// Addresses are those of the cloud's own, "ip:port", at which it serves its tasks: see [Machine.Listener].
	Addresses []string
	Admit     func(c runtime.Connection) error // the engine's: which connections of tasks are let through
	Log       *slog.Logger
}

// Machine runs tasks. It is the engine, with nothing before it.
type Machine struct {
	*runtime.Engine
	inner   map[string]*inner // by address
	backend *offload.Backend
}

// Open finds again what an earlier simulator left. Errors: errdefs.ErrFailedPrecondition where this machine allows no native
// containers.
func Open(ctx context.Context, c Config) (*Machine, error) {
	for _, dir := range []string{c.DataDir, c.RuntimeDir} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, fmt.Errorf("make the machine's folder: %w", err)
		}
	}
	in := func(name string) string { return filepath.Join(c.DataDir, name) }
	layers, err := layer.NewStore(in("layers"))
	if err != nil {
		return nil, err
	}
	downloads, err := content.NewStore(in("ingest"), content.Options{Log: c.Log})
	if err != nil {
		return nil, err
	}
	images, err := image.New(ctx, image.Config{State: c.State, Layers: layers, Content: downloads, Registries: c.Registries, Log: c.Log})
	if err != nil {
		return nil, err
	}
	directories, err := unpacked.Open(in("unpacked"))
	if err != nil {
		return nil, err
	}
	if err := directories.Sweep(images.Stacks()); err != nil {
		return nil, err
	}
	containers := in("containers")
	driver := local.New(local.Config{
		Native: c.Native, Images: directories, Containers: containers, RuntimeDir: c.RuntimeDir, Agent: c.Agent,
		Private: "/.simulator", // images of clouds have an agent of their own at /.sockerless
		Support: sync.OnceValue(func() native.Support { return native.Probe(context.WithoutCancel(ctx), c.Native, in("probe")) })})
	m := &Machine{inner: map[string]*inner{}, backend: offload.NewBackend(offload.Local, driver, offload.Config{
		State: c.State, Instance: c.Instance, RuntimeDir: c.RuntimeDir, Lease: -1, Log: c.Log})}
	for _, address := range c.Addresses {
		m.inner[address] = newInner(address)
	}
	m.Engine, err = runtime.New(ctx, runtime.Config{
		DataDir: c.DataDir, InstanceID: c.Instance, Log: c.Log, Backend: m.backend, State: c.State, Images: images, Egress: c.Egress, Admit: c.Admit,
		Gateway: netip.AddrFrom4([4]byte{127, 0, 0, 1}), Within: m.within})
	if err != nil {
		return nil, errors.Join(err, m.backend.Close())
	}
	return m, nil
}

// Listener is where tasks come in that connect to one of the cloud's own addresses: each connection is a [*Conn].
func (m *Machine) Listener(address string) net.Listener { return m.inner[address] }

// within is the engine's: it connects a task to what the cloud itself serves.
func (m *Machine) within(ctx context.Context, container, address string) (net.Conn, bool, error) {
	l := m.inner[address]
	if l == nil {
		return nil, false, nil
	}
	conn, err := l.dial(ctx, container)
	return conn, true, err
}

// Close lets go of the tasks, which go on.
func (m *Machine) Close(ctx context.Context) error {
	for _, l := range m.inner {
		l.close()
	}
	return errors.Join(m.Engine.Close(ctx), m.backend.Close())
}
