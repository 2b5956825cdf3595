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

// builtIn returns the versions and kinds of Kubernetes' own API as Argo CD names them to charts (APIResourcesToStrings of its
// util/argo): those that a cluster serves by default, which are neither alpha nor beta.
func builtIn() []string {
	found := map[string]bool{}
	for _, name := range beside {
		found[name] = true
	}
	for kind := range scheme.Scheme.AllKnownTypes() {
		if strings.Contains(kind.Version, "alpha") || strings.Contains(kind.Version, "beta") || kind.Version == "__internal" {
			continue
		}
		if strings.HasSuffix(kind.Kind, "List") || strings.HasSuffix(kind.Kind, "Options") || kind.Kind == "WatchEvent" {
			continue
		}
		version := kind.GroupVersion().String()
		found[version], found[version+"/"+kind.Kind] = true, true
	}
	every := make([]string, 0, len(found))
	for name := range found {
		every = append(every, name)
	}
	sort.Strings(every)
	return every
}
