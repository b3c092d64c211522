package network

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"sync"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// The time that a question may take, and that a connection for questions may be idle.
const (
	answerWithin = 20 * time.Second
	idleDNS      = 30 * time.Second
)

// DNS is a name server for a container: what it is asked it asks of an Outgoing.
type DNS struct {
	out       Outgoing
	container string
}

// NewDNS makes the name server of a container.
func NewDNS(out Outgoing, container string) *DNS { return &DNS{out: out, container: container} }

// ServePacket answers the questions that come to c, until c is closed or ctx ends, which closes it.
func (d *DNS) ServePacket(ctx context.Context, c net.PacketConn) error {
	ctx, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(ctx, func() { c.Close() }) //nolint:errcheck // nobody to tell
	defer stop()
	var answering sync.WaitGroup
	defer answering.Wait()
	defer cancel()
	buffer := make([]byte, longest)
	for {
		n, from, err := c.ReadFrom(buffer)
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil {
			return err
		}
		question := append([]byte(nil), buffer[:n]...)
		answering.Go(func() {
			if answer := d.Answer(ctx, question, false); answer != nil {
				c.WriteTo(answer, from) //nolint:errcheck // it is asked again
			}
		})
	}
}

// Serve answers the questions on l's connections, until l is closed or ctx ends, which closes it.
func (d *DNS) Serve(ctx context.Context, l net.Listener) error {
	ctx, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(ctx, func() { l.Close() }) //nolint:errcheck // nobody to tell
	defer stop()
	var serving sync.WaitGroup
	defer serving.Wait()
	defer cancel()
	for {
		c, err := l.Accept()
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil {
			return err
		}
		serving.Go(func() { d.ServeConn(ctx, c) })
	}
}

// ServeConn answers the questions on a connection that is no packets': each question and answer is behind its length in
// two bytes. It closes c.
func (d *DNS) ServeConn(ctx context.Context, c net.Conn) {
	defer c.Close()                                      //nolint:errcheck // all is answered
	stop := context.AfterFunc(ctx, func() { c.Close() }) //nolint:errcheck // nobody to tell
	defer stop()
	for {
		c.SetReadDeadline(time.Now().Add(idleDNS)) //nolint:errcheck // the Read says so
		var length [2]byte
		if _, err := io.ReadFull(c, length[:]); err != nil {
			return
		}
		question := make([]byte, binary.BigEndian.Uint16(length[:]))
		if _, err := io.ReadFull(c, question); err != nil {
			return
		}
		answer := d.Answer(ctx, question, true)
		if answer == nil {
			return
		}
		if _, err := c.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(answer))), answer...)); err != nil {
			return
		}
	}
}

// Answer is the answer to a message; nil where that is none that can be answered. stream tells that an answer may be of
// any length, else it is cut to what who asks can take, and says that it is.
func (d *DNS) Answer(ctx context.Context, message []byte, stream bool) []byte {
	var p dnsmessage.Parser
	header, err := p.Start(message)
	if err != nil || header.Response {
		return nil
	}
	answer := dnsmessage.Message{Header: dnsmessage.Header{
		ID: header.ID, Response: true, OpCode: header.OpCode, RecursionDesired: header.RecursionDesired, RecursionAvailable: true,
	}}
	most := 512
	if questions, err := p.AllQuestions(); err != nil || len(questions) != 1 {
		answer.RCode = dnsmessage.RCodeFormatError
	} else {
		answer.Questions = questions
		if size := payload(&p); size > 0 {
			most = max(most, size)
			var opt dnsmessage.ResourceHeader
			if opt.SetEDNS0(1232, dnsmessage.RCodeSuccess, false) == nil {
				answer.Additionals = []dnsmessage.Resource{{Header: opt, Body: &dnsmessage.OPTResource{}}}
			}
		}
		if header.OpCode != 0 {
			answer.RCode = dnsmessage.RCodeNotImplemented
		} else {
			answer.Answers, answer.RCode = d.ask(ctx, questions[0])
		}
	}
	if stream {
		most = longest
	}
	packed, err := answer.Pack()
	if err == nil && len(packed) > most {
		answer.Answers, answer.Truncated = nil, true
		packed, err = answer.Pack()
	}
	if err != nil {
		answer.Answers, answer.Additionals, answer.RCode = nil, nil, dnsmessage.RCodeServerFailure
		if packed, err = answer.Pack(); err != nil {
			return nil
		}
	}
	return packed
}

// payload is how long an answer in a datagram may be as the question says; 0 where it does not. p is behind the question.
func payload(p *dnsmessage.Parser) int {
	if p.SkipAllAnswers() != nil || p.SkipAllAuthorities() != nil {
		return 0
	}
	for {
		h, err := p.AdditionalHeader()
		if err != nil {
			return 0
		}
		if h.Type == dnsmessage.TypeOPT {
			return int(h.Class)
		}
		if p.SkipAdditional() != nil {
			return 0
		}
	}
}

func (d *DNS) ask(ctx context.Context, q dnsmessage.Question) ([]dnsmessage.Resource, dnsmessage.RCode) {
	if q.Class != dnsmessage.ClassINET {
		return nil, dnsmessage.RCodeNotImplemented
	}
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	records, err := d.out.Resolve(ctx, d.container, q.Name.String(), q.Type)
	if err != nil {
		switch Classify(err).Code {
		case NotFound:
			return nil, dnsmessage.RCodeNameError
		case Denied:
			return nil, dnsmessage.RCodeRefused
		case Unsupported:
			return nil, dnsmessage.RCodeNotImplemented
		}
		return nil, dnsmessage.RCodeServerFailure
	}
	return records, dnsmessage.RCodeSuccess
}
