package agent

import (
	"context"
	"errors"
	"io"

	"github.com/containerd/errdefs/pkg/errgrpc"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/sockerless/sockerless/agent/agentpb"
)

// toStatus is the form in which an error travels: its class as a gRPC code, a StartError with its exit code.
func toStatus(err error) error {
	var start *StartError
	if errors.As(err, &start) {
		s, detailErr := status.New(codes.FailedPrecondition, start.Message).WithDetails(
			&agentpb.StartFailure{Code: int32(start.Code), Message: start.Message, Native: start.Native})
		if detailErr == nil {
			return s.Err()
		}
	}
	if err == nil {
		return nil
	}
	if _, ok := status.FromError(err); ok {
		return err
	}
	return errgrpc.ToGRPC(err)
}

// unary and stream tell a call whose connection was closed under it from one that its caller has canceled.
func unary(ctx context.Context, method string, request, reply any, c *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
	return unlessCanceled(ctx, invoke(ctx, method, request, reply, c, opts...))
}

func stream(ctx context.Context, d *grpc.StreamDesc, c *grpc.ClientConn, method string, open grpc.Streamer, opts ...grpc.CallOption) (grpc.ClientStream, error) {
	s, err := open(ctx, d, c, method, opts...)
	return s, unlessCanceled(ctx, err)
}

func unlessCanceled(ctx context.Context, err error) error {
	if status.Code(err) == codes.Canceled && ctx.Err() == nil {
		return status.Error(codes.Unavailable, status.Convert(err).Message())
	}
	return err
}

// fromStatus is the reverse of toStatus. The end of a stream, io.EOF, stays what it is.
func fromStatus(err error) error {
	if err == nil || errors.Is(err, io.EOF) {
		return err
	}
	for _, detail := range status.Convert(err).Details() {
		if failure, ok := detail.(*agentpb.StartFailure); ok {
			return &StartError{Code: int(failure.GetCode()), Message: failure.GetMessage(), Native: failure.GetNative()}
		}
	}
	return errgrpc.ToNative(err)
}
