package main

import (
	"context"
	"net"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	core "k8s.io/api/core/v1"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"
	"sigs.k8s.io/yaml"
)

const ours = "platform-e2e.local/stand-in:1"

func TestChoosesWhatIsReplaced(t *testing.T) {
	auto := choice{image: ours, own: []string{"ghcr.io/team/app"}}
	all := choice{image: ours, keep: []string{"quay.io/argoproj/argocd:v3.2.11"}, all: true}
	for _, one := range []struct {
		choice    choice
		reference string
		there     bool
		replaced  bool
	}{
		{auto, "quay.io/acme/api:1", false, true},
		{auto, "quay.io/acme/api:1", true, false},
		{auto, "ghcr.io/team/app:9.9.9", false, false},
		{auto, "ghcr.io/team/app@sha256:00", false, false},
		{auto, "ghcr.io/team/apparel:1", false, true},
		{auto, ours, true, false},
		{all, "quay.io/acme/api:1", true, true},
		{all, "quay.io/argoproj/argocd:v3.2.11", true, false},
		{all, "quay.io/argoproj/argocd:v3.2.10", false, true},
	} {
		if got := one.choice.replaces(one.reference, one.there); got != one.replaced {
			t.Errorf("%v %s, there: %t: %t", one.choice, one.reference, one.there, got)
		}
	}
}

func TestKnowsARepository(t *testing.T) {
	for reference, want := range map[string]string{
		"redis":                      "redis",
		"redis:7":                    "redis",
		"localhost:5000/redis":       "localhost:5000/redis",
		"localhost:5000/redis:7":     "localhost:5000/redis",
		"quay.io/a/b:1@sha256:12ab3": "quay.io/a/b",
	} {
		if got := repository(reference); got != want {
			t.Errorf("%s: %s", reference, got)
		}
	}
}

const manifest = `
metadata: {name: web-0, namespace: shop, labels: {app: web}}
spec:
  restartPolicy: Always
  initContainers:
    - {name: prepare, image: acme/prepare}
    - {name: proxy, image: acme/proxy, restartPolicy: Always, ports: [{containerPort: 15001}]}
  containers:
    - name: web
      image: acme/web:1
      ports: [{name: http, containerPort: 8080}, {name: dns, containerPort: 53, protocol: UDP}]
      livenessProbe: {httpGet: {path: /live, port: http}}
      readinessProbe: {grpc: {port: 9090}}
      startupProbe: {tcpSocket: {port: 7000}}
    - name: side
      image: acme/side:1
      readinessProbe: {exec: {command: [ready]}}
`

const leading = `
- spec: {selector: {app: web}, ports: [{port: 80, targetPort: http}, {port: 81, targetPort: 8081}, {port: 8080}]}
- spec: {selector: {app: other}, ports: [{port: 90}]}
- spec: {ports: [{port: 91}]}
`

func given(t *testing.T) (core.Pod, []core.Service) {
	t.Helper()
	var pod core.Pod
	var services []core.Service
	if err := yaml.Unmarshal([]byte(manifest), &pod); err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal([]byte(leading), &services); err != nil {
		t.Fatal(err)
	}
	return pod, services
}

func TestReadsDutiesFromThePod(t *testing.T) {
	pod, services := given(t)
	for name, want := range map[string]Duties{
		"prepare": {Image: "acme/prepare", Ends: true, TCP: []int32{}, UDP: []int32{}},
		"proxy":   {Image: "acme/proxy", TCP: []int32{15001}, UDP: []int32{}},
		"web":     {Image: "acme/web:1", TCP: []int32{7000, 8080, 8081, 9090}, UDP: []int32{53}},
		"side":    {Image: "acme/side:1", TCP: []int32{}, UDP: []int32{}},
	} {
		if got, err := dutiesOf(pod, services, name); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v %v", name, got, err)
		}
	}
	if _, err := dutiesOf(pod, services, "none"); err == nil {
		t.Error("a container that is not there has duties")
	}
}

func TestLetsAContainerOfAJobEnd(t *testing.T) {
	pod, _ := given(t)
	pod.Spec.RestartPolicy = core.RestartPolicyNever
	if got, err := dutiesOf(pod, nil, "side"); err != nil || !got.Ends {
		t.Errorf("%+v %v", got, err)
	}
}

// runtime has one image besides the stand-ins'.
type runtime struct {
	cri.UnimplementedRuntimeServiceServer
	cri.UnimplementedImageServiceServer
}

func (runtime) Version(context.Context, *cri.VersionRequest) (*cri.VersionResponse, error) {
	return &cri.VersionResponse{RuntimeName: "fake"}, nil
}

func (runtime) ImageStatus(_ context.Context, asked *cri.ImageStatusRequest) (*cri.ImageStatusResponse, error) {
	known := map[string]string{ours: "sha256:1", "acme/there:1": "sha256:2"}
	for name, id := range known {
		if asked.Image.Image == name || asked.Image.Image == id {
			return &cri.ImageStatusResponse{Image: &cri.Image{Id: id, RepoTags: []string{name}}}, nil
		}
	}
	return &cri.ImageStatusResponse{}, nil
}

func (runtime) ContainerStatus(_ context.Context, asked *cri.ContainerStatusRequest) (*cri.ContainerStatusResponse, error) {
	image := strings.TrimPrefix(asked.ContainerId, "of ")
	return &cri.ContainerStatusResponse{Status: &cri.ContainerStatus{Image: &cri.ImageSpec{Image: image}}}, nil
}

func (runtime) ExecSync(context.Context, *cri.ExecSyncRequest) (*cri.ExecSyncResponse, error) {
	return &cri.ExecSyncResponse{ExitCode: 127}, nil
}

// through returns a connection to a proxy before the fake runtime.
func through(t *testing.T) *grpc.ClientConn {
	t.Helper()
	connect := func(server *grpc.Server, name string) *grpc.ClientConn {
		path := filepath.Join(t.TempDir(), name)
		listener, err := net.Listen("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		go server.Serve(listener)
		t.Cleanup(server.Stop)
		connection, err := grpc.NewClient("unix://"+path, grpc.WithTransportCredentials(insecure.NewCredentials()))
		if err != nil {
			t.Fatal(err)
		}
		return connection
	}
	real := grpc.NewServer()
	cri.RegisterRuntimeServiceServer(real, runtime{})
	cri.RegisterImageServiceServer(real, runtime{})
	connection := connect(real, "real")
	made := &proxy{
		runtime: cri.NewRuntimeServiceClient(connection),
		images:  cri.NewImageServiceClient(connection),
		choice:  choice{image: ours},
	}
	return connect(grpc.NewServer(
		grpc.ForceServerCodecV2(passing{}), grpc.UnknownServiceHandler(forward(connection, made.methods()))), "proxy")
}

func TestPassesOnWhatItDoesNotKnow(t *testing.T) {
	answer, err := cri.NewRuntimeServiceClient(through(t)).Version(t.Context(), &cri.VersionRequest{})
	if err != nil || answer.RuntimeName != "fake" {
		t.Errorf("%v %v", answer, err)
	}
	stream, err := cri.NewRuntimeServiceClient(through(t)).GetContainerEvents(t.Context(), &cri.GetEventsRequest{})
	if err == nil {
		_, err = stream.Recv()
	}
	if err == nil || !strings.Contains(err.Error(), "Unimplemented") {
		t.Errorf("the runtime's own error is lost: %v", err)
	}
}

func TestTellsTheStandInsImageForOneThatIsNotThere(t *testing.T) {
	images := cri.NewImageServiceClient(through(t))
	for reference, want := range map[string]string{"acme/there:1": "sha256:2", "acme/lost:1": "sha256:1", "sha256:1": "sha256:1"} {
		answer, err := images.ImageStatus(t.Context(), &cri.ImageStatusRequest{Image: &cri.ImageSpec{Image: reference}})
		if err != nil || answer.GetImage().GetId() != want {
			t.Errorf("%s: %v %v", reference, answer, err)
		}
	}
	pulled, err := images.PullImage(t.Context(), &cri.PullImageRequest{Image: &cri.ImageSpec{Image: "acme/lost@sha256:3"}})
	if err != nil || pulled.ImageRef != "sha256:1" {
		t.Errorf("%v %v", pulled, err)
	}
}

func TestLetsProbesInStandInsSucceed(t *testing.T) {
	client := cri.NewRuntimeServiceClient(through(t))
	for container, want := range map[string]int32{"of " + ours: 0, "of acme/there:1": 127} {
		answer, err := client.ExecSync(t.Context(), &cri.ExecSyncRequest{ContainerId: container, Cmd: []string{"ready"}})
		if err != nil || answer.ExitCode != want {
			t.Errorf("%s: %v %v", container, answer, err)
		}
	}
}
