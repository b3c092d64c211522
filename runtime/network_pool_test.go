package runtime

import (
	"math/rand/v2"
	"net/netip"
	"testing"

	"github.com/containerd/errdefs"
)

// TestSubnets holds that no two subnets of the pools overlap, and that one that is given back is given out again.
func TestSubnets(t *testing.T) {
	var taken []netip.Prefix
	for {
		subnet, err := freeSubnet(taken)
		if err != nil {
			if !errdefs.IsInvalidArgument(err) {
				t.Error(err)
			}
			break
		}
		if overlaps(subnet, taken) {
			t.Fatalf("%s overlaps one of %v", subnet, taken)
		}
		taken = append(taken, subnet)
	}
	if len(taken) != 31 {
		t.Errorf("%d subnets, as dockerd has 31: %v", len(taken), taken)
	}
	if taken[0].String() != "172.17.0.0/16" || taken[1].String() != "172.18.0.0/16" || taken[30].String() != "192.168.240.0/20" {
		t.Errorf("%v", taken)
	}
	freed := taken[7]
	taken = append(taken[:7], taken[8:]...)
	if got, err := freeSubnet(taken); err != nil || got != freed {
		t.Errorf("%v is free and %v is given, %v", freed, got, err)
	}
	// A large subnet of somebody's own hides several.
	if got, err := freeSubnet([]netip.Prefix{netip.MustParsePrefix("172.16.0.0/12")}); err != nil || got.String() != "192.168.0.0/20" {
		t.Errorf("%v, %v", got, err)
	}
}

// TestAddresses takes and frees addresses in any order: none is given twice, all of the subnet are given, all freed come back.
func TestAddresses(t *testing.T) {
	for seed := range uint64(20) {
		random := rand.New(rand.NewPCG(seed, 1))
		subnet := netip.PrefixFrom(netip.MustParseAddr("10.1.0.0"), 24+random.IntN(6))
		gateway := address(number(subnet.Addr()) + 1)
		var within netip.Prefix
		size := 1<<(32-subnet.Bits()) - 3
		if seed%3 == 1 {
			within = netip.PrefixFrom(subnet.Addr(), subnet.Bits()+1)
			size = 1<<(32-within.Bits()) - 2
		}
		p := newAddressPool(subnet, within, gateway)
		held := map[netip.Addr]bool{}
		for range 2000 {
			switch {
			case random.IntN(3) > 0:
				a, err := p.take(netip.Addr{})
				if err != nil {
					if !errdefs.IsUnavailable(err) || len(held) < size {
						t.Fatalf("seed %d: %v with %d of %d taken", seed, err, len(held), size)
					}
					continue
				}
				if held[a] || !p.within.Contains(a) || a == gateway || a == subnet.Addr() || a == last(subnet) {
					t.Fatalf("seed %d: %s is given", seed, a)
				}
				held[a] = true
			case random.IntN(2) == 0:
				want := address(number(subnet.Addr()) + uint32(random.IntN(1<<(32-subnet.Bits()))))
				_, err := p.take(want)
				if (err == nil) == (held[want] || want == gateway || want == subnet.Addr() || want == last(subnet)) {
					t.Fatalf("seed %d: %s: %v", seed, want, err)
				}
				held[want] = held[want] || err == nil
				if err != nil && !held[want] {
					delete(held, want)
				}
			default:
				for a := range held {
					p.free(a)
					delete(held, a)
					break
				}
			}
		}
		for a := range held {
			p.free(a)
		}
		for i := range size {
			if _, err := p.take(netip.Addr{}); err != nil {
				t.Fatalf("seed %d: after all are freed, %d of %d: %v", seed, i, size, err)
			}
		}
		if _, err := p.take(netip.MustParseAddr("10.2.0.1")); !errdefs.IsInvalidArgument(err) {
			t.Errorf("of another subnet: %v", err)
		}
	}
}
