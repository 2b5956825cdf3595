package main

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// GetDirectories returns the directories of a repository, as GetGitDirectories of Argo CD's reposerver/repository does.
func (w *workshop) GetDirectories(_ context.Context, url, _, _ string, _, _ bool) ([]string, error) {
	root, err := w.repository(url)
	if err != nil {
		return nil, err
	}
	var found []string
	err = filepath.WalkDir(root, func(name string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.IsDir() {
			return err
		}
		if strings.HasPrefix(entry.Name(), ".") {
			return filepath.SkipDir
		}
		if relative, err := filepath.Rel(root, name); err != nil {
			return err
		} else if relative != "." {
			found = append(found, relative)
		}
		return nil
	})
	return found, err
}

// GetFiles returns the files of a repository that a pattern means, which Argo CD leaves to `git ls-files -- PATTERN`.
func (w *workshop) GetFiles(_ context.Context, url, _, _, pattern string, _, _ bool) (map[string][]byte, error) {
	root, err := w.repository(url)
	if err != nil {
		return nil, err
	}
	meant, err := pathspec(pattern)
	if err != nil {
		return nil, err
	}
	found := map[string][]byte{}
	err = filepath.WalkDir(root, func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			if entry.Name() == ".git" {
				return filepath.SkipDir
			}
			return nil
		}
		relative, err := filepath.Rel(root, name)
		if err != nil || !meant.MatchString(relative) {
			return err
		}
		content, err := os.ReadFile(name)
		found[relative] = content
		return err
	})
	return found, err
}

// pathspec translates a pattern of `git ls-files` (gitglossary(7), pathspec): it names a file, a directory with all below it, or
// matches with wildcards, of which `*` also stands for slashes.
func pathspec(pattern string) (*regexp.Regexp, error) {
	pattern = strings.TrimPrefix(filepath.Clean(pattern), "/")
	var translated strings.Builder
	translated.WriteString(`\A(?s:`)
	for at := 0; at < len(pattern); at++ {
		switch sign := pattern[at]; sign {
		case '*':
			translated.WriteString(".*")
		case '?':
			translated.WriteString(".")
		case '\\':
			if at++; at < len(pattern) {
				translated.WriteString(regexp.QuoteMeta(pattern[at : at+1]))
			}
		case '[':
			end := strings.IndexByte(pattern[at+1:], ']')
			if end <= 0 {
				translated.WriteString(`\[`)
				continue
			}
			set := pattern[at+1 : at+1+end]
			if strings.HasPrefix(set, "!") {
				set = "^" + set[1:]
			}
			translated.WriteString("[" + strings.ReplaceAll(set, `[`, `\[`) + "]")
			at += end + 1
		default:
			translated.WriteString(regexp.QuoteMeta(pattern[at : at+1]))
		}
	}
	translated.WriteString(`)(/.*)?\z`)
	found, err := regexp.Compile(translated.String())
	if err != nil {
		return nil, fmt.Errorf("the pattern %q cannot be read: %w", pattern, err)
	}
	return found, nil
}
