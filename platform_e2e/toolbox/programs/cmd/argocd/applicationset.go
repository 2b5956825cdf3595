package main

import (
	"context"
	"encoding/json"

	"github.com/sirupsen/logrus"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientset "k8s.io/client-go/kubernetes/fake"
	"k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/argoproj/argo-cd/v3/applicationset/controllers/template"
	"github.com/argoproj/argo-cd/v3/applicationset/generators"
	"github.com/argoproj/argo-cd/v3/applicationset/utils"
	"github.com/argoproj/argo-cd/v3/pkg/apis/application/v1alpha1"
	"github.com/argoproj/argo-cd/v3/util/argo"
)

// applicationset returns the Applications that an ApplicationSet makes.
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
	secrets, err := w.clusters()
	if err != nil {
		return nil, err
	}
	cluster, err := withProjects(secrets)
	if err != nil {
		return nil, err
	}
	every := generators.GetGenerators(context.Background(), cluster, clientset.NewClientset(secrets...), w.config.Namespace, w, nil, generators.SCMConfig{})
	quietly := logrus.NewEntry(logrus.StandardLogger())
	found, _, err := template.GenerateApplications(quietly, set, every, &utils.Render{}, cluster)
	if err != nil {
		return nil, err
	}
	var written []json.RawMessage
	for _, application := range found {
		// As the controller does before it writes one (CreateOrUpdate of applicationset/utils).
		application.Spec = *argo.NormalizeApplicationSpec(&application.Spec)
		content, err := manifest(&application)
		if err != nil {
			return nil, err
		}
		written = append(written, content)
	}
	return written, nil
}

// clusters returns the Secrets of clusters as an API server has them.
func (w *workshop) clusters() ([]runtime.Object, error) {
	var every []runtime.Object
	for _, content := range w.config.Clusters {
		secret := &corev1.Secret{}
		if err := json.Unmarshal(content, secret); err != nil {
			return nil, &Problem{Reason: badShape, Text: "a cluster's Secret: " + err.Error()}
		}
		if secret.Namespace == "" {
			secret.Namespace = w.config.Namespace
		}
		if secret.Data == nil {
			secret.Data = map[string][]byte{}
		}
		for name, value := range secret.StringData {
			secret.Data[name] = []byte(value)
		}
		secret.StringData = nil
		every = append(every, secret)
	}
	return every, nil
}

// withProjects returns a cluster that has every project: the Git generator asks one for the keys that commits are signed with, and
// signatures are not judged here.
func withProjects(secrets []runtime.Object) (client.Client, error) {
	types := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{scheme.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(types); err != nil {
			return nil, err
		}
	}
	get := func(ctx context.Context, all client.WithWatch, key client.ObjectKey, object client.Object, options ...client.GetOption) error {
		if _, project := object.(*v1alpha1.AppProject); project {
			object.SetNamespace(key.Namespace)
			object.SetName(key.Name)
			return nil
		}
		return all.Get(ctx, key, object, options...)
	}
	return fake.NewClientBuilder().WithScheme(types).WithRuntimeObjects(secrets...).WithInterceptorFuncs(interceptor.Funcs{Get: get}).Build(), nil
}

// manifest returns an Application as it would be written, without a status.
func manifest(application *v1alpha1.Application) (json.RawMessage, error) {
	application.APIVersion, application.Kind = v1alpha1.ApplicationSchemaGroupVersionKind.GroupVersion().String(), v1alpha1.ApplicationSchemaGroupVersionKind.Kind
	content, err := json.Marshal(application)
	if err != nil {
		return nil, err
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(content, &fields); err != nil {
		return nil, err
	}
	delete(fields, "status")
	return json.Marshal(fields)
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
