package reach

import (
	"encoding/binary"
	"fmt"
	"io"
)

// The first stream of a WebSocket is about tokens: the server sends one as uint16 length and text, the agent keeps it
// for its next connection and answers with one byte. From then on only that token is good.

const (
	maxToken  = 4 << 10
	tokenKept = 1
)

func sendToken(s io.ReadWriter, token string) error {
	if _, err := s.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(token))), token...)); err != nil {
		return fmt.Errorf("send token: %w", err)
	}
	var answer [1]byte
	if _, err := io.ReadFull(s, answer[:]); err != nil {
		return fmt.Errorf("wait for the token to be kept: %w", err)
	}
	if answer[0] != tokenKept {
		return fmt.Errorf("the agent answers %d to a token", answer[0])
	}
	return nil
}

func receiveToken(s io.ReadWriter, keep func(token string)) error {
	var size [2]byte
	if _, err := io.ReadFull(s, size[:]); err != nil {
		return err
	}
	n := int(binary.BigEndian.Uint16(size[:]))
	if n > maxToken {
		return fmt.Errorf("token of %d bytes", n)
	}
	token := make([]byte, n)
	if _, err := io.ReadFull(s, token); err != nil {
		return err
	}
	keep(string(token))
	_, err := s.Write([]byte{tokenKept})
	return err
}
