package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/bmatcuk/doublestar/v4"
)

// GetDirectories returns the directories of a repository, as GetGitDirectories of Argo CD's reposerver/repository does.
func (w *workshop) GetDirectories(_ context.Context, url, revision, _ string, _, _ bool) ([]string, error) {
	found, err := w.repository(url, revision)
	if err != nil {
		return nil, err
	}
	return found.directories(), nil
}

// GetFiles returns the files of a repository that a pattern means (GetGitFiles of Argo CD's reposerver/repository).
func (w *workshop) GetFiles(_ context.Context, url, revision, _, pattern string, _, _ bool) (map[string][]byte, error) {
	found, err := w.repository(url, revision)
	if err != nil {
		return nil, err
	}
	meant := matched
	if w.config.NewFileGlobbing {
		meant = globbed
	}
	names, err := meant(found, pattern)
	if err != nil {
		return nil, err
	}
	found.using.RLock()
	defer found.using.RUnlock()
	contents := map[string][]byte{}
	for _, name := range names {
		if contents[name], err = os.ReadFile(filepath.Join(found.directory, name)); err != nil {
			return nil, err
		}
	}
	return contents, nil
}

// matched returns the files that `git ls-files -- PATTERN` would.
func matched(found *checkout, pattern string) ([]string, error) {
	meant, err := newPathspec(pattern)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, file := range found.files {
		if meant.matches(file) {
			names = append(names, file)
		}
	}
	return names, nil
}

// globbed returns the files by the globs that argocd-cmd-params-cm chooses with
// applicationsetcontroller.enable.new.git.file.globbing (LsFiles of Argo CD's util/git).
func globbed(found *checkout, pattern string) ([]string, error) {
	every, err := doublestar.FilepathGlob(filepath.Join(found.directory, pattern))
	if err != nil {
		return nil, fmt.Errorf("the pattern %q cannot be read: %w", pattern, err)
	}
	var names []string
	for _, file := range every {
		target, err := filepath.EvalSymlinks(file)
		if err != nil {
			return nil, err
		}
		if target != found.directory && !strings.HasPrefix(target, strings.TrimSuffix(found.directory, "/")+"/") {
			continue
		}
		relative, err := filepath.Rel(found.directory, file)
		if err != nil {
			return nil, err
		}
		names = append(names, relative)
	}
	return names, nil
}
