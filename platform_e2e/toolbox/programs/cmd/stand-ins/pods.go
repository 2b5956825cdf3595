package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"slices"
	"time"

	core "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/yaml"
)

const answerTime = 10 * time.Second

// pods reads pods, and the Services that lead to them, from the API server by the kubelet's own rights.
type pods struct {
	server string
	client *http.Client
}

// kubeconfig is what of such a file is needed.
type kubeconfig struct {
	Clusters []struct {
		Cluster struct {
			Server string `json:"server"`
			CA     []byte `json:"certificate-authority-data"`
			CAFile string `json:"certificate-authority"`
		} `json:"cluster"`
	} `json:"clusters"`
	Users []struct {
		User struct {
			Certificate     []byte `json:"client-certificate-data"`
			Key             []byte `json:"client-key-data"`
			CertificateFile string `json:"client-certificate"`
			KeyFile         string `json:"client-key"`
		} `json:"user"`
	} `json:"users"`
}

func newPods(path string) (*pods, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var config kubeconfig
	if err := yaml.Unmarshal(text, &config); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if len(config.Clusters) != 1 || len(config.Users) != 1 {
		return nil, fmt.Errorf("%s must have one cluster and one user", path)
	}
	cluster, user := config.Clusters[0].Cluster, config.Users[0].User
	for _, part := range []struct {
		data *[]byte
		file string
	}{{&cluster.CA, cluster.CAFile}, {&user.Certificate, user.CertificateFile}, {&user.Key, user.KeyFile}} {
		if part.file != "" {
			if *part.data, err = os.ReadFile(part.file); err != nil {
				return nil, err
			}
		}
	}
	pair, err := tls.X509KeyPair(user.Certificate, user.Key)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	authority := x509.NewCertPool()
	authority.AppendCertsFromPEM(cluster.CA)
	transport := &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: authority, Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12},
	}
	return &pods{cluster.Server, &http.Client{Transport: transport, Timeout: answerTime}}, nil
}

func (p *pods) read(ctx context.Context, into any, words ...string) error {
	path, err := url.JoinPath(p.server, append([]string{"api", "v1", "namespaces"}, words...)...)
	if err != nil {
		return err
	}
	asking, err := http.NewRequestWithContext(ctx, http.MethodGet, path, nil)
	if err != nil {
		return err
	}
	answer, err := p.client.Do(asking)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(io.LimitReader(answer.Body, mostBytes))
	if err != nil {
		return err
	}
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", path, answer.Status)
	}
	return json.Unmarshal(body, into)
}

// duties returns what the stand-in of a container has to do, as its argument.
func (p *pods) duties(ctx context.Context, namespace, name, container string) (string, error) {
	var pod core.Pod
	if err := p.read(ctx, &pod, namespace, "pods", name); err != nil {
		return "", err
	}
	var services core.ServiceList
	if err := p.read(ctx, &services, namespace, "services"); err != nil {
		return "", err
	}
	found, err := dutiesOf(pod, services.Items, container)
	if err != nil {
		return "", err
	}
	argument, err := json.Marshal(found)
	return string(argument), err
}

// Duties are what a stand-in has to do; `cmd/stand-in` reads them.
type Duties struct {
	Image string  `json:"image"`
	Ends  bool    `json:"ends"`
	TCP   []int32 `json:"tcp"`
	UDP   []int32 `json:"udp"`
}

func dutiesOf(pod core.Pod, services []core.Service, name string) (Duties, error) {
	spec := pod.Spec
	for _, one := range spec.InitContainers {
		if one.Name == name {
			found := portsOf(one)
			found.Ends = one.RestartPolicy == nil || *one.RestartPolicy != core.ContainerRestartPolicyAlways
			return found, nil
		}
	}
	for at, one := range spec.Containers {
		if one.Name == name {
			found := portsOf(one)
			found.Ends = spec.RestartPolicy != core.RestartPolicyAlways
			if at == 0 {
				found.TCP = append(found.TCP, undeclared(pod, services)...)
			}
			slices.Sort(found.TCP)
			found.TCP = slices.Compact(found.TCP)
			return found, nil
		}
	}
	return Duties{}, fmt.Errorf("pod %s/%s has no container %s", pod.Namespace, pod.Name, name)
}

// portsOf returns the ports that a container declares, and those that its probes and hooks ask.
func portsOf(container core.Container) Duties {
	found := Duties{Image: container.Image, TCP: []int32{}, UDP: []int32{}}
	for _, port := range container.Ports {
		switch port.Protocol {
		case core.ProtocolUDP:
			found.UDP = append(found.UDP, port.ContainerPort)
		case core.ProtocolTCP, "":
			found.TCP = append(found.TCP, port.ContainerPort)
		}
	}
	for _, probe := range []*core.Probe{container.LivenessProbe, container.ReadinessProbe, container.StartupProbe} {
		switch {
		case probe == nil:
		case probe.HTTPGet != nil:
			found.add(probe.HTTPGet.Port)
		case probe.TCPSocket != nil:
			found.add(probe.TCPSocket.Port)
		case probe.GRPC != nil:
			found.add(intstr.FromInt32(probe.GRPC.Port))
		}
	}
	if hooks := container.Lifecycle; hooks != nil {
		for _, hook := range []*core.LifecycleHandler{hooks.PostStart, hooks.PreStop} {
			if hook != nil && hook.HTTPGet != nil {
				found.add(hook.HTTPGet.Port)
			}
		}
	}
	slices.Sort(found.TCP)
	found.TCP = slices.Compact(found.TCP)
	return found
}

// add takes a number; a name is a declared port's, or wrong.
func (d *Duties) add(port intstr.IntOrString) {
	if port.Type == intstr.Int {
		d.TCP = append(d.TCP, port.IntVal)
	}
}

// undeclared returns the ports by number to which Services lead and which no container of a pod declares: declaring them is
// not needed. The pod's first container has them.
func undeclared(pod core.Pod, services []core.Service) []int32 {
	var declared []int32
	for _, container := range slices.Concat(pod.Spec.InitContainers, pod.Spec.Containers) {
		declared = append(declared, portsOf(container).TCP...)
	}
	var found []int32
	for _, service := range services {
		if len(service.Spec.Selector) == 0 || !selects(service.Spec.Selector, pod.Labels) {
			continue
		}
		for _, port := range service.Spec.Ports {
			target := port.TargetPort
			if target.Type != intstr.Int || (port.Protocol != core.ProtocolTCP && port.Protocol != "") {
				continue
			}
			number := target.IntVal
			if number == 0 {
				number = port.Port
			}
			if !slices.Contains(declared, number) {
				found = append(found, number)
			}
		}
	}
	return found
}

func selects(selector, labels map[string]string) bool {
	for key, value := range selector {
		if labels[key] != value {
			return false
		}
	}
	return true
}
