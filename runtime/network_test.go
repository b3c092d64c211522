package runtime_test

import (
	"crypto/sha256"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/events"
	"github.com/moby/moby/api/types/network"

	"github.com/sockerless/sockerless/runtime"
	"github.com/sockerless/sockerless/runtime/runtimetest"
	"github.com/sockerless/sockerless/store/image"
)

// lan is a server with the tests' own short forms.
type lan struct {
	*runtimetest.Server
	t *testing.T
}

func openLAN(t *testing.T) lan { return lan{open(t), t} }

func (s lan) network(name string, subnet ...string) string {
	s.t.Helper()
	spec := runtime.NetworkSpec{Name: name}
	if len(subnet) > 0 {
		spec.IPAM = &runtime.NetworkIPAM{Config: []runtime.NetworkSubnet{{Subnet: subnet[0]}}}
	}
	created, err := s.NetworkCreate(s.Ctx(), spec)
	if err != nil {
		s.t.Fatal(err)
	}
	return created.ID
}

// run starts a container in networks; the first is its mode.
func (s lan) run(name string, endpoints map[string]*network.EndpointSettings, mode string, cmd ...string) string {
	s.t.Helper()
	return s.runWith(name, endpoints, container.HostConfig{NetworkMode: container.NetworkMode(mode)}, cmd...)
}

func (s lan) runWith(name string, endpoints map[string]*network.EndpointSettings, host container.HostConfig, cmd ...string) string {
	s.t.Helper()
	created, err := s.ContainerCreate(s.Ctx(), runtime.CreateOptions{
		Name: name, Config: &container.Config{Image: image.BaseName, Cmd: cmd}, HostConfig: &host,
		Networking: &network.NetworkingConfig{EndpointsConfig: endpoints},
	})
	if err != nil {
		s.t.Fatalf("create %s: %v", name, err)
	}
	s.Start(created.ID)
	if cmd[0] == "listen" {
		session := s.Attach(created.ID, runtime.AttachOptions{Stream: true, Logs: true, Stdout: true})
		session.Await(s.t, 1, "listening")
	}
	return created.ID
}

// exec runs a program in a container and returns what it writes.
func (s lan) exec(name string, cmd ...string) (out, err string) {
	s.t.Helper()
	_, session := s.Exec(name, container.ExecCreateRequest{AttachStdout: true, AttachStderr: true, Cmd: cmd})
	session.End(s.t)
	return strings.TrimSuffix(session.String(1), "\n"), strings.TrimSuffix(session.String(2), "\n")
}

func (s lan) endpoint(name, net string) *network.EndpointSettings {
	s.t.Helper()
	in, err := s.ContainerInspect(s.Ctx(), name, false)
	if err != nil || in.NetworkSettings.Networks[net] == nil {
		s.t.Fatalf("inspect %s: %v, %v", name, in.NetworkSettings, err)
	}
	return in.NetworkSettings.Networks[net]
}

func (s lan) stop(name string) {
	s.t.Helper()
	none := 0
	if err := s.ContainerStop(s.Ctx(), name, runtime.StopOptions{Timeout: &none}); err != nil {
		s.t.Fatal(err)
	}
}

func aliases(names ...string) *network.EndpointSettings {
	return &network.EndpointSettings{Aliases: names}
}

func TestNetworkCreate(t *testing.T) {
	s := openLAN(t)
	id := s.network("gnet", "10.77.0.0/24")
	yes := true
	config := func(c runtime.NetworkSubnet) *runtime.NetworkIPAM {
		return &runtime.NetworkIPAM{Config: []runtime.NetworkSubnet{c}}
	}
	for _, test := range []struct {
		spec   runtime.NetworkSpec
		status int
		text   string
	}{
		{runtime.NetworkSpec{}, 400, "invalid network name: name is empty"},
		{runtime.NetworkSpec{Name: "gnet"}, 409, "network with name gnet already exists"},
		{runtime.NetworkSpec{Name: "host"}, 403, "operation is not permitted on predefined host network "},
		{runtime.NetworkSpec{Name: "x", Driver: "bogus"}, 404, `plugin "bogus" not found`},
		{runtime.NetworkSpec{Name: "x", Driver: "host"}, 403, `only one instance of "host" network is allowed`},
		{runtime.NetworkSpec{Name: "x", EnableIPv6: &yes}, 501,
			"IPv6 inside of a network is not supported: containers reach each other by IPv4, and IPv6 outside through the server"},
		{runtime.NetworkSpec{Name: "x", IPAM: config(runtime.NetworkSubnet{Subnet: "10.77.0.0/16"})}, 403,
			"invalid pool request: Pool overlaps with other one on this address space"},
		{runtime.NetworkSpec{Name: "x", IPAM: config(runtime.NetworkSubnet{Subnet: "xx"})}, 400,
			"invalid network config:\ninvalid subnet xx: invalid CIDR block notation"},
		{runtime.NetworkSpec{Name: "x", IPAM: config(runtime.NetworkSubnet{Subnet: "10.1.2.3/24"})}, 400,
			"invalid network config:\ninvalid subnet 10.1.2.3/24: it should be 10.1.2.0/24"},
		{runtime.NetworkSpec{Name: "x", IPAM: config(runtime.NetworkSubnet{Subnet: "10.1.2.0/24", Gateway: "10.1.3.1"})}, 400,
			"invalid network config:\ninvalid gateway 10.1.3.1: parent subnet 10.1.2.0/24 doesn't contain this address"},
		{runtime.NetworkSpec{Name: "x", IPAM: config(runtime.NetworkSubnet{Subnet: "10.1.2.0/24", IPRange: "10.1.0.0/16"})}, 400,
			"invalid network config:\ninvalid ip-range 10.1.0.0/16: CIDR block is bigger than its parent subnet 10.1.2.0/24"},
	} {
		_, err := s.NetworkCreate(s.Ctx(), test.spec)
		expect(t, "create", err, test.status, test.text)
	}
	in, err := s.NetworkInspect(s.Ctx(), id[:10], "")
	if err != nil || in.Name != "gnet" || len(in.IPAM.Config) != 1 || in.IPAM.Config[0].Subnet.String() != "10.77.0.0/24" || in.IPAM.Config[0].Gateway.IsValid() {
		t.Errorf("%+v, %v", in, err)
	}
	s.network("second")
	s.network("third")
	for name, subnet := range map[string]string{"bridge": "172.17.0.0/16", "second": "172.18.0.0/16", "third": "172.19.0.0/16"} {
		in, err := s.NetworkInspect(s.Ctx(), name, "")
		if err != nil || in.IPAM.Config[0].Subnet.String() != subnet || in.IPAM.Config[0].Gateway != netip.MustParsePrefix(subnet).Addr().Next() {
			t.Errorf("%s: %+v, %v", name, in.IPAM, err)
		}
	}
	list, err := s.NetworkList(s.Ctx(), runtime.Filters{"dangling": {"true": true}})
	if err != nil || len(list) != 3 || list[0].Name != "gnet" {
		t.Errorf("dangling: %v, %v", list, err)
	}
	if err := s.NetworkRemove(s.Ctx(), "second"); err != nil {
		t.Fatal(err)
	}
	s.network("fourth") // gets what is free again
	if in, err := s.NetworkInspect(s.Ctx(), "fourth", ""); err != nil || in.IPAM.Config[0].Subnet.String() != "172.18.0.0/16" {
		t.Errorf("%+v, %v", in, err)
	}
	s.run("c", nil, "third", "sleep", "1000")
	report, err := s.NetworkPrune(s.Ctx(), nil)
	slices.Sort(report.NetworksDeleted)
	if err != nil || !slices.Equal(report.NetworksDeleted, []string{"fourth", "gnet"}) {
		t.Errorf("pruned %v, %v", report, err)
	}
}

// TestAddressesOfContainers holds what an inspect shows of a container's life in its networks.
func TestAddressesOfContainers(t *testing.T) {
	s := openLAN(t)
	gnet := s.network("gnet", "10.77.0.0/24")
	fixed := &network.EndpointSettings{Aliases: []string{"al"}, IPAMConfig: &network.EndpointIPAMConfig{IPv4Address: netip.MustParseAddr("10.77.0.9")}}
	a := s.run("a", map[string]*network.EndpointSettings{"gnet": fixed, "bridge": {}}, "gnet", "sleep", "1000")
	p := s.endpoint(a, "gnet")
	if p.IPAddress.String() != "10.77.0.9" || p.IPPrefixLen != 24 || p.Gateway.String() != "10.77.0.1" || len(p.MacAddress) != 6 || p.NetworkID != gnet ||
		len(p.EndpointID) != 64 || !slices.Equal(p.DNSNames, []string{"a", "al", a[:12]}) || !slices.Equal(p.Aliases, []string{"al"}) {
		t.Errorf("%+v", p)
	}
	if b := s.endpoint(a, "bridge"); b.IPAddress.String() != "172.17.0.2" || b.Gateway.String() != "172.17.0.1" || b.DNSNames != nil {
		t.Errorf("%+v", b)
	}
	b := s.run("b", nil, "", "sleep", "1000")
	if p := s.endpoint(b, "bridge"); p.IPAddress.String() != "172.17.0.3" {
		t.Errorf("%+v", p)
	}
	expect(t, "remove", s.NetworkRemove(s.Ctx(), "gnet"), 403,
		`error while removing network: network gnet has active endpoints (name:"a" id:"`+p.EndpointID[:12]+`")`)
	taken := &network.EndpointSettings{IPAMConfig: &network.EndpointIPAMConfig{IPv4Address: netip.MustParseAddr("10.77.0.9")}}
	expect(t, "taken", s.NetworkConnect(s.Ctx(), "gnet", "b", taken), 403, "Address already in use")
	expect(t, "bridge", s.NetworkConnect(s.Ctx(), "bridge", "b", taken), 400, "user specified IP address is supported on user defined networks only")
	expect(t, "nobody", s.NetworkConnect(s.Ctx(), "gnet", "nosuch", nil), 404, "No such container: nosuch")
	if err := s.NetworkConnect(s.Ctx(), "gnet", "b", aliases("bb")); err != nil {
		t.Fatal(err)
	}
	expect(t, "again", s.NetworkConnect(s.Ctx(), "gnet", "b", nil), 403, "endpoint with name b already exists in network gnet")
	in, err := s.NetworkInspect(s.Ctx(), "gnet", "")
	if err != nil || in.Containers[b].IPv4Address.String() != "10.77.0.2/24" || in.Containers[a].Name != "a" || len(in.Containers) != 2 {
		t.Errorf("%+v, %v", in.Containers, err)
	}
	list, err := s.ContainerList(s.Ctx(), runtime.ListOptions{Filters: runtime.Filters{"network": {"gnet": true}, "name": {"^b$": true}}})
	if err != nil || len(list) != 1 || list[0].NetworkSettings.Networks["gnet"].IPAddress.String() != "10.77.0.2" {
		t.Errorf("list: %+v, %v", list, err)
	}
	s.stop("a")
	p = s.endpoint(a, "gnet")
	if p.IPAddress.IsValid() || p.EndpointID != "" || p.NetworkID != gnet || p.IPAMConfig.IPv4Address.String() != "10.77.0.9" {
		t.Errorf("stopped: %+v", p)
	}
	c := s.run("c", nil, "bridge", "sleep", "1000")
	if p := s.endpoint(c, "bridge"); p.IPAddress.String() != "172.17.0.2" {
		t.Errorf("the address of one that has stopped is not free: %+v", p)
	}
	s.Start(a)
	if p := s.endpoint(a, "gnet"); p.IPAddress.String() != "10.77.0.9" {
		t.Errorf("a fixed address is not kept: %+v", p)
	}
	if p := s.endpoint(a, "bridge"); p.IPAddress.String() != "172.17.0.4" {
		t.Errorf("%+v", p)
	}
	if err := s.NetworkDisconnect(s.Ctx(), "gnet", "b", false); err != nil {
		t.Fatal(err)
	}
	expect(t, "disconnect", s.NetworkDisconnect(s.Ctx(), "gnet", "b", false), 500, "container ID is not connected to network gnet")
	if err := s.NetworkDisconnect(s.Ctx(), "gnet", "nosuch", true); err != nil {
		t.Errorf("force: %v", err)
	}
	host := s.run("host", nil, "host", "sleep", "1000")
	if p := s.endpoint(host, "host"); p.IPAddress.IsValid() || p.EndpointID == "" {
		t.Errorf("%+v", p)
	}
	expect(t, "host", s.NetworkConnect(s.Ctx(), "gnet", "host", nil), 400,
		"container sharing network namespace with another container or host cannot be connected to any other network")
}

func TestNetworkEvents(t *testing.T) {
	s := openLAN(t)
	sub, err := s.Events(s.Ctx(), runtime.EventsOptions{Filters: runtime.Filters{"type": {"network": true}}})
	if err != nil {
		t.Fatal(err)
	}
	defer sub.Close()
	id := s.network("gnet")
	c := s.run("c", nil, "gnet", "sleep", "1000")
	s.stop("c")
	if err := s.NetworkRemove(s.Ctx(), "gnet"); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"create", "connect " + c, "disconnect " + c, "destroy"} {
		m, err := sub.Next(s.Ctx())
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.TrimSpace(string(m.Action) + " " + m.Actor.Attributes["container"]); got != want ||
			m.Type != events.NetworkEventType || m.Actor.ID != id || m.Actor.Attributes["name"] != "gnet" || m.Actor.Attributes["type"] != "bridge" {
			t.Errorf("%+v, not %s", m, want)
		}
	}
}

// TestContainersReachEachOther dials and resolves as programs of containers do.
func TestContainersReachEachOther(t *testing.T) {
	s := openLAN(t)
	s.network("one", "10.1.0.0/24")
	s.network("two", "10.2.0.0/24")
	db := s.run("db", map[string]*network.EndpointSettings{"one": aliases("Database")}, "one", "listen", "tcp", "5432")
	s.run("udp", map[string]*network.EndpointSettings{"one": aliases("database")}, "one", "listen", "udp", "53")
	s.run("app", map[string]*network.EndpointSettings{"one": {Links: []string{"db:store"}}, "two": {}}, "one", "sleep", "1000")
	s.run("other", nil, "two", "sleep", "1000")
	s.run("plain", nil, "bridge", "sleep", "1000")
	s.run("alone", nil, "none", "sleep", "1000")
	dbAddress := s.endpoint("db", "one").IPAddress.String()
	for _, test := range []struct {
		from     string
		cmd      string
		out, err string
	}{
		{"app", "dial tcp db:5432 hello", "HELLO", ""},
		{"app", "dial tcp " + db[:12] + ":5432 hello", "HELLO", ""},
		{"app", "dial tcp DB.one:5432 hello", "HELLO", ""},
		{"app", "dial tcp store:5432 hello", "HELLO", ""},
		{"app", "dial tcp " + dbAddress + ":5432 hello", "HELLO", ""},
		{"app", "dial udp udp:53 hello", "HELLO", ""},
		{"app", "resolve db", "[" + dbAddress + "]", ""},
		{"app", "resolve database", "[10.1.0.2 10.1.0.3]", ""},
		{"db", "resolve app", "[10.1.0.4]", ""},
		{"db", "dial tcp db:5432 me", "ME", ""},
		{"app", "dial tcp db:1 hello", "", "refused: "},
		{"app", "dial tcp 10.1.0.77:80 hello", "", "host unreachable: "},
		{"other", "dial tcp " + dbAddress + ":5432 hello", "", "host unreachable: "},
		{"plain", "dial tcp " + dbAddress + ":5432 hello", "", "host unreachable: "},
		{"alone", "dial tcp " + dbAddress + ":5432 hello", "", "network unreachable: "},
		{"app", "dial tcp 169.254.169.254:80 x", "", "denied: "},
		{"app", "dial tcp [::ffff:169.254.170.2]:80 x", "", "denied: "},
		{"app", "dial tcp 127.0.0.1:80 x", "", "refused: "},
	} {
		out, err := s.exec(test.from, strings.Fields(test.cmd)...)
		if out != test.out || !strings.HasPrefix(err, test.err) || (err == "") != (test.err == "") {
			t.Errorf("%s: %s: %q, %q", test.from, test.cmd, out, err)
		}
	}
	if err := s.ContainerRename(s.Ctx(), "db", "renamed"); err != nil {
		t.Fatal(err)
	}
	if out, _ := s.exec("app", "dial", "tcp", "renamed:5432", "x"); out != "X" {
		t.Errorf("by the new name: %q", out)
	}
	// Joined later, and left again.
	if err := s.NetworkConnect(s.Ctx(), "one", "other", nil); err != nil {
		t.Fatal(err)
	}
	if out, err := s.exec("other", "dial", "tcp", "database:5432", "x"); out != "X" {
		if !strings.HasPrefix(err, "refused") && out == "" { // the alias stands for two, and one of them does not listen
			t.Errorf("joined: %q, %q", out, err)
		}
	}
	if err := s.NetworkDisconnect(s.Ctx(), "one", "renamed", false); err != nil {
		t.Fatal(err)
	}
	if out, err := s.exec("other", "dial", "tcp", dbAddress+":5432", "x"); !strings.HasPrefix(err, "host unreachable: ") {
		t.Errorf("left: %q, %q", out, err)
	}
}

func TestLinksOfBridge(t *testing.T) {
	s := openLAN(t)
	s.run("db", nil, "", "listen", "tcp", "5432")
	s.runWith("app", nil, container.HostConfig{Links: []string{"db:store"}}, "sleep", "1000")
	own := []netip.Addr{netip.MustParseAddr("127.0.0.1")} // the container itself: nobody is asked
	s.runWith("other", nil, container.HostConfig{DNS: own}, "sleep", "1000")
	if out, err := s.exec("app", "dial", "tcp", "store:5432", "x"); out != "X" {
		t.Errorf("%q, %q", out, err)
	}
	if out, err := s.exec("other", "resolve", "db"); out != "" || !strings.Contains(err, "refused") {
		t.Errorf("the bridge has names: %q, %q", out, err)
	}
	config := &container.Config{Image: image.BaseName, Cmd: []string{"true"}}
	_, err := s.ContainerCreate(s.Ctx(), runtime.CreateOptions{Config: config, HostConfig: &container.HostConfig{Links: []string{"nosuch:x"}}})
	expect(t, "link", err, 400, "could not get container for nosuch: No such container: nosuch")
}

// TestPublishedPorts connects from this machine into a container, and finds the same ports again after a restart of the server.
func TestPublishedPorts(t *testing.T) {
	dir, machine := t.TempDir(), runtimetest.NewFake(t)
	s := lan{runtimetest.Open(t, dir, machine.Backend(t)), t}
	s.network("gnet")
	loopback := netip.MustParseAddr("127.0.0.1")
	ports := network.PortMap{network.MustParsePort("80/tcp"): {{HostIP: loopback}}}
	id := s.runWith("web", nil, container.HostConfig{NetworkMode: "gnet", PortBindings: ports}, "listen", "tcp", "80")
	dns := network.PortMap{network.MustParsePort("53/udp"): {{HostIP: loopback}}}
	s.runWith("dns", nil, container.HostConfig{PortBindings: dns}, "listen", "udp", "53")
	at := func(name, port string) string {
		t.Helper()
		in, err := s.ContainerInspect(s.Ctx(), name, false)
		bindings := in.NetworkSettings.Ports[network.MustParsePort(port)]
		if err != nil || len(bindings) != 1 || bindings[0].HostIP != loopback {
			t.Fatalf("ports of %s: %v, %v", name, in.NetworkSettings, err)
		}
		return net.JoinHostPort("127.0.0.1", bindings[0].HostPort)
	}
	ask := func(address, text string) string {
		t.Helper()
		c, err := net.Dial("tcp", address)
		if err != nil {
			return err.Error()
		}
		defer c.Close()
		io.WriteString(c, text)
		c.(*net.TCPConn).CloseWrite()
		got, err := io.ReadAll(c)
		if err != nil {
			return err.Error()
		}
		return string(got)
	}
	web := at("web", "80/tcp")
	if got := ask(web, "hello"); got != "HELLO" {
		t.Errorf("through a published port: %q", got)
	}
	c, err := net.Dial("udp", at("dns", "53/udp"))
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"one", "two"} {
		io.WriteString(c, text)
		buffer := make([]byte, 100)
		if n, err := c.Read(buffer); err != nil || string(buffer[:n]) != strings.ToUpper(text) {
			t.Errorf("udp: %q, %v", buffer[:n], err)
		}
	}
	c.Close()
	list, err := s.ContainerList(s.Ctx(), runtime.ListOptions{Filters: runtime.Filters{"name": {"web": true}}})
	if err != nil || len(list) != 1 || len(list[0].Ports) != 1 || fmt.Sprint("127.0.0.1:", list[0].Ports[0].PublicPort) != web || list[0].Ports[0].PrivatePort != 80 {
		t.Errorf("list: %+v, %v", list, err)
	}
	_, port, _ := net.SplitHostPort(web)
	taken := network.PortMap{network.MustParsePort("80/tcp"): {{HostIP: loopback, HostPort: port}}}
	second := s.Create("second", container.Config{Cmd: []string{"true"}}, container.HostConfig{PortBindings: taken})
	err = s.ContainerStart(s.Ctx(), second, runtime.StartOptions{})
	expect(t, "conflict", err, 500, "failed to set up container networking: driver failed programming external connectivity on endpoint second (ID): "+
		"Bind for "+web+" failed: port is already allocated")
	if p := s.endpoint("second", "bridge"); p.IPAddress.IsValid() {
		t.Errorf("one that did not start has an address: %+v", p)
	}
	if state := s.State(second); state.ExitCode != 128 || state.Status != "created" {
		t.Errorf("%+v", state)
	}
	address := s.endpoint("web", "gnet").IPAddress

	s.Close()
	if got := ask(web, "x"); !strings.Contains(got, "refused") {
		t.Errorf("while there is no server: %q", got)
	}
	s = lan{runtimetest.Open(t, dir, machine.Backend(t)), t}
	if now := at("web", "80/tcp"); now != web {
		t.Errorf("after a restart at %s, not %s", now, web)
	}
	if got := ask(web, "again"); got != "AGAIN" {
		t.Errorf("after a restart: %q", got)
	}
	if p := s.endpoint("web", "gnet"); p.IPAddress != address {
		t.Errorf("another address after a restart: %+v", p)
	}
	if in, err := s.NetworkInspect(s.Ctx(), "gnet", ""); err != nil || in.Containers[id].Name != "web" {
		t.Errorf("network after a restart: %+v, %v", in, err)
	}
	s.stop("web")
	if got := ask(web, "x"); !strings.Contains(got, "refused") {
		t.Errorf("of one that has stopped: %q", got)
	}
	in, err := s.ContainerInspect(s.Ctx(), "web", false)
	if err != nil || len(in.NetworkSettings.Ports) != 0 {
		t.Errorf("ports of one that has stopped: %v, %v", in.NetworkSettings.Ports, err)
	}
}

// TestPublishAll gives each exposed port one of this machine, the same for both kinds of addresses.
func TestPublishAll(t *testing.T) {
	s := openLAN(t)
	created, err := s.ContainerCreate(s.Ctx(), runtime.CreateOptions{
		Name:       "c",
		Config:     &container.Config{Image: image.BaseName, Cmd: []string{"sleep", "1000"}, ExposedPorts: network.PortSet{network.MustParsePort("80"): {}, network.MustParsePort("81"): {}}},
		HostConfig: &container.HostConfig{PublishAllPorts: true},
	})
	if err != nil || len(created.Warnings) != 0 {
		t.Fatal(created, err)
	}
	s.Start("c")
	in, err := s.ContainerInspect(s.Ctx(), "c", false)
	if err != nil || len(in.NetworkSettings.Ports) != 2 {
		t.Fatalf("%v, %v", in.NetworkSettings.Ports, err)
	}
	for port, bindings := range in.NetworkSettings.Ports {
		if len(bindings) == 0 || bindings[0].HostIP.String() != "0.0.0.0" || bindings[0].HostPort == "0" ||
			len(bindings) == 2 && (bindings[1].HostIP.String() != "::" || bindings[1].HostPort != bindings[0].HostPort) {
			t.Errorf("%s: %v", port, bindings)
		}
	}
	s.run("exposed", nil, "", "sleep", "1000")
}

// TestNetworkBreaks holds that connections are reset when an agent's stream ends, and new ones made over the next.
func TestNetworkBreaks(t *testing.T) {
	dir, machine := t.TempDir(), runtimetest.NewFake(t)
	s := lan{runtimetest.Open(t, dir, machine.Backend(t)), t}
	loopback := netip.MustParseAddr("127.0.0.1")
	ports := network.PortMap{network.MustParsePort("80/tcp"): {{HostIP: loopback}}}
	s.runWith("web", nil, container.HostConfig{PortBindings: ports}, "listen", "tcp", "80")
	in, err := s.ContainerInspect(s.Ctx(), "web", false)
	if err != nil {
		t.Fatal(err)
	}
	address := "127.0.0.1:" + in.NetworkSettings.Ports[network.MustParsePort("80/tcp")][0].HostPort
	open := func() net.Conn {
		c, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		return c
	}
	c := open()
	payload := strings.Repeat("x", 1<<20)
	if _, err := io.WriteString(c, payload); err != nil { // it is under way, so the connection into the container is there
		t.Fatal(err)
	}
	machine.BreakNetworks()
	if _, err := io.ReadAll(c); err == nil {
		t.Error("a connection that was cut ends as if all had come")
	}
	c = open()
	io.WriteString(c, payload)
	c.(*net.TCPConn).CloseWrite()
	got, err := io.ReadAll(c)
	if err != nil || sha256.Sum256(got) != sha256.Sum256([]byte(strings.ToUpper(payload))) {
		t.Errorf("over the next stream: %d bytes, %v", len(got), err)
	}
}
