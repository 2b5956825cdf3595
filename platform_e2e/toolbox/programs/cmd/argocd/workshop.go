package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/argoproj/argo-cd/v3/pkg/apis/application/v1alpha1"
	"github.com/argoproj/argo-cd/v3/reposerver/apiclient"
	"github.com/argoproj/argo-cd/v3/reposerver/repository"
	"github.com/argoproj/argo-cd/v3/util/app/path"
	"github.com/argoproj/argo-cd/v3/util/argo"
	"github.com/argoproj/argo-cd/v3/util/git"
	utilio "github.com/argoproj/argo-cd/v3/util/io"
	"github.com/argoproj/argo-cd/v3/util/io/files"
	"github.com/argoproj/argo-cd/v3/util/versions"
)

// Repository is a copy of a Git repository, below the root directory.
type Repository struct {
	// URLs are its spellings; Argo CD takes `.git`, ssh and case for the same.
	URLs      []string `json:"urls"`
	Directory string   `json:"directory"`
}

// Chart is an archive of a chart, below the root directory.
type Chart struct {
	Repository string `json:"repository"`
	Name       string `json:"name"`
	Version    string `json:"version"`
	File       string `json:"file"`
}

// combined is how large the manifests of one Application may be together: the default of Argo CD's
// reposerver.max.combined.directory.manifests.size.
var combined = resource.MustParse("10M")

// largestChart is how large a chart may be unpacked: the default of ARGOCD_REPO_SERVER_HELM_MANIFEST_MAX_EXTRACTED_SIZE.
const largestChart = 1 << 30

// workshop has what Applications are made of.
type workshop struct {
	config *Config
	// repositories are their directories by Argo CD's normal form of their URLs.
	repositories map[string]string
	// links are the errors of those repositories that have links out of themselves.
	links map[string]error
	paths utilio.TempPaths
	// using has a lock for each directory: kustomize is asked to edit what is in it.
	using    map[string]*sync.Mutex
	unpacked map[string]string
	mutex    sync.Mutex
}

func newWorkshop(config *Config) *workshop {
	w := &workshop{
		config: config, repositories: map[string]string{}, links: map[string]error{},
		paths: utilio.NewRandomizedTempPaths(os.TempDir()), using: map[string]*sync.Mutex{}, unpacked: map[string]string{},
	}
	for _, each := range config.Repositories {
		directory := filepath.Join(config.Confinement.Root, each.Directory)
		for _, url := range each.URLs {
			w.repositories[git.NormalizeGitURL(url)] = directory
			w.paths.Add(git.NormalizeGitURL(url), directory)
		}
		w.links[directory] = path.CheckOutOfBoundsSymlinks(directory)
	}
	return w
}

// repository returns the directory of a repository's copy.
func (w *workshop) repository(url string) (string, error) {
	directory := w.repositories[git.NormalizeGitURL(url)]
	if directory == "" {
		return "", &Problem{Reason: noRepository, Text: url}
	}
	var link *path.OutOfBoundsSymlinkError
	if err := w.links[directory]; errors.As(err, &link) {
		return "", &Problem{Reason: outside, Text: link.File}
	} else if err != nil {
		return "", err
	}
	return directory, nil
}

func (w *workshop) application(object json.RawMessage) ([]Rendered, error) {
	var application v1alpha1.Application
	if err := json.Unmarshal(object, &application); err != nil {
		return nil, &Problem{Reason: badShape, Text: err.Error()}
	}
	if application.Namespace == "" {
		application.Namespace = w.config.Namespace
	}
	if application.Spec.SourceHydrator != nil {
		return nil, &Problem{Reason: needsPlugin, Text: "the source hydrator"}
	}
	sources := application.Spec.GetSources()
	references, err := argo.GetRefSources(context.Background(), sources, application.Spec.Project, known, nil)
	if err != nil {
		return nil, err
	}
	var every []Rendered
	for index, source := range sources {
		if source.Ref != "" && source.Path == "" && source.Chart == "" {
			// Argo CD renders nothing of a source that only lends its files.
			every = append(every, Rendered{Type: "Ref"})
			continue
		}
		rendered, err := w.source(&application, source.DeepCopy(), references)
		if err != nil {
			problem := problemOf(err)
			problem.Source = index
			return nil, problem
		}
		every = append(every, *rendered)
	}
	return every, nil
}

// known returns a repository without credentials: nothing is fetched.
func known(_ context.Context, url, _ string) (*v1alpha1.Repository, error) {
	return &v1alpha1.Repository{Repo: url}, nil
}

func (w *workshop) source(application *v1alpha1.Application, source *v1alpha1.ApplicationSource, references v1alpha1.RefTargetRevisionMapping) (*Rendered, error) {
	if source.Plugin != nil {
		return nil, &Problem{Reason: needsPlugin, Text: source.Plugin.Name}
	}
	root, directory, err := w.place(source)
	if err != nil {
		return nil, err
	}
	if err := w.lent(source, references); err != nil {
		return nil, err
	}
	done, err := w.restored(directory)
	if err != nil {
		return nil, err
	}
	defer done()
	response, err := repository.GenerateManifests(context.Background(), directory, root, source.TargetRevision, &apiclient.ManifestRequest{
		Repo:               &v1alpha1.Repository{Repo: source.RepoURL},
		Revision:           source.TargetRevision,
		AppName:            application.InstanceName(w.config.Namespace),
		Namespace:          application.Spec.Destination.Namespace,
		ApplicationSource:  source,
		KubeVersion:        w.config.KubeVersion,
		ApiVersions:        w.config.APIVersions,
		KustomizeOptions:   &v1alpha1.KustomizeOptions{BuildOptions: w.config.BuildOptions},
		HelmOptions:        &v1alpha1.HelmOptions{},
		HasMultipleSources: application.Spec.HasMultipleSources(),
		RefSources:         references,
		ProjectName:        application.Spec.GetProject(),
		ProjectSourceRepos: []string{"*"},
	}, false, git.NoopCredsStore{}, combined, w.paths)
	if err != nil {
		return nil, err
	}
	rendered := &Rendered{Type: response.SourceType, Manifests: make([]json.RawMessage, len(response.Manifests))}
	for index, manifest := range response.Manifests {
		rendered.Manifests[index] = json.RawMessage(manifest)
	}
	return rendered, nil
}

// place returns where a source's repository and the source itself are.
func (w *workshop) place(source *v1alpha1.ApplicationSource) (root, directory string, err error) {
	if source.IsHelm() {
		directory, err = w.chart(source)
		return directory, directory, err
	}
	if root, err = w.repository(source.RepoURL); err != nil {
		return "", "", err
	}
	directory, err = path.Path(root, source.Path)
	return root, directory, err
}

// lent checks that what a source's values come from is there (runManifestGenAsync of Argo CD's reposerver/repository).
func (w *workshop) lent(source *v1alpha1.ApplicationSource, references v1alpha1.RefTargetRevisionMapping) error {
	if source.Helm == nil {
		return nil
	}
	named := append([]string{}, source.Helm.ValueFiles...)
	for _, parameter := range source.Helm.FileParameters {
		named = append(named, parameter.Path)
	}
	for _, each := range named {
		if !strings.HasPrefix(each, "$") {
			continue
		}
		name := strings.Split(each, "/")[0]
		target := references[name]
		if target == nil {
			return fmt.Errorf("source referenced %q, which is not one of the available sources", name)
		}
		if target.Chart != "" {
			return errors.New("source has a 'chart' field defined, but Helm charts are not yet not supported for 'ref' sources")
		}
		if _, err := w.repository(target.Repo.Repo); err != nil {
			return err
		}
	}
	return nil
}

// restored takes a directory for one Application and returns what gives it back as it was: Argo CD has kustomize edit its file
// and then checks the repository out again.
func (w *workshop) restored(directory string) (func(), error) {
	w.mutex.Lock()
	lock := w.using[directory]
	if lock == nil {
		lock = &sync.Mutex{}
		w.using[directory] = lock
	}
	w.mutex.Unlock()
	lock.Lock()
	kept := map[string][]byte{}
	for _, name := range []string{"kustomization.yaml", "kustomization.yml", "Kustomization"} {
		content, err := os.ReadFile(filepath.Join(directory, name))
		if err == nil {
			kept[filepath.Join(directory, name)] = content
		} else if !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrInvalid) {
			lock.Unlock()
			return nil, err
		}
	}
	return func() {
		defer lock.Unlock()
		for file, content := range kept {
			if now, err := os.ReadFile(file); err != nil || string(now) != string(content) {
				_ = os.WriteFile(file, content, 0o644)
			}
		}
	}, nil
}

// chart unpacks the chart that a source names and returns its directory.
func (w *workshop) chart(source *v1alpha1.ApplicationSource) (string, error) {
	var there []string
	archives := map[string]string{}
	for _, chart := range w.config.Charts {
		if chart.Name == source.Chart && sameRepository(chart.Repository, source.RepoURL) {
			there = append(there, chart.Version)
			archives[strings.TrimPrefix(chart.Version, "v")] = filepath.Join(w.config.Confinement.Root, chart.File)
		}
	}
	version, err := versions.MaxVersion(source.TargetRevision, there)
	if err == nil {
		if archive := archives[strings.TrimPrefix(version, "v")]; archive != "" {
			return w.unpack(archive, source.Chart)
		}
	}
	return "", &Problem{Reason: noChart, Text: fmt.Sprintf("%s %s of %s", source.Chart, source.TargetRevision, source.RepoURL)}
}

func (w *workshop) unpack(archive, name string) (string, error) {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	if directory := w.unpacked[archive]; directory != "" {
		return directory, nil
	}
	directory, err := os.MkdirTemp("", "chart-")
	if err != nil {
		return "", err
	}
	file, err := os.Open(archive)
	if err != nil {
		return "", err
	}
	defer file.Close()
	if err := files.Untgz(directory, file, largestChart, false); err != nil {
		return "", fmt.Errorf("the archive of chart %s cannot be unpacked: %w", name, err)
	}
	found := filepath.Join(directory, filepath.Base(name))
	if err := path.CheckOutOfBoundsSymlinks(found); err != nil {
		return "", err
	}
	w.unpacked[archive] = found
	return found, nil
}

// sameRepository tells whether two URLs name the same repository of charts; OCI ones are written with and without a scheme.
func sameRepository(one, other string) bool {
	normal := func(url string) string {
		return strings.ToLower(strings.TrimSuffix(strings.TrimPrefix(url, "oci://"), "/"))
	}
	return normal(one) == normal(other)
}

func problemOf(err error) *Problem {
	var problem *Problem
	if errors.As(err, &problem) {
		return problem
	}
	return &Problem{Reason: unrendered, Text: err.Error()}
}
