//go:build linux

package native

import (
	"bytes"
	"net/netip"
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/sockerless/sockerless/agent/netdev"
)

// TestTun takes the program's descriptor and reads what the container sends.
func TestTun(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Fatal("needs root, to take a descriptor of another process")
	}
	s := spec(t, image(t), `ip -o addr show dev eth0 scope global | grep -o 'inet6\? [0-9a-f.:/]*'; ip route; ip -6 route | grep default; cat /sys/class/net/eth0/mtu; ping -c 1000 192.0.2.9`)
	s.Tun = &netdev.Config{
		Name: "eth0", MTU: 1400, Addresses: []netip.Prefix{netip.MustParsePrefix("10.88.0.2/16"), netip.MustParsePrefix("fd00::2/64")},
		Gateways: []netip.Addr{netip.MustParseAddr("10.88.0.1"), netip.MustParseAddr("fd00::1")},
	}
	c, err := Start(t.Context(), config(t), s)
	must(t, err)
	defer c.Close()
	raw, err := c.pidfd.SyscallConn()
	must(t, err)
	var fd int
	must(t, raw.Control(func(pidfd uintptr) { fd, err = unix.PidfdGetfd(int(pidfd), Device, 0) }))
	must(t, err)
	tun := os.NewFile(uintptr(fd), "tun")
	defer tun.Close()
	packet := make([]byte, 2000)
	const header = 10 // virtio_net_hdr
	for {
		n, err := tun.Read(packet)
		must(t, err)
		packet, n := packet[header:], n-header
		if packet[0]>>4 == 4 && n > 20 && bytes.Equal(packet[12:20], []byte{10, 88, 0, 2, 192, 0, 2, 9}) {
			break
		}
	}
	want := "inet 10.88.0.2/16\ninet6 fd00::2/64\ndefault via 10.88.0.1 dev eth0 \n10.88.0.0/16 dev eth0 scope link  src 10.88.0.2 \n" +
		"default via fd00::1 dev eth0  metric 1024 \n1400\n"
	got := logOf(t, s)
	if i := bytes.Index([]byte(got), []byte("PING")); i >= 0 {
		got = got[:i]
	}
	if got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
