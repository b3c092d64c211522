package runtime

import (
	"context"
	"net"
	"net/netip"
	"strings"

	"golang.org/x/net/dns/dnsmessage"

	netproto "github.com/sockerless/sockerless/agent/network"
)

// nameTTL is for how many seconds an answer holds, as in Docker.
const nameTTL = 600

// knownNames answers what the networks of these endpoints know; known is whether they know the name.
func (e *Engine) knownNames(endpoints []*endpoint, name string, qtype dnsmessage.Type) (records []dnsmessage.Resource, known bool) {
	n := e.nets
	n.mu.RLock()
	defer n.mu.RUnlock()
	plain := strings.ToLower(strings.TrimSuffix(name, "."))
	if at, ok := reverse(plain); ok {
		return e.pointer(endpoints, name, at, qtype)
	}
	var found []netip.Addr
	for _, p := range endpoints {
		bare := strings.TrimSuffix(plain, "."+strings.ToLower(p.lan.Name))
		for _, want := range []string{plain, bare} {
			for link := range p.links {
				if strings.EqualFold(link, want) {
					known = true
					if m := e.linked(p, link); m != nil {
						found = append(found, m.address)
					}
				}
			}
			if known || bare == plain {
				break
			}
		}
		if !p.lan.named() {
			continue
		}
		for _, m := range p.lan.members {
			if m.has(plain) || bare != plain && m.has(bare) {
				known = true
				found = append(found, m.address)
			}
		}
		if known {
			break // the first network that has it wins
		}
	}
	if !known {
		return nil, false
	}
	if qtype == dnsmessage.TypeA {
		for _, at := range shuffled(found) {
			records = append(records, resource(name, qtype, &dnsmessage.AResource{A: at.As4()}))
		}
	}
	return records, true
}

// has tells whether a name, in lower case, is one of an endpoint's.
func (p *endpoint) has(name string) bool {
	if strings.EqualFold(p.c.record().Name, name) || p.c.id[:12] == name || p.c.id == name {
		return true
	}
	for _, own := range p.names {
		if strings.EqualFold(own, name) {
			return true
		}
	}
	return false
}

// pointer answers whose an address is. An address of a network that is nobody's is known, too: the world must not be asked.
func (e *Engine) pointer(endpoints []*endpoint, name string, at netip.Addr, qtype dnsmessage.Type) (records []dnsmessage.Resource, known bool) {
	for _, p := range endpoints {
		if !p.lan.named() || !p.lan.subnet.Contains(at) {
			continue
		}
		for _, m := range p.lan.members {
			if m.address != at {
				continue
			}
			if qtype != dnsmessage.TypePTR {
				return nil, true
			}
			host, err := dnsmessage.NewName(m.c.record().Name + "." + p.lan.Name + ".")
			if err != nil {
				return nil, true // it is too long for DNS
			}
			return []dnsmessage.Resource{resource(name, qtype, &dnsmessage.PTRResource{PTR: host})}, true
		}
	}
	return nil, false
}

// reverse reads the name that stands for an IPv4 address.
func reverse(name string) (netip.Addr, bool) {
	digits, ok := strings.CutSuffix(name, ".in-addr.arpa")
	if !ok {
		return netip.Addr{}, false
	}
	parts := strings.Split(digits, ".")
	if len(parts) != 4 {
		return netip.Addr{}, false
	}
	at, err := netip.ParseAddr(parts[3] + "." + parts[2] + "." + parts[1] + "." + parts[0])
	return at, err == nil
}

// resource is a record. A name that DNS cannot have has none.
func resource(name string, qtype dnsmessage.Type, body dnsmessage.ResourceBody) dnsmessage.Resource {
	if !strings.HasSuffix(name, ".") {
		name += "."
	}
	n, err := dnsmessage.NewName(name)
	if err != nil {
		n = dnsmessage.MustNewName(".")
	}
	return dnsmessage.Resource{Header: dnsmessage.ResourceHeader{Name: n, Type: qtype, Class: dnsmessage.ClassINET, TTL: nameTTL}, Body: body}
}

// worldTTL is for how many seconds an answer of the world holds: the machine's resolver does not tell how long it does.
const worldTTL = 30

// askWorld asks a resolver of this machine.
func askWorld(ctx context.Context, r *net.Resolver, name string, qtype dnsmessage.Type) (records []dnsmessage.Resource, err error) {
	full := name // with its final dot: no search domains of this machine
	add := func(body dnsmessage.ResourceBody) {
		record := resource(full, qtype, body)
		record.Header.TTL = worldTTL
		records = append(records, record)
	}
	domain := func(s string) (dnsmessage.Name, bool) {
		n, err := dnsmessage.NewName(s)
		return n, err == nil
	}
	switch qtype {
	case dnsmessage.TypeA, dnsmessage.TypeAAAA:
		proto := "ip4"
		if qtype == dnsmessage.TypeAAAA {
			proto = "ip6"
		}
		addrs, err := r.LookupNetIP(ctx, proto, full)
		if err != nil {
			return nil, noData(ctx, r, full, err)
		}
		for _, a := range addrs {
			if a = a.Unmap(); a.Is4() && qtype == dnsmessage.TypeA {
				add(&dnsmessage.AResource{A: a.As4()})
			} else if a.Is6() && qtype == dnsmessage.TypeAAAA {
				add(&dnsmessage.AAAAResource{AAAA: a.As16()})
			}
		}
	case dnsmessage.TypePTR:
		at, ok := reverse(strings.ToLower(strings.TrimSuffix(name, ".")))
		if !ok {
			return nil, netproto.NewError(netproto.NotFound, "no such host")
		}
		names, err := r.LookupAddr(ctx, at.String())
		if err != nil {
			return nil, err
		}
		for _, s := range names {
			if n, ok := domain(s); ok {
				add(&dnsmessage.PTRResource{PTR: n})
			}
		}
	case dnsmessage.TypeCNAME:
		s, err := r.LookupCNAME(ctx, full)
		if err != nil {
			return nil, err
		}
		if n, ok := domain(s); ok && !strings.EqualFold(s, full) {
			add(&dnsmessage.CNAMEResource{CNAME: n})
		}
	case dnsmessage.TypeMX:
		list, err := r.LookupMX(ctx, full)
		if err != nil {
			return nil, err
		}
		for _, mx := range list {
			if n, ok := domain(mx.Host); ok {
				add(&dnsmessage.MXResource{Pref: mx.Pref, MX: n})
			}
		}
	case dnsmessage.TypeNS:
		list, err := r.LookupNS(ctx, full)
		if err != nil {
			return nil, err
		}
		for _, ns := range list {
			if n, ok := domain(ns.Host); ok {
				add(&dnsmessage.NSResource{NS: n})
			}
		}
	case dnsmessage.TypeTXT:
		list, err := r.LookupTXT(ctx, full)
		if err != nil {
			return nil, err
		}
		for _, s := range list {
			add(&dnsmessage.TXTResource{TXT: pieces(s)})
		}
	case dnsmessage.TypeSRV:
		_, list, err := r.LookupSRV(ctx, "", "", full)
		if err != nil {
			return nil, err
		}
		for _, srv := range list {
			if n, ok := domain(srv.Target); ok {
				add(&dnsmessage.SRVResource{Priority: srv.Priority, Weight: srv.Weight, Port: srv.Port, Target: n})
			}
		}
	default:
		return nil, netproto.NewError(netproto.Unsupported, "records of type %s are not looked up", qtype)
	}
	return records, nil
}

// noData is nil where a name that has no address of one kind has one of the other: it is there.
func noData(ctx context.Context, r *net.Resolver, name string, err error) error {
	if e := netproto.Classify(err); e.Code != netproto.NotFound {
		return e
	}
	if _, other := r.LookupNetIP(ctx, "ip", name); other == nil {
		return nil
	}
	return netproto.Classify(err)
}

// pieces cuts a text into what a record takes at once, in bytes.
func pieces(s string) []string {
	const most = 255
	var list []string
	for len(s) > most {
		list = append(list, s[:most])
		s = s[most:]
	}
	return append(list, s)
}
