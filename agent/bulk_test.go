package agent

import (
	"bytes"
	"testing"

	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/proto"

	"github.com/sockerless/sockerless/agent/agentpb"
)

// pieces cuts bytes as a connection may.
func pieces(b []byte, size int) (list mem.BufferSlice) {
	for len(b) > size {
		list, b = append(list, mem.SliceBuffer(b[:size])), b[size:]
	}
	return append(list, mem.SliceBuffer(b))
}

func pooled(s string) mem.Buffer {
	b := buffers.Get(len(s))
	copy(*b, s)
	return mem.NewBuffer(b, buffers)
}

// What the codec writes protobuf reads, and the other way round.
func TestBulkIsProtobuf(t *testing.T) {
	c := newCodec()
	for _, text := range []string{"", "a", string(bytes.Repeat([]byte("0123456789"), 10_000))} {
		want := &agentpb.AttachOutput{Output: &agentpb.AttachOutput_Data{Data: &agentpb.Output{
			Offset: 1 << 40, Time: -5, Stream: 2, Data: []byte(text),
		}}}
		sent, err := c.Marshal(&bulkOutput{offset: 1 << 40, time: -5, stream: 2, data: pooled(text)})
		if err != nil {
			t.Fatal(err)
		}
		got := new(agentpb.AttachOutput)
		if err := proto.Unmarshal(sent.Materialize(), got); err != nil || !bytes.Equal(got.GetData().GetData(), []byte(text)) ||
			got.GetData().GetOffset() != 1<<40 || got.GetData().GetTime() != -5 || got.GetData().GetStream() != 2 {
			t.Errorf("output of %d bytes: %v", len(text), err)
		}
		wire, err := proto.Marshal(want)
		if err != nil {
			t.Fatal(err)
		}
		var in receivedOutput
		for range 2 { // the second in place of the first
			if err := c.Unmarshal(pieces(wire, 1000), &in); err != nil || !proto.Equal(&in.message, want) {
				t.Errorf("received output of %d bytes differs: %v", len(text), err)
			}
		}

		sent, err = c.Marshal(&bulkInput{pooled(text)})
		if err != nil {
			t.Fatal(err)
		}
		var stdin receivedInput
		if err := c.Unmarshal(pieces(sent.Materialize(), 700), &stdin); err != nil || string(stdin.message.GetStdin()) != text {
			t.Errorf("input of %d bytes differs: %v", len(text), err)
		}
		stdin.release()
	}
}

// Messages without bulk data are protobuf's, also behind one with it.
func TestBulkLeavesOtherMessages(t *testing.T) {
	c := newCodec()
	var out receivedOutput
	for _, want := range []*agentpb.AttachOutput{
		{Output: &agentpb.AttachOutput_Started{Started: &agentpb.Started{Pid: 7}}},
		{Output: &agentpb.AttachOutput_Data{Data: &agentpb.Output{Stream: 1, Data: []byte("x")}}},
		{Output: &agentpb.AttachOutput_Exit{Exit: &agentpb.Exit{Code: 3}}},
	} {
		data, err := c.Marshal(want)
		if err == nil {
			err = c.Unmarshal(data, &out)
		}
		if err != nil || !proto.Equal(&out.message, want) {
			t.Errorf("%v arrives as %v, %v", want, &out.message, err)
		}
	}
	for _, broken := range []string{"\x12", "\x12\x05a", "\x12\x02\x22\x09", "\x0a\x7f"} {
		if err := c.Unmarshal(mem.BufferSlice{mem.SliceBuffer(broken)}, &out); err == nil {
			t.Errorf("%q is no error", broken)
		}
	}
}

// Small writes share a buffer; what follows a full one, or is of the other stream, begins another.
func TestUnreadOutputIsPutTogether(t *testing.T) {
	task := newTask(&agentpb.Process{})
	for _, w := range []struct {
		stream uint8
		text   string
	}{{1, "a"}, {1, "b"}, {2, "e"}, {1, "c"}} {
		if _, err := task.WriteStream(t.Context(), w.stream, []byte(w.text)); err != nil {
			t.Fatal(err)
		}
	}
	output, _, err := task.take(t.Context())
	if err != nil || len(output) != 3 || string(*output[0].data) != "ab" || output[1].stream != 2 || string(*output[2].data) != "c" {
		t.Errorf("%d pieces, %v", len(output), err)
	}
	large := bytes.Repeat([]byte("0123456789abcdef"), chunk/16)
	if _, err := task.WriteStream(t.Context(), 1, []byte("first")); err != nil {
		t.Fatal(err)
	}
	if _, err := task.WriteStream(t.Context(), 1, large); err != nil {
		t.Fatal(err)
	}
	output, _, err = task.take(t.Context())
	var all []byte
	for _, o := range output {
		all = append(all, *o.data...)
	}
	if err != nil || string(all) != "first"+string(large) {
		t.Errorf("%d bytes, %v", len(all), err)
	}
}
