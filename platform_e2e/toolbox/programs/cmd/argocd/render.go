package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"sync"

	"github.com/sirupsen/logrus"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	clientset "k8s.io/client-go/kubernetes/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/argoproj/argo-cd/v3/applicationset/controllers/template"
	"github.com/argoproj/argo-cd/v3/applicationset/generators"
	"github.com/argoproj/argo-cd/v3/applicationset/utils"
	"github.com/argoproj/argo-cd/v3/common"
	"github.com/argoproj/argo-cd/v3/pkg/apis/application/v1alpha1"
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
	// Clusters are the Secrets that the clusters generator reads.
	Clusters []corev1.Secret `json:"clusters"`
}

// Request asks for one object to be rendered: an Application to its manifests, an ApplicationSet to its Applications.
type Request struct {
	ID     int             `json:"id"`
	Object json.RawMessage `json:"object"`
}

// Answer is the answer to a request; the first answer of all has the ID -1 and says how this process is kept apart.
type Answer struct {
	ID           int               `json:"id"`
	Confined     string            `json:"confined,omitempty"`
	Version      string            `json:"version,omitempty"`
	Sources      []Rendered        `json:"sources,omitempty"`
	Applications []json.RawMessage `json:"applications,omitempty"`
	Problem      *Problem          `json:"problem,omitempty"`
}

// Rendered is what one source of an Application became.
type Rendered struct {
	Type      string            `json:"type"`
	Manifests []json.RawMessage `json:"manifests"`
}

// Problem says why an object cannot be rendered.
type Problem struct {
	// Reason is one of the constants.
	Reason string `json:"reason"`
	Text   string `json:"text"`
	// Source is the index of the Application's source.
	Source int `json:"source"`
}

// What a problem is about.
const (
	badShape     = "shape"      // Argo CD's own types do not take the object
	noRepository = "repository" // there is no copy of the repository
	noChart      = "chart"      // the store does not have the chart in that version
	needsPlugin  = "plugin"     // a config management plugin renders it
	needsOthers  = "generator"  // a generator asks something other than Git
	outside      = "link"       // a link leads out of its repository
	unrendered   = "render"     // Argo CD says no
)

func (problem *Problem) Error() string { return problem.Text }

func render(words []string) int {
	// "The parent died" belongs to a thread, not to a process.
	runtime.LockOSThread()
	logrus.SetOutput(io.Discard)
	step, root := "", ""
	switch len(words) {
	case 1:
		root = words[0]
	case 2:
		step, root = words[0], words[1]
	default:
		return failed("argocd-render takes the directory that it may see, got %q", words)
	}
	if step == "serve" {
		return serve(root, apart)
	}
	config, err := configuration(root)
	if err != nil {
		return failed("%v", err)
	}
	config.Confinement.Root = root
	switch step {
	case "lay":
		if err := lay(config.Confinement); err != nil {
			failed("%v", err)
			return unlaid
		}
	case "jail":
		if err := jail(config.Confinement); err != nil {
			return failed("%v", err)
		}
	}
	return confine(config.Confinement)
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

// serve answers requests, one line of JSON each, until there are no more; several at once, in any order.
func serve(root, how string) int {
	config, err := configuration(root)
	if err != nil {
		return failed("%v", err)
	}
	config.Confinement.Root = root
	workshop := newWorkshop(config)
	var writing sync.Mutex
	output := json.NewEncoder(os.Stdout)
	output.SetEscapeHTML(false)
	say := func(answer Answer) {
		writing.Lock()
		defer writing.Unlock()
		_ = output.Encode(answer)
	}
	say(Answer{ID: -1, Confined: how, Version: common.GetVersion().Version})
	requests := make(chan Request)
	var working sync.WaitGroup
	for range runtime.NumCPU() {
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

func (w *workshop) applicationset(object json.RawMessage) ([]json.RawMessage, error) {
	var set v1alpha1.ApplicationSet
	if err := json.Unmarshal(object, &set); err != nil {
		return nil, &Problem{Reason: badShape, Text: err.Error()}
	}
	if name := otherGenerator(set.Spec.Generators); name != "" {
		return nil, &Problem{Reason: needsOthers, Text: name}
	}
	if set.Namespace == "" {
		set.Namespace = w.config.Namespace
	}
	clients := fake.NewClientBuilder()
	clusters := clientset.NewClientset()
	for _, secret := range w.config.Clusters {
		clients = clients.WithObjects(secret.DeepCopy())
		if err := clusters.Tracker().Add(secret.DeepCopy()); err != nil {
			return nil, err
		}
	}
	client := clients.Build()
	every := generators.GetGenerators(context.Background(), client, clusters, w.config.Namespace, w, nil, generators.SCMConfig{})
	quietly := logrus.NewEntry(logrus.StandardLogger())
	found, _, err := template.GenerateApplications(quietly, set, every, &utils.Render{}, client)
	if err != nil {
		return nil, err
	}
	var written []json.RawMessage
	for _, application := range found {
		application.SetGroupVersionKind(schema.GroupVersionKind(v1alpha1.ApplicationSchemaGroupVersionKind))
		content, err := json.Marshal(application)
		if err != nil {
			return nil, err
		}
		written = append(written, content)
	}
	return written, nil
}

// otherGenerator returns the name of a generator that asks something other than the object itself, Git and the clusters.
func otherGenerator(every []v1alpha1.ApplicationSetGenerator) string {
	for _, generator := range every {
		content, err := json.Marshal(generator)
		if err != nil {
			continue
		}
		var fields map[string]json.RawMessage
		_ = json.Unmarshal(content, &fields)
		for _, name := range []string{"scmProvider", "clusterDecisionResource", "pullRequest", "plugin"} {
			if _, there := fields[name]; there {
				return name
			}
		}
		var nested struct {
			Matrix, Merge struct {
				Generators []v1alpha1.ApplicationSetGenerator `json:"generators"`
			}
		}
		_ = json.Unmarshal(content, &nested)
		for _, inner := range [][]v1alpha1.ApplicationSetGenerator{nested.Matrix.Generators, nested.Merge.Generators} {
			if name := otherGenerator(inner); name != "" {
				return name
			}
		}
	}
	return ""
}
