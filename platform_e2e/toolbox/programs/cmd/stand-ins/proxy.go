package main

import (
	"context"
	"log"
	"slices"
	"strings"
	"sync"

	"google.golang.org/protobuf/proto"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// program is where the stand-ins' image has it.
const program = "/stand-in"

// choice tells which images a stand-in replaces.
type choice struct {
	image string
	keep  []string
	own   []string
	all   bool
}

// replaces tells whether a stand-in runs for a reference.
func (c choice) replaces(reference string, there bool) bool {
	if slices.Contains(c.keep, reference) || reference == c.image {
		return false
	}
	if c.all {
		return true
	}
	return !there && !slices.Contains(c.own, repository(reference))
}

// repository returns a reference without its tag and digest.
func repository(reference string) string {
	reference, _, _ = strings.Cut(reference, "@")
	if at := strings.LastIndex(reference, ":"); at > strings.LastIndex(reference, "/") {
		reference = reference[:at]
	}
	return reference
}

type proxy struct {
	choice
	runtime cri.RuntimeServiceClient
	images  cri.ImageServiceClient
	pods    *pods
	// known tells of containers whether each is a stand-in.
	known sync.Map
}

// methods are the calls that are looked at; every other one is passed on.
func (p *proxy) methods() map[string]method {
	return map[string]method{
		cri.ImageService_ImageStatus_FullMethodName:       p.imageStatus,
		cri.ImageService_PullImage_FullMethodName:         p.pullImage,
		cri.RuntimeService_CreateContainer_FullMethodName: p.createContainer,
		cri.RuntimeService_ExecSync_FullMethodName:        p.execSync,
	}
}

// standIn returns the status of the stand-ins' image where one replaces a reference, else nil.
func (p *proxy) standIn(ctx context.Context, reference string) (*cri.ImageStatusResponse, error) {
	there, err := p.images.ImageStatus(ctx, &cri.ImageStatusRequest{Image: &cri.ImageSpec{Image: reference}})
	if err != nil {
		return nil, err
	}
	ours, err := p.images.ImageStatus(ctx, &cri.ImageStatusRequest{Image: &cri.ImageSpec{Image: p.image}})
	if err != nil {
		return nil, err
	}
	// The kubelet also asks by the identity that it was given; two names may have one.
	named := []string{reference}
	if image := there.GetImage(); image != nil {
		if image.Id == ours.GetImage().GetId() {
			return nil, nil
		}
		named = append(named, image.RepoTags...)
	}
	if !slices.ContainsFunc(named, func(one string) bool { return !p.replaces(one, there.GetImage() != nil) }) {
		return ours, nil
	}
	return nil, nil
}

func (p *proxy) imageStatus(ctx context.Context, raw *frame, pass func() (*frame, error)) (*frame, error) {
	asked := new(cri.ImageStatusRequest)
	if err := proto.Unmarshal(raw.data, asked); err != nil {
		return nil, err
	}
	if found, err := p.standIn(ctx, asked.GetImage().GetImage()); err != nil || found == nil {
		return orPass(err, pass)
	} else {
		return encoded(found)
	}
}

func (p *proxy) pullImage(ctx context.Context, raw *frame, pass func() (*frame, error)) (*frame, error) {
	asked := new(cri.PullImageRequest)
	if err := proto.Unmarshal(raw.data, asked); err != nil {
		return nil, err
	}
	if found, err := p.standIn(ctx, asked.GetImage().GetImage()); err != nil || found == nil {
		return orPass(err, pass)
	} else {
		return encoded(&cri.PullImageResponse{ImageRef: found.GetImage().GetId()})
	}
}

// createContainer gives a container whose image the kubelet was told to be the stand-ins' its duties.
func (p *proxy) createContainer(ctx context.Context, raw *frame, pass func() (*frame, error)) (*frame, error) {
	asked := new(cri.CreateContainerRequest)
	if err := proto.Unmarshal(raw.data, asked); err != nil {
		return nil, err
	}
	config, sandbox := asked.GetConfig(), asked.GetSandboxConfig().GetMetadata()
	isOurs, err := p.isOurs(ctx, config.GetImage().GetImage())
	if err != nil || !isOurs {
		return orPass(err, pass)
	}
	duties, err := p.pods.duties(ctx, sandbox.GetNamespace(), sandbox.GetName(), config.GetMetadata().GetName())
	if err != nil {
		return nil, err
	}
	log.Printf("%s/%s, container %s: %s", sandbox.GetNamespace(), sandbox.GetName(), config.GetMetadata().GetName(), duties)
	config.Command, config.Args = []string{program}, []string{duties}
	// The directory that its image would have is not there.
	config.WorkingDir = ""
	made, err := p.runtime.CreateContainer(ctx, asked)
	if err != nil {
		return nil, err
	}
	p.known.Store(made.ContainerId, true)
	return encoded(made)
}

// isOurs tells whether a reference is the stand-ins' image.
func (p *proxy) isOurs(ctx context.Context, reference string) (bool, error) {
	if reference == p.image {
		return true, nil
	}
	found, err := p.images.ImageStatus(ctx, &cri.ImageStatusRequest{Image: &cri.ImageSpec{Image: reference}})
	return err == nil && slices.Contains(found.GetImage().GetRepoTags(), p.image), err
}

// execSync lets what a probe or a hook runs in a stand-in succeed: its program is in the image that is not there.
func (p *proxy) execSync(ctx context.Context, raw *frame, pass func() (*frame, error)) (*frame, error) {
	asked := new(cri.ExecSyncRequest)
	if err := proto.Unmarshal(raw.data, asked); err != nil {
		return nil, err
	}
	known, found := p.known.Load(asked.ContainerId)
	if !found {
		// It was made before this process.
		status, err := p.runtime.ContainerStatus(ctx, &cri.ContainerStatusRequest{ContainerId: asked.ContainerId})
		if err != nil {
			return nil, err
		}
		known, err = p.isOurs(ctx, status.GetStatus().GetImage().GetImage())
		if err != nil {
			return nil, err
		}
		p.known.Store(asked.ContainerId, known)
	}
	if known == true {
		return encoded(&cri.ExecSyncResponse{Stdout: []byte("a stand-in of platform-e2e\n")})
	}
	return pass()
}

func orPass(err error, pass func() (*frame, error)) (*frame, error) {
	if err != nil {
		return nil, err
	}
	return pass()
}

func encoded(message proto.Message) (*frame, error) {
	data, err := proto.Marshal(message)
	return &frame{data}, err
}
