package main

import (
	"sort"
	"strings"

	"k8s.io/client-go/kubernetes/scheme"
)

// beside are kinds of every cluster that client-go has no types for.
var beside = []string{
	"apiextensions.k8s.io/v1", "apiextensions.k8s.io/v1/CustomResourceDefinition",
	"apiregistration.k8s.io/v1", "apiregistration.k8s.io/v1/APIService",
}

// unwatched are kinds with a list that no cluster lets be watched: Argo CD names only those that can (GetAPIResources of
// gitops-engine's pkg/utils/kube).
var unwatched = map[string]bool{"APIGroup": true, "ComponentStatus": true}

// builtIn returns the versions and kinds of Kubernetes' own API as Argo CD names them to charts (APIResourcesToStrings of its
// util/argo): those that a cluster serves by default, which are neither alpha nor beta. A kind that is stored has a kind for its lists;
// others, such as reviews, are only asked for.
func builtIn() []string {
	found := map[string]bool{}
	for _, name := range beside {
		found[name] = true
	}
	every := scheme.Scheme.AllKnownTypes()
	for kind := range every {
		if strings.Contains(kind.Version, "alpha") || strings.Contains(kind.Version, "beta") || kind.Version == "__internal" {
			continue
		}
		if _, stored := every[kind.GroupVersion().WithKind(kind.Kind+"List")]; !stored || unwatched[kind.Kind] {
			continue
		}
		version := kind.GroupVersion().String()
		found[version], found[version+"/"+kind.Kind] = true, true
	}
	names := make([]string, 0, len(found))
	for name := range found {
		names = append(names, name)
	}
	sort.Strings(names)
	return names
}
