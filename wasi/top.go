package wasi

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/containerd/errdefs"

	"github.com/sockerless/sockerless/agent/agentpb"
	"github.com/sockerless/sockerless/builtins"
	"github.com/sockerless/sockerless/store/rootfs"
)

// Top runs ps over a container's processes, from outside, and takes its output apart as dockerd does.
func (c *Cell) Top(ctx context.Context, id string, args []string) (*agentpb.TopReply, error) {
	found, err := c.container(id)
	if err != nil {
		return nil, err
	}
	found.mu.RLock()
	defer found.mu.RUnlock()
	if !found.running.Load() {
		return nil, errdefs.ErrFailedPrecondition.WithMessage("container " + id + " is not running")
	}
	ps := builtins.Lookup("ps")
	if ps == nil {
		return nil, errdefs.ErrNotImplemented.WithMessage("the sandbox has no ps")
	}
	if len(args) == 0 {
		args = []string{"-ef"}
	}
	var out, failure bytes.Buffer
	status := ps(&builtins.Process{
		Context: ctx, Args: append([]string{"ps"}, args...), Env: []string{"COLUMNS=4096"},
		Files: found.tree.View(rootfs.Cred{}), Stdin: io.LimitReader(nil, 0), Stdout: &out, Stderr: &failure,
		System: &system{table: found.table},
	})
	if status != 0 {
		text, _, _ := strings.Cut(strings.TrimSpace(failure.String()), "\n")
		if text == "" {
			text = fmt.Sprintf("exit status %d", status)
		}
		return nil, errors.New("ps: " + strings.TrimPrefix(text, "ps: "))
	}
	return parsePS(out.String())
}

// parsePS splits ps's table: the last column has the rest of each line.
func parsePS(text string) (*agentpb.TopReply, error) {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	titles := strings.Fields(lines[0])
	if !slices.Contains(titles, "PID") {
		return nil, errdefs.ErrUnknown.WithMessage("Couldn't find PID field in ps output")
	}
	reply := &agentpb.TopReply{Titles: titles}
	for _, line := range lines[1:] {
		cells := strings.Fields(line)
		if len(cells) > len(titles) {
			last := strings.Join(cells[len(titles)-1:], " ")
			cells = append(cells[:len(titles)-1:len(titles)-1], last)
		}
		if len(cells) > 0 {
			reply.Processes = append(reply.Processes, &agentpb.TopReply_Row{Cells: cells})
		}
	}
	return reply, nil
}
