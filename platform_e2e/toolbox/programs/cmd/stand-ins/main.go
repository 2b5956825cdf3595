// Command stand-ins is between a node's kubelet and its container runtime. A container whose image the node does not have, and
// cannot fetch, runs the program `stand-in` instead; everything else is passed on as it is.
//
// What a stand-in has to do is read from its pod, which stays as it was written: nobody who compares objects sees a change.
// The status of its container names the image of the stand-in, which tells everyone what really runs.
package main

import (
	"context"
	"errors"
	"flag"
	"log"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// mostBytes is the kubelet's own limit for a message (cri-client's maxMsgSize).
const mostBytes = 16 << 20

func main() {
	log.SetFlags(log.Ltime)
	if err := run(); err != nil {
		log.Fatal(err)
	}
}

func run() error {
	listen := flag.String("listen", "", "socket that the kubelet uses")
	runtime := flag.String("runtime", "", "socket of the container runtime")
	kubeconfig := flag.String("kubeconfig", "", "the kubelet's, to read pods")
	image := flag.String("image", "", "the stand-ins' image, which the runtime must have")
	keep := flag.String("keep", "", "images that always run themselves, separated by commas; with -all no other does")
	own := flag.String("own", "", "repositories whose images are never replaced, so that one that is missing is seen")
	all := flag.Bool("all", false, "replace each image that is not kept, also one that is there")
	flag.Parse()
	connection, err := grpc.NewClient("unix://"+*runtime,
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(mostBytes), grpc.MaxCallSendMsgSize(mostBytes)))
	if err != nil {
		return err
	}
	pods, err := newPods(*kubeconfig)
	if err != nil {
		return err
	}
	made := &proxy{
		runtime: cri.NewRuntimeServiceClient(connection),
		images:  cri.NewImageServiceClient(connection),
		pods:    pods,
		choice:  choice{image: *image, keep: words(*keep), own: words(*own), all: *all},
	}
	if err := os.MkdirAll(filepath.Dir(*listen), 0o700); err != nil {
		return err
	}
	if err := os.Remove(*listen); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	listener, err := net.Listen("unix", *listen)
	if err != nil {
		return err
	}
	server := grpc.NewServer(
		grpc.ForceServerCodecV2(passing{}), grpc.UnknownServiceHandler(forward(connection, made.methods())),
		grpc.MaxRecvMsgSize(mostBytes), grpc.MaxSendMsgSize(mostBytes))
	ended, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	go func() {
		<-ended.Done()
		server.Stop()
	}()
	return server.Serve(listener)
}

func words(text string) []string {
	return strings.FieldsFunc(text, func(one rune) bool { return one == ',' })
}
