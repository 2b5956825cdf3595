package main

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"sync"

	"github.com/argoproj/argo-cd/v3/pkg/apis/application/v1alpha1"
	"github.com/argoproj/argo-cd/v3/util/app/path"
)

// Repository is a copy of a Git repository, below the root directory.
type Repository struct {
	// URLs are its spellings; Argo CD takes `.git`, ssh and case for the same.
	URLs      []string `json:"urls"`
	Directory string   `json:"directory"`
	// Revisions are those that it has; without any it is taken for every one, as a working tree is.
	Revisions []string `json:"revisions"`
}

// checkout is a directory that Applications are rendered from: a repository's copy, or an unpacked chart.
type checkout struct {
	directory string
	// revisions are those that it is taken for; without any, every one.
	revisions []string
	// outside is the link that leads out of it, if there is one.
	outside error
	// files are what Git would have checked out; rendering may add others.
	files []string
	// using is held by those that read it, and alone by one that has a file of it edited.
	using sync.RWMutex
}

func newCheckout(directory string) (*checkout, error) {
	found := &checkout{directory: directory, outside: path.CheckOutOfBoundsSymlinks(directory)}
	err := filepath.WalkDir(directory, func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.Name() == ".git" {
			if entry.IsDir() {
				return filepath.SkipDir
			}
			return nil
		}
		if entry.IsDir() {
			return nil
		}
		relative, err := filepath.Rel(directory, name)
		found.files = append(found.files, relative)
		return err
	})
	return found, err
}

// allowed returns the error for a link that leads out of it, as Argo CD refuses such a repository or chart.
func (c *checkout) allowed() error {
	var link *path.OutOfBoundsSymlinkError
	if errors.As(c.outside, &link) {
		return &Problem{Reason: outside, Text: link.File}
	}
	return c.outside
}

// directories returns those that have files: Git knows no others. Argo CD leaves out hidden ones and what is in them.
func (c *checkout) directories() []string {
	found := map[string]bool{}
	for _, file := range c.files {
		for above := filepath.Dir(file); above != "." && !found[above]; above = filepath.Dir(above) {
			if !hidden(above) {
				found[above] = true
			}
		}
	}
	every := make([]string, 0, len(found))
	for name := range found {
		every = append(every, name)
	}
	sort.Strings(every)
	return every
}

func hidden(directory string) bool {
	return strings.HasPrefix(directory, ".") || strings.Contains(directory, "/.")
}

// taken takes checkouts for one Application and returns what gives them back: the first, which it is rendered from, for itself where
// Argo CD's code edits or adds files there.
func taken(first *checkout, others []*checkout, alone bool) func() {
	wanted := map[*checkout]bool{}
	for _, other := range others {
		wanted[other] = false
	}
	wanted[first] = alone
	every := make([]*checkout, 0, len(wanted))
	for each := range wanted {
		every = append(every, each)
	}
	// In one order, so that no two wait for each other.
	sort.Slice(every, func(i, j int) bool { return every[i].directory < every[j].directory })
	for _, each := range every {
		if wanted[each] {
			each.using.Lock()
		} else {
			each.using.RLock()
		}
	}
	return func() {
		for _, each := range every {
			if wanted[each] {
				each.using.Unlock()
			} else {
				each.using.RUnlock()
			}
		}
	}
}

// edits tells whether Argo CD's code edits or adds files in a source's directory: kustomize is asked to edit its file, also by what
// .argocd-source.yaml says, and helm packs the charts beside a chart into it.
func edits(source *v1alpha1.ApplicationSource, directory string) bool {
	if source.Kustomize != nil {
		return true
	}
	entries, err := os.ReadDir(directory)
	if err != nil {
		return true
	}
	for _, entry := range entries {
		switch name := entry.Name(); {
		case strings.HasPrefix(name, ".argocd-source"):
			return true
		case name == "Chart.yaml" || name == "requirements.yaml":
			content, err := os.ReadFile(filepath.Join(directory, name))
			if err != nil || bytes.Contains(content, []byte("file://")) {
				return true
			}
		}
	}
	return false
}

// kustomizations are the names that kustomize looks for.
var kustomizations = []string{"kustomization.yaml", "kustomization.yml", "Kustomization"}

// restored keeps a directory's kustomization and returns what puts it back as it was, as Argo CD does by checking out again.
func restored(directory string) (func(), error) {
	kept := map[string][]byte{}
	for _, name := range kustomizations {
		file := filepath.Join(directory, name)
		if found, err := os.Stat(file); err != nil || !found.Mode().IsRegular() {
			continue
		}
		content, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		kept[file] = content
	}
	return func() {
		for file, content := range kept {
			if now, err := os.ReadFile(file); err != nil || !bytes.Equal(now, content) {
				_ = os.WriteFile(file, content, 0o644)
			}
		}
	}, nil
}
