package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
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
)

// combined is how large the manifests of one Application may be together: the default of Argo CD's
// reposerver.max.combined.directory.manifests.size.
var combined = resource.MustParse("10M")

// workshop has what Applications are made of.
type workshop struct {
	config *Config
	// repositories are their copies by Argo CD's normal form of their URLs; of one there may be several revisions.
	repositories map[string][]*checkout
	apiVersions  []string
	// unpacked are the charts by their archives.
	unpacked  map[string]*checkout
	unpacking sync.Mutex
}

func newWorkshop(config *Config) (*workshop, error) {
	w := &workshop{
		config: config, repositories: map[string][]*checkout{},
		apiVersions: append(builtIn(), config.APIVersions...), unpacked: map[string]*checkout{},
	}
	for _, each := range config.Repositories {
		found, err := newCheckout(filepath.Join(config.Confinement.Root, each.Directory))
		if err != nil {
			return nil, err
		}
		found.revisions = each.Revisions
		for _, url := range each.URLs {
			name := git.NormalizeGitURL(url)
			w.repositories[name] = append(w.repositories[name], found)
		}
	}
	return w, nil
}

// repository returns a repository's copy at a revision: one of just that, else one that is taken for every revision.
func (w *workshop) repository(url, revision string) (*checkout, error) {
	if revision == "" {
		revision = "HEAD"
	}
	var found *checkout
	there := w.repositories[git.NormalizeGitURL(url)]
	for _, each := range there {
		if slices.Contains(each.revisions, revision) {
			return each, each.allowed()
		}
		if found == nil && len(each.revisions) == 0 {
			found = each
		}
	}
	switch {
	case found != nil:
		return found, found.allowed()
	case len(there) > 0:
		return nil, &Problem{Reason: noRepository, Text: url + " at " + revision}
	}
	return nil, &Problem{Reason: noRepository, Text: url}
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

// source renders one source, as GenerateManifest and runManifestGenAsync of Argo CD's reposerver/repository do.
func (w *workshop) source(application *v1alpha1.Application, source *v1alpha1.ApplicationSource, references v1alpha1.RefTargetRevisionMapping) (*Rendered, error) {
	several := application.Spec.HasMultipleSources()
	// The application controller leaves out options that say nothing, such as directory: {recurse: false}, so that they choose no type.
	source = argo.NormalizeSource(source.DeepCopy())
	if err := stated(source, several); err != nil {
		return nil, err
	}
	if source.Plugin != nil {
		return nil, &Problem{Reason: needsPlugin, Text: source.Plugin.Name}
	}
	if several && source.Path == "" && source.Chart == "" {
		// Argo CD renders nothing of a source that only lends its files; of a repository it still asks for the revision.
		if _, err := w.repository(source.RepoURL, source.TargetRevision); !source.IsOCI() && err != nil {
			return nil, err
		}
		return &Rendered{Type: "Ref"}, nil
	}
	from, directory, err := w.place(source)
	if err != nil {
		return nil, err
	}
	lenders, paths, err := w.lenders(source, references, several)
	if err != nil {
		return nil, err
	}
	defer taken(from, lenders, edits(source, directory))()
	restore, err := restored(directory)
	if err != nil {
		return nil, err
	}
	defer restore()
	response, err := repository.GenerateManifests(context.Background(), directory, from.directory, source.TargetRevision, &apiclient.ManifestRequest{
		Repo:               &v1alpha1.Repository{Repo: source.RepoURL},
		Revision:           source.TargetRevision,
		AppName:            application.InstanceName(w.config.Namespace),
		Namespace:          application.Spec.Destination.Namespace,
		ApplicationSource:  source,
		KubeVersion:        w.config.KubeVersion,
		ApiVersions:        w.apiVersions,
		KustomizeOptions:   &v1alpha1.KustomizeOptions{BuildOptions: w.config.BuildOptions},
		HelmOptions:        &v1alpha1.HelmOptions{},
		HasMultipleSources: several,
		RefSources:         references,
		ProjectName:        application.Spec.GetProject(),
		ProjectSourceRepos: []string{"*"},
	}, false, git.NoopCredsStore{}, combined, paths)
	if err != nil {
		return nil, explained(err, source, from, directory)
	}
	rendered := &Rendered{Type: response.SourceType, Manifests: make([]json.RawMessage, len(response.Manifests))}
	for index, manifest := range response.Manifests {
		rendered.Manifests[index] = json.RawMessage(manifest)
	}
	return rendered, nil
}

// stated checks that a source says where it is (validateSourcePermissions of Argo CD's util/argo).
func stated(source *v1alpha1.ApplicationSource, several bool) error {
	switch {
	case source.RepoURL == "" || source.Path == "" && source.Chart == "" && !(several && source.Ref != ""):
		return errors.New("spec.source.repoURL and either spec.source.path or spec.source.chart are required")
	case source.Chart != "" && source.TargetRevision == "":
		return errors.New("spec.source.targetRevision is required if the manifest source is a helm chart")
	}
	return nil
}

// place returns what a source is rendered from, and its directory there.
func (w *workshop) place(source *v1alpha1.ApplicationSource) (from *checkout, directory string, err error) {
	switch {
	case source.IsOCI():
		// Argo CD takes the chart's own directory for the root of an artifact.
		from, err = w.chart(source)
	case source.IsHelm():
		if from, err = w.chart(source); err != nil {
			return nil, "", err
		}
		return from, from.directory, nil
	default:
		from, err = w.repository(source.RepoURL, source.TargetRevision)
	}
	if err != nil {
		return nil, "", err
	}
	directory, err = path.Path(from.directory, source.Path)
	return from, directory, err
}

// lenders returns the repositories that a source's values come from (runManifestGenAsync), and where Argo CD's code finds them.
func (w *workshop) lenders(source *v1alpha1.ApplicationSource, references v1alpha1.RefTargetRevisionMapping, several bool) ([]*checkout, utilio.TempPaths, error) {
	paths := utilio.NewRandomizedTempPaths(os.TempDir())
	if source.Helm == nil {
		return nil, paths, nil
	}
	named := append([]string{}, source.Helm.ValueFiles...)
	for _, parameter := range source.Helm.FileParameters {
		named = append(named, parameter.Path)
	}
	var every []*checkout
	revisions := map[*checkout]string{}
	for _, each := range named {
		if parsed, err := url.Parse(each); err == nil && parsed.Scheme != "" {
			return nil, nil, &Problem{Reason: noRepository, Text: each}
		}
		if !several || !strings.HasPrefix(each, "$") {
			continue
		}
		name := strings.Split(each, "/")[0]
		target := references[name]
		if target == nil {
			return nil, nil, fmt.Errorf("source referenced %q, which is not one of the available sources", name)
		}
		if target.Chart != "" {
			return nil, nil, errors.New("source has a 'chart' field defined, but Helm charts are not yet not supported for 'ref' sources")
		}
		lender, err := w.repository(target.Repo.Repo, target.TargetRevision)
		if err != nil {
			return nil, nil, err
		}
		if revision, there := revisions[lender]; there && revision != target.TargetRevision {
			return nil, nil, fmt.Errorf("cannot reference multiple revisions for the same repository (%s references %q besides %q)", name, target.TargetRevision, revision)
		}
		revisions[lender] = target.TargetRevision
		paths.Add(git.NormalizeGitURL(target.Repo.Repo), lender.directory)
		every = append(every, lender)
	}
	return every, paths, nil
}
