package agent

import (
	"strings"

	"github.com/sockerless/sockerless/agent/agentpb"
)

// HostsFile is /etc/hosts of a container, as Docker writes it: a line for each of its addresses.
func HostsFile(c *agentpb.Container) string {
	var b strings.Builder
	b.WriteString("127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n" +
		"fe00::\tip6-localnet\nff00::\tip6-mcastprefix\nff02::1\tip6-allnodes\nff02::2\tip6-allrouters\n")
	for _, e := range c.GetExtraHosts() {
		if name, address, ok := strings.Cut(e, ":"); ok {
			b.WriteString(strings.Trim(address, "[]") + "\t" + name + "\n")
		}
	}
	name := c.GetHostname()
	if name == "" {
		return b.String()
	}
	if domain := c.GetDomainname(); domain != "" {
		name = name + "." + domain + " " + name
	}
	own := []string{"127.0.0.1"}
	for i, e := range c.GetEndpoints() {
		if i == 0 {
			own = nil
		}
		own = append(own, e.GetAddress())
	}
	for _, address := range own {
		b.WriteString(address + "\t" + name + "\n")
	}
	return b.String()
}

// Nameserver is where the agent of a container answers for the names of its networks, as Docker has it.
const Nameserver = "127.0.0.11"

// ResolvFile is /etc/resolv.conf of a container.
func ResolvFile(c *agentpb.Container) string {
	var b strings.Builder
	servers := c.GetDns()
	if len(c.GetEndpoints()) > 0 {
		servers = []string{Nameserver} // which asks those
	}
	for _, server := range servers {
		b.WriteString("nameserver " + server + "\n")
	}
	if search := c.GetDnsSearch(); len(search) > 0 {
		b.WriteString("search " + strings.Join(search, " ") + "\n")
	}
	if len(c.GetEndpoints()) > 0 {
		b.WriteString("options ndots:0\n")
	}
	return b.String()
}
