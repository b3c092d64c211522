package network_test

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"testing"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/sockerless/sockerless/agent/network"
)

func record(name string, body dnsmessage.ResourceBody, qtype dnsmessage.Type) dnsmessage.Resource {
	return dnsmessage.Resource{Header: dnsmessage.ResourceHeader{Name: dnsmessage.MustNewName(name + "."), Type: qtype, Class: dnsmessage.ClassINET, TTL: 600}, Body: body}
}

// TestDNS asks as programs do, through the mux.
func TestDNS(t *testing.T) {
	many := []dnsmessage.Resource{}
	for i := range 100 {
		many = append(many, record("many", &dnsmessage.AResource{A: [4]byte{10, 0, 0, byte(i)}}, dnsmessage.TypeA))
	}
	agent, _, _ := pair(t, &world{}, &world{records: map[string][]dnsmessage.Resource{
		"db": {record("db", &dnsmessage.AResource{A: [4]byte{172, 18, 0, 2}}, dnsmessage.TypeA)},
		"six": {record("six", &dnsmessage.AResource{A: [4]byte{172, 18, 0, 3}}, dnsmessage.TypeA),
			record("six", &dnsmessage.AAAAResource{AAAA: netip.MustParseAddr("fd00::3").As16()}, dnsmessage.TypeAAAA)},
		"2.0.18.172.in-addr.arpa": {record("2.0.18.172.in-addr.arpa", &dnsmessage.PTRResource{PTR: dnsmessage.MustNewName("db.mine.")}, dnsmessage.TypePTR)},
		"many":                    many,
	}})
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", pc.LocalAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	dns := network.NewDNS(agent, "c")
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 2)
	go func() { served <- dns.ServePacket(ctx, pc) }()
	go func() { served <- dns.Serve(ctx, l) }()
	defer func() {
		cancel()
		for range 2 {
			if err := <-served; err != nil {
				t.Error(err)
			}
		}
	}()
	var d net.Dialer
	r := &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, proto, _ string) (net.Conn, error) {
		return d.DialContext(ctx, proto, pc.LocalAddr().String())
	}}
	for _, test := range []struct {
		name, proto string
		want        []string
	}{
		{"db.", "ip", []string{"172.18.0.2"}},
		{"six.", "ip", []string{"172.18.0.3", "fd00::3"}},
		{"db.", "ip4", []string{"172.18.0.2"}},
	} {
		addrs, err := r.LookupNetIP(t.Context(), test.proto, test.name)
		var got []string
		for _, a := range addrs {
			got = append(got, a.Unmap().String())
		}
		slices.Sort(got)
		if err != nil || !slices.Equal(got, test.want) {
			t.Errorf("%s: %v, %v; not %v", test.name, got, err, test.want)
		}
	}
	if names, err := r.LookupAddr(t.Context(), "172.18.0.2"); err != nil || !slices.Equal(names, []string{"db.mine."}) {
		t.Errorf("PTR: %v, %v", names, err)
	}
	if addrs, err := r.LookupNetIP(t.Context(), "ip4", "many."); err != nil || len(addrs) != 100 {
		t.Errorf("more than fits in a datagram: %d addresses, %v", len(addrs), err)
	}
	var name *net.DNSError
	if _, err := r.LookupNetIP(t.Context(), "ip", "nobody."); !errors.As(err, &name) || !name.IsNotFound {
		t.Errorf("no such name: %v", err)
	}
	if _, err := r.LookupNetIP(t.Context(), "ip", "broken."); !errors.As(err, &name) || name.IsNotFound || !name.IsTemporary {
		t.Errorf("a server that fails: %v", err)
	}
	if got, err := network.Lookup(t.Context(), agent, "c", "six"); err != nil || len(got) != 2 {
		t.Errorf("Lookup: %v, %v", got, err)
	}
	query := dnsmessage.Message{Header: dnsmessage.Header{ID: 7}, Questions: []dnsmessage.Question{{
		Name: dnsmessage.MustNewName("db."), Type: dnsmessage.TypeAAAA, Class: dnsmessage.ClassINET}}}
	packed, err := query.Pack()
	if err != nil {
		t.Fatal(err)
	}
	var answer dnsmessage.Message
	if err := answer.Unpack(dns.Answer(t.Context(), packed, false)); err != nil {
		t.Fatal(err)
	}
	if answer.RCode != dnsmessage.RCodeSuccess || len(answer.Answers) != 0 || answer.ID != 7 || !answer.Response {
		t.Errorf("a name without such a record: %+v", answer)
	}
	if got := dns.Answer(t.Context(), []byte("garbage"), false); got != nil {
		t.Errorf("garbage is answered: %x", got)
	}
}
