package agent

import (
	"fmt"
	"sync"

	"google.golang.org/grpc/encoding"
	_ "google.golang.org/grpc/encoding/proto" // the codec that bulk data goes past
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/sockerless/sockerless/agent/agentpb"
)

// Numbers of fields in agent.proto that carry bulk data.
const (
	inputStdin   protowire.Number = 2 // of AttachInput
	outputData   protowire.Number = 2 // of AttachOutput
	outputOffset protowire.Number = 1 // of Output
	outputTime   protowire.Number = 2
	outputStream protowire.Number = 3
	outputBytes  protowire.Number = 4
)

// codec is protobuf's, but for the messages of an attached stream: the bytes of standard streams go from the buffer that
// they were read into to the connection, and from one buffer of the connection to who reads them. The wire is the same,
// so that the other end may have protobuf's codec.
type codec struct{ encoding.CodecV2 }

func newCodec() codec { return codec{encoding.GetCodecV2("proto")} }

func (c codec) Marshal(v any) (mem.BufferSlice, error) {
	switch m := v.(type) {
	case *bulkOutput:
		return m.marshal(), nil
	case *bulkInput:
		head := protowire.AppendTag(nil, inputStdin, protowire.BytesType)
		head = protowire.AppendVarint(head, uint64(m.data.Len()))
		return mem.BufferSlice{mem.SliceBuffer(head), m.data}, nil
	}
	return c.CodecV2.Marshal(v)
}

func (c codec) Unmarshal(data mem.BufferSlice, v any) error {
	switch m := v.(type) {
	case *receivedOutput:
		return m.unmarshal(data)
	case *receivedInput:
		return m.unmarshal(data)
	}
	return c.CodecV2.Unmarshal(data, v)
}

// bulkOutput is an AttachOutput with data. Sending it gives its buffer away.
type bulkOutput struct {
	offset, time int64
	stream       uint8
	data         mem.Buffer
}

func (m *bulkOutput) marshal() mem.BufferSlice {
	inner := make([]byte, 0, 48)
	inner = protowire.AppendTag(inner, outputOffset, protowire.VarintType)
	inner = protowire.AppendVarint(inner, uint64(m.offset))
	inner = protowire.AppendTag(inner, outputTime, protowire.VarintType)
	inner = protowire.AppendVarint(inner, uint64(m.time))
	inner = protowire.AppendTag(inner, outputStream, protowire.VarintType)
	inner = protowire.AppendVarint(inner, uint64(m.stream))
	inner = protowire.AppendTag(inner, outputBytes, protowire.BytesType)
	length := m.data.Len()
	inner = protowire.AppendVarint(inner, uint64(length))
	head := make([]byte, 0, 64)
	head = protowire.AppendTag(head, outputData, protowire.BytesType)
	head = protowire.AppendVarint(head, uint64(len(inner)+length))
	return mem.BufferSlice{mem.SliceBuffer(append(head, inner...)), m.data}
}

// bulkInput is an AttachInput with standard input. Sending it gives its buffer away.
type bulkInput struct{ data mem.Buffer }

// received is a message whose bytes are those of the connection's buffer: it is valid until the next one is received.
type received struct{ buffer mem.Buffer }

// take holds the bytes of a message, in one piece, in place of those of the last one.
func (r *received) take(data mem.BufferSlice) []byte {
	r.release()
	r.buffer = data.MaterializeToBuffer(buffers)
	return r.buffer.ReadOnlyData()
}

func (r *received) release() {
	if r.buffer != nil {
		r.buffer.Free()
		r.buffer = nil
	}
}

// receivedOutput is an AttachOutput.
type receivedOutput struct {
	received
	message agentpb.AttachOutput
	data    agentpb.AttachOutput_Data
	output  agentpb.Output
}

func (m *receivedOutput) unmarshal(data mem.BufferSlice) error {
	b := m.take(data)
	inner, ok := onlyField(b, outputData)
	if !ok {
		defer m.release() // protobuf copies
		return proto.Unmarshal(b, &m.message)
	}
	out := &m.output
	out.Offset, out.Time, out.Stream, out.Data = 0, 0, 0, nil
	for len(inner) > 0 {
		number, kind, n := protowire.ConsumeTag(inner)
		if n < 0 {
			return fmt.Errorf("output: %w", protowire.ParseError(n))
		}
		inner = inner[n:]
		var value uint64
		switch {
		case kind == protowire.VarintType && number <= outputStream:
			value, n = protowire.ConsumeVarint(inner)
		case kind == protowire.BytesType && number == outputBytes:
			out.Data, n = protowire.ConsumeBytes(inner)
		default: // of a newer agent
			n = protowire.ConsumeFieldValue(number, kind, inner)
		}
		if n < 0 {
			return fmt.Errorf("output: %w", protowire.ParseError(n))
		}
		inner = inner[n:]
		switch number {
		case outputOffset:
			out.Offset = int64(value)
		case outputTime:
			out.Time = int64(value)
		case outputStream:
			out.Stream = uint32(value)
		}
	}
	m.data.Data = out
	m.message.Output = &m.data
	return nil
}

// receivedInput is an AttachInput.
type receivedInput struct {
	received
	message agentpb.AttachInput
	stdin   agentpb.AttachInput_Stdin
}

func (m *receivedInput) unmarshal(data mem.BufferSlice) error {
	b := m.take(data)
	stdin, ok := onlyField(b, inputStdin)
	if !ok {
		defer m.release() // protobuf copies
		return proto.Unmarshal(b, &m.message)
	}
	m.stdin.Stdin = stdin
	m.message.Input = &m.stdin
	return nil
}

// onlyField returns the bytes of a message's field if there is no other one.
func onlyField(b []byte, number protowire.Number) ([]byte, bool) {
	got, kind, n := protowire.ConsumeTag(b)
	if n < 0 || got != number || kind != protowire.BytesType {
		return nil, false
	}
	value, m := protowire.ConsumeBytes(b[n:])
	return value, m >= 0 && n+m == len(b)
}

// buffers hold bulk data, up to a message's worth; unlike gRPC's own they are not cleared.
var buffers mem.BufferPool = &bufferPool{}

// Sizes of buffers: of a few lines, and of bulk data with its head.
const (
	smallBuffer = 4 << 10
	largeBuffer = chunk + 64
)

type bufferPool struct{ small, large sync.Pool }

// Get returns a buffer of this length, whatever it held before.
func (p *bufferPool) Get(length int) *[]byte {
	pool, size := &p.small, smallBuffer
	switch {
	case length > largeBuffer:
		b := make([]byte, length)
		return &b
	case length > smallBuffer:
		pool, size = &p.large, largeBuffer
	}
	if b, ok := pool.Get().(*[]byte); ok {
		*b = (*b)[:length]
		return b
	}
	b := make([]byte, length, size)
	return &b
}

// Put takes a buffer back.
func (p *bufferPool) Put(b *[]byte) {
	switch cap(*b) {
	case smallBuffer:
		p.small.Put(b)
	case largeBuffer:
		p.large.Put(b)
	}
}
