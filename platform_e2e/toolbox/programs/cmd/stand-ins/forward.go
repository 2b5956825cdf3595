package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"google.golang.org/grpc"
	"google.golang.org/grpc/encoding"
	_ "google.golang.org/grpc/encoding/proto" // the codec that is found by its name below
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/metadata"
)

// frame is a message that nobody has looked into.
type frame struct{ data []byte }

// passing is a codec that leaves frames as they are and reads everything else as protobuf.
type passing struct{}

func (passing) Name() string { return "proto" }

func (passing) Marshal(message any) (mem.BufferSlice, error) {
	if raw, ok := message.(*frame); ok {
		return mem.BufferSlice{mem.SliceBuffer(raw.data)}, nil
	}
	return encoding.GetCodecV2("proto").Marshal(message)
}

func (passing) Unmarshal(data mem.BufferSlice, message any) error {
	if raw, ok := message.(*frame); ok {
		raw.data = data.Materialize()
		return nil
	}
	return encoding.GetCodecV2("proto").Unmarshal(data, message)
}

// method answers one request; `pass` hands it to the runtime.
type method func(ctx context.Context, asked *frame, pass func() (*frame, error)) (*frame, error)

// forward passes every call to the runtime, those of `methods` through their function.
func forward(runtime *grpc.ClientConn, methods map[string]method) grpc.StreamHandler {
	return func(_ any, stream grpc.ServerStream) error {
		name, _ := grpc.MethodFromServerStream(stream)
		ctx := stream.Context()
		if incoming, ok := metadata.FromIncomingContext(ctx); ok {
			ctx = metadata.NewOutgoingContext(ctx, incoming)
		}
		asked := new(frame)
		if err := stream.RecvMsg(asked); err != nil {
			return err
		}
		if answer, ok := methods[name]; ok {
			reply, err := answer(ctx, asked, func() (*frame, error) {
				reply := new(frame)
				return reply, runtime.Invoke(ctx, name, asked, reply, grpc.ForceCodecV2(passing{}))
			})
			if err != nil {
				return err
			}
			return stream.SendMsg(reply)
		}
		// Every other call has one request; some have several answers.
		described := &grpc.StreamDesc{ServerStreams: true}
		onward, err := runtime.NewStream(ctx, described, name, grpc.ForceCodecV2(passing{}))
		if err != nil {
			return err
		}
		if err := errors.Join(onward.SendMsg(asked), onward.CloseSend()); err != nil && !errors.Is(err, io.EOF) {
			return fmt.Errorf("%s: %w", name, err)
		}
		for {
			reply := new(frame)
			if err := onward.RecvMsg(reply); errors.Is(err, io.EOF) {
				return nil
			} else if err != nil {
				return err
			}
			if err := stream.SendMsg(reply); err != nil {
				return err
			}
		}
	}
}
