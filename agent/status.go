package agent

import (
	"errors"
	"io"

	"github.com/containerd/errdefs/pkg/errgrpc"
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

// fromStatus is the reverse. The end of a stream, io.EOF, stays what it is.
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
