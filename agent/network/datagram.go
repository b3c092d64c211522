package network

import (
	"encoding/binary"
	"io"
	"strings"
)

// longest is how long a datagram may be, in bytes.
const longest = 1<<16 - 1

func isDatagram(network string) bool { return strings.HasPrefix(network, "udp") }

// datagrams is a connection that keeps the bounds of what is written: each Write is a datagram, each Read is one, cut to
// what fits, as a socket's are.
type datagrams struct{ *conn }

func (d datagrams) Write(p []byte) (int, error) {
	if len(p) > longest {
		return 0, NewError(Invalid, "a datagram of %d bytes: the most is %d", len(p), longest)
	}
	if _, err := d.conn.Write(append(binary.BigEndian.AppendUint16(make([]byte, 0, 2+len(p)), uint16(len(p))), p...)); err != nil {
		return 0, err
	}
	return len(p), nil
}

func (d datagrams) Read(p []byte) (int, error) {
	d.packets.Lock()
	defer d.packets.Unlock()
	// A deadline may come in the middle of a datagram: what is there of it stays for the next Read.
	for {
		if n := len(d.packet); n >= 2 {
			if length := int(binary.BigEndian.Uint16(d.packet)); n == 2+length {
				n := copy(p, d.packet[2:])
				d.packet = d.packet[:0]
				return n, nil
			}
		}
		want := 2 - len(d.packet)
		if want <= 0 {
			want = 2 + int(binary.BigEndian.Uint16(d.packet)) - len(d.packet)
		}
		have := len(d.packet)
		d.packet = append(d.packet, make([]byte, want)...)
		n, err := d.conn.Read(d.packet[have:])
		d.packet = d.packet[:have+n]
		if err == io.EOF && len(d.packet) > 0 {
			err = errReset()
		}
		if err != nil && Classify(err).Code == Reset { // there are no resets of datagrams: who is not there any more refuses them
			err = NewError(Refused, "connection refused")
		}
		if err != nil {
			return 0, err
		}
	}
}

// CloseWrite closes both directions: a datagram's sender has no end of its own.
func (d datagrams) CloseWrite() error { return d.Close() }
