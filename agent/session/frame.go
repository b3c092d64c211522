package session

import (
	"encoding/binary"
	"fmt"

	"github.com/containerd/errdefs"
)

// The wire. The side that dials begins with a hello, the other one answers with a welcome; then both send frames.
// Numbers are big-endian.
//
//	hello    "sks" version, kind, 3 × 0, id [16], secret [32], attempt uint64, received uint64, window uint32
//	welcome  "sks" version, answer, 3 × 0, received uint64, window uint32
//	frame    kind uint8, length uint24, read uint64, then length bytes
//
// received is up to which offset of the stream the sender of the number has the bytes: from there on they are sent.
// read is up to which offset its user has read them: they need not be kept any more.

const version = 1

const (
	helloSize   = 4 + 4 + 16 + 32 + 8 + 8 + 4
	welcomeSize = 4 + 4 + 8 + 4
	headerSize  = 12
	maxPayload  = 256 << 10
)

// Kinds of a hello.
const (
	opening  = 0
	resuming = 1
)

// Answers of a welcome.
const (
	accepted = 0
	unknown  = 1 // no such session, or not this secret
	stale    = 2 // the peer has already seen a later attempt
)

// Kinds of a frame.
const (
	dataFrame  = 1
	ackFrame   = 2 // nothing but the number; also the heartbeat
	closeFrame = 3 // the sender has closed, and this was all
	byeFrame   = 4 // the answer to that
)

type hello struct {
	kind     byte
	id       [16]byte
	secret   [32]byte
	attempt  uint64 // grows with each connection of a session
	received uint64
	window   uint32
}

func (h *hello) encode() []byte {
	b := make([]byte, 0, helloSize)
	b = append(b, 's', 'k', 's', version, h.kind, 0, 0, 0)
	b = append(b, h.id[:]...)
	b = append(b, h.secret[:]...)
	b = binary.BigEndian.AppendUint64(b, h.attempt)
	b = binary.BigEndian.AppendUint64(b, h.received)
	return binary.BigEndian.AppendUint32(b, h.window)
}

func decodeHello(b *[helloSize]byte) (hello, error) {
	var h hello
	if err := checkMagic(b[:4]); err != nil {
		return h, err
	}
	if h.kind = b[4]; h.kind > resuming {
		return h, protocolError("greeting of kind %d", h.kind)
	}
	copy(h.id[:], b[8:24])
	copy(h.secret[:], b[24:56])
	h.attempt = binary.BigEndian.Uint64(b[56:])
	h.received = binary.BigEndian.Uint64(b[64:])
	h.window = binary.BigEndian.Uint32(b[72:])
	return h, checkWindow(h.window)
}

type welcome struct {
	answer   byte
	received uint64
	window   uint32
}

func (w *welcome) encode() []byte {
	b := make([]byte, 0, welcomeSize)
	b = append(b, 's', 'k', 's', version, w.answer, 0, 0, 0)
	b = binary.BigEndian.AppendUint64(b, w.received)
	return binary.BigEndian.AppendUint32(b, w.window)
}

func decodeWelcome(b *[welcomeSize]byte) (welcome, error) {
	var w welcome
	if err := checkMagic(b[:4]); err != nil {
		return w, err
	}
	if w.answer = b[4]; w.answer > stale {
		return w, protocolError("answer %d to a greeting", w.answer)
	}
	w.received = binary.BigEndian.Uint64(b[8:])
	w.window = binary.BigEndian.Uint32(b[16:])
	if w.answer != accepted {
		return w, nil
	}
	return w, checkWindow(w.window)
}

func checkMagic(b []byte) error {
	if string(b[:3]) != "sks" {
		return protocolError("the peer does not speak the session protocol")
	}
	if b[3] != version {
		return protocolError("the peer speaks version %d of the session protocol, this is version %d: "+
			"use the same release of server and agent", b[3], version)
	}
	return nil
}

func checkWindow(window uint32) error {
	if window < minWindow || window > maxWindow {
		return protocolError("window of %d bytes", window)
	}
	return nil
}

type header struct {
	kind   byte
	length int
	read   uint64
}

func (h header) encode(b *[headerSize]byte) {
	binary.BigEndian.PutUint32(b[:], uint32(h.length))
	b[0] = h.kind
	binary.BigEndian.PutUint64(b[4:], h.read)
}

func decodeHeader(b *[headerSize]byte) (header, error) {
	h := header{kind: b[0], length: int(binary.BigEndian.Uint32(b[:]) & 0xffffff), read: binary.BigEndian.Uint64(b[4:])}
	if h.kind < dataFrame || h.kind > byeFrame {
		return h, protocolError("frame of kind %d", h.kind)
	}
	if h.length > maxPayload || (h.length > 0) != (h.kind == dataFrame) {
		return h, protocolError("frame of kind %d with %d bytes", h.kind, h.length)
	}
	return h, nil
}

// protocolError is what a peer has done that no peer does: the session ends, since another connection would meet the
// same.
func protocolError(format string, args ...any) error {
	return fmt.Errorf("session: %s: %w", fmt.Sprintf(format, args...), errdefs.ErrDataLoss)
}
