package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/Masterminds/semver/v3"

	"github.com/argoproj/argo-cd/v3/pkg/apis/application/v1alpha1"
	"github.com/argoproj/argo-cd/v3/util/io/files"
	"github.com/argoproj/argo-cd/v3/util/versions"
)

// Chart is an archive of a chart, below the root directory.
type Chart struct {
	// Repository is its URL; without one it is taken for every repository's.
	Repository string `json:"repository"`
	Name       string `json:"name"`
	Version    string `json:"version"`
	File       string `json:"file"`
}

// largestChart is how large a chart may be unpacked: the default of ARGOCD_REPO_SERVER_HELM_MANIFEST_MAX_EXTRACTED_SIZE.
const largestChart = 1 << 30

// chart unpacks the chart that a source names.
func (w *workshop) chart(source *v1alpha1.ApplicationSource) (*checkout, error) {
	archives := map[string]Chart{}
	var there []string
	for _, chart := range w.config.Charts {
		if isChart(chart, source) {
			there = append(there, chart.Version)
			archives[chart.Version] = chart
		}
	}
	version := chosen(source.TargetRevision, there)
	if version == "" {
		named := source.Chart
		if named == "" {
			named = "the artifact"
		}
		return nil, &Problem{Reason: noChart, Text: chartText(named, source.TargetRevision, source.RepoURL)}
	}
	return w.unpack(archives[version])
}

// isChart tells whether a source means a chart; one with an oci:// URL may name it by the last part of that.
func isChart(chart Chart, source *v1alpha1.ApplicationSource) bool {
	if chart.Repository == "" {
		url := strings.TrimRight(source.RepoURL, "/")
		return chart.Name == source.Chart || source.Chart == "" && chart.Name == url[strings.LastIndex(url, "/")+1:]
	}
	if source.Chart != "" {
		return chart.Name == source.Chart && sameCharts(chart.Repository, source.RepoURL)
	}
	return sameCharts(chart.Repository+"/"+chart.Name, source.RepoURL) || sameCharts(chart.Repository, source.RepoURL)
}

// sameCharts tells whether two URLs name the same repository of charts; OCI ones are written with and without a scheme.
func sameCharts(one, other string) bool {
	normal := func(url string) string {
		return strings.ToLower(strings.TrimRight(strings.TrimPrefix(url, "oci://"), "/"))
	}
	return normal(one) == normal(other)
}

// chosen returns which of some versions a revision means, or nothing: Argo CD takes the newest that a constraint allows, and leaves
// what is a version to `helm pull --version`, which takes it as it is written, else as a constraint.
func chosen(revision string, there []string) string {
	for _, version := range there {
		if version == revision {
			return version
		}
	}
	if !versions.IsVersion(revision) {
		newest, err := versions.MaxVersion(revision, there)
		if err != nil {
			return ""
		}
		return newest
	}
	constraint, err := semver.NewConstraint(revision)
	if err != nil {
		return ""
	}
	var newest *semver.Version
	for _, version := range there {
		parsed, err := semver.NewVersion(version)
		if err == nil && constraint.Check(parsed) && (newest == nil || parsed.GreaterThan(newest)) {
			newest = parsed
		}
	}
	if newest == nil {
		return ""
	}
	return newest.Original()
}

func (w *workshop) unpack(chart Chart) (*checkout, error) {
	w.unpacking.Lock()
	defer w.unpacking.Unlock()
	if found := w.unpacked[chart.File]; found != nil {
		return found, found.allowed()
	}
	directory, err := os.MkdirTemp("", "chart-")
	if err != nil {
		return nil, err
	}
	found, err := unpacked(filepath.Join(w.config.Confinement.Root, chart.File), directory, chart.Name)
	if err != nil {
		// What is left of one must not take the room of the others.
		_ = os.RemoveAll(directory)
		return nil, fmt.Errorf("the archive of chart %s %s cannot be unpacked: %w", chart.Name, chart.Version, err)
	}
	w.unpacked[chart.File] = found
	return found, found.allowed()
}

func unpacked(archive, directory, name string) (*checkout, error) {
	file, err := os.Open(archive)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	if err := files.Untgz(directory, file, largestChart, false); err != nil {
		return nil, err
	}
	return newCheckout(filepath.Join(directory, filepath.Base(name)))
}
