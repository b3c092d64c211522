package agent

import (
	"context"
	"fmt"
	"runtime/debug"

	"github.com/containerd/errdefs"
	"google.golang.org/grpc"
)

// A panic in one call must not end an agent with all its containers: it becomes the error of that call, with the stack.
func recovered(method string, err *error) {
	if p := recover(); p != nil {
		*err = toStatus(errdefs.ErrInternal.WithMessage(fmt.Sprintf("%s: panic: %v\n%s", method, p, debug.Stack())))
	}
}

func recoverCall(ctx context.Context, request any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (reply any, err error) {
	defer recovered(info.FullMethod, &err)
	return handler(ctx, request)
}

func recoverStream(server any, stream grpc.ServerStream, info *grpc.StreamServerInfo, handler grpc.StreamHandler) (err error) {
	defer recovered(info.FullMethod, &err)
	return handler(server, stream)
}
