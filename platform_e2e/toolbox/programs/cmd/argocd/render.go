package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"sync"

	"github.com/sirupsen/logrus"

	"github.com/argoproj/argo-cd/v3/common"
	"github.com/argoproj/argo-cd/v3/pkg/apis/application/v1alpha1"
	"github.com/argoproj/argo-cd/v3/util/helm"
	"github.com/argoproj/argo-cd/v3/util/kustomize"
)

// Config is what a renderer is told once, in the file config.json of its root directory.
type Config struct {
	Confinement Confinement `json:"confinement"`
	// Namespace is the one of Argo CD itself.
	Namespace    string       `json:"namespace"`
	Repositories []Repository `json:"repositories"`
	Charts       []Chart      `json:"charts"`
	// KubeVersion and APIVersions are what charts ask of the cluster.
	KubeVersion string   `json:"kubeVersion"`
	APIVersions []string `json:"apiVersions"`
	// BuildOptions are argocd-cm's kustomize.buildOptions.
	BuildOptions string `json:"buildOptions"`
	// NewFileGlobbing is argocd-cmd-params-cm's applicationsetcontroller.enable.new.git.file.globbing.
	NewFileGlobbing bool `json:"newFileGlobbing"`
	// Clusters are the Secrets that the clusters generator reads.
	Clusters []json.RawMessage `json:"clusters"`
}

// Request asks for one object to be rendered: an Application to its manifests, an ApplicationSet to its Applications.
type Request struct {
	ID     int             `json:"id"`
	Object json.RawMessage `json:"object"`
}

// Ready is the first line of all: what renders, how it is kept apart, and how many requests are answered at once.
type Ready struct {
	Confined  string `json:"confined"`
	ArgoCD    string `json:"argocd"`
	Helm      string `json:"helm"`
	Kustomize string `json:"kustomize"`
	Workers   int    `json:"workers"`
}

// Answer is the answer to a request.
type Answer struct {
	ID           int               `json:"id"`
	Sources      []Rendered        `json:"sources,omitempty"`
	Applications []json.RawMessage `json:"applications,omitempty"`
	Problem      *Problem          `json:"problem,omitempty"`
}

// Rendered is what one source of an Application became.
type Rendered struct {
	Type      string            `json:"type"`
	Manifests []json.RawMessage `json:"manifests"`
}

func render(words []string) int {
	// "The parent died" belongs to a thread, not to a process.
	runtime.LockOSThread()
	logrus.SetOutput(io.Discard)
	if len(words) != 1 && len(words) != 2 {
		return failed("argocd-render takes the directory that it may see, got %q", words)
	}
	root := words[len(words)-1]
	config, err := configuration(root)
	if err != nil {
		return failed("%v", err)
	}
	config.Confinement.Root = root
	if len(words) == 2 {
		return step(words[0], config.Confinement)
	}
	return confine(config.Confinement)
}

func failed(format string, values ...any) int {
	fmt.Fprintf(os.Stderr, format+"\n", values...)
	return 1
}

func configuration(root string) (*Config, error) {
	content, err := os.ReadFile(filepath.Join(root, "config.json"))
	if err != nil {
		return nil, err
	}
	config := &Config{}
	if err := json.Unmarshal(content, config); err != nil {
		return nil, fmt.Errorf("config.json: %w", err)
	}
	return config, nil
}

// largestAnswer is how many bytes an answer may have; the caller reads no longer line.
const largestAnswer = 64 << 20

// serve answers requests, one line of JSON each, until there are no more; several at once, in any order.
func serve(root, how string) int {
	config, err := configuration(root)
	if err != nil {
		return failed("%v", err)
	}
	config.Confinement.Root = root
	workshop, err := newWorkshop(config)
	if err != nil {
		return failed("%v", err)
	}
	ready := Ready{Confined: how, ArgoCD: common.GetVersion().Version, Workers: runtime.NumCPU()}
	if ready.Helm, err = helm.Version(); err != nil {
		return failed("%v", err)
	}
	if ready.Kustomize, err = kustomize.Version(); err != nil {
		return failed("%v", err)
	}
	if err := json.NewEncoder(os.Stdout).Encode(ready); err != nil {
		return failed("%v", err)
	}
	var writing sync.Mutex
	say := func(answer Answer) {
		line := encoded(answer)
		writing.Lock()
		defer writing.Unlock()
		_, _ = os.Stdout.Write(line)
	}
	requests := make(chan Request)
	var working sync.WaitGroup
	for range ready.Workers {
		working.Go(func() {
			for request := range requests {
				say(workshop.answer(request))
			}
		})
	}
	input := json.NewDecoder(bufio.NewReader(os.Stdin))
	for {
		var request Request
		if err := input.Decode(&request); err != nil {
			close(requests)
			working.Wait()
			if err != io.EOF {
				return failed("a request must be an object with id and object: %v", err)
			}
			return 0
		}
		requests <- request
	}
}

// encoded returns the line of an answer; of one that is too long, that it is.
func encoded(answer Answer) []byte {
	var line bytes.Buffer
	output := json.NewEncoder(&line)
	output.SetEscapeHTML(false)
	err := output.Encode(answer)
	if err == nil && line.Len() <= largestAnswer {
		return line.Bytes()
	}
	problem := &Problem{Reason: tooMuch, Text: fmt.Sprintf("it becomes more than %d MiB", largestAnswer>>20)}
	if err != nil {
		problem = &Problem{Reason: badShape, Text: err.Error()}
	}
	line.Reset()
	_ = output.Encode(Answer{ID: answer.ID, Problem: problem})
	return line.Bytes()
}

func (w *workshop) answer(request Request) (answer Answer) {
	answer.ID = request.ID
	defer func() {
		// Argo CD's own code meets shapes here that its API server would have refused.
		if fault := recover(); fault != nil {
			answer = Answer{ID: request.ID, Problem: &Problem{Reason: badShape, Text: fmt.Sprintf("Argo CD's code fails on it: %v", fault)}}
		}
	}()
	var kind struct {
		Kind string `json:"kind"`
	}
	err := json.Unmarshal(request.Object, &kind)
	if err == nil {
		switch kind.Kind {
		case v1alpha1.ApplicationSchemaGroupVersionKind.Kind:
			answer.Sources, err = w.application(request.Object)
		case v1alpha1.ApplicationSetSchemaGroupVersionKind.Kind:
			answer.Applications, err = w.applicationset(request.Object)
		default:
			err = &Problem{Reason: badShape, Text: "its kind must be Application or ApplicationSet, got " + kind.Kind}
		}
	}
	if err != nil {
		answer.Problem = problemOf(err)
	}
	return answer
}
