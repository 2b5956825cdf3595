package main

import (
	"errors"
	"regexp"
	"strings"

	"github.com/argoproj/argo-cd/v3/pkg/apis/application/v1alpha1"
)

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
	tooMuch      = "memory"     // one of its programs had no memory left, or it became too large
)

// longest is how much of an error is told: of a program that crashed, it has the state of every thread.
const longest = 8 << 10

func (problem *Problem) Error() string { return problem.Text }

func problemOf(err error) *Problem {
	var problem *Problem
	if errors.As(err, &problem) {
		return problem
	}
	text := err.Error()
	if len(text) > longest {
		text = strings.ToValidUTF8(text[:longest], "") + " ..."
	}
	return &Problem{Reason: unrendered, Text: text}
}

var (
	// remote is how kustomize names a base that it would have Git fetch.
	remote = regexp.MustCompile(`(?:accumulating resources from|accumulation err='accumulating resources from) '([^']+)'`)
	// pulled is how kustomize names a chart that it would have helm fetch.
	pulled = regexp.MustCompile(`unable to run: '(\S*helm) pull ([^']*)'`)
	// lacking is how helm names the charts that a chart needs and does not have.
	lacking = regexp.MustCompile(`missing in charts/ directory: ([^\n]+)`)
)

// explained returns what Argo CD's error is about: it was rendered without a network, without Git and with little memory.
func explained(err error, source *v1alpha1.ApplicationSource, from *checkout, directory string) error {
	text := err.Error()
	about := func(reason, said string) error {
		return &Problem{Reason: reason, Text: problemOf(errors.New(said)).Text}
	}
	switch {
	case source.Plugin != nil:
		// .argocd-source.yaml may have named it.
		return about(needsPlugin, source.Plugin.Name)
	case strings.Contains(text, "out of memory") || strings.Contains(text, "cannot allocate memory"):
		return about(tooMuch, "a program that it is rendered with had no memory left")
	case strings.Contains(text, "no 'git' program on path") || strings.Contains(text, "URL is a git repository"):
		if named := remote.FindAllStringSubmatch(text, -1); named != nil {
			return about(noRepository, named[len(named)-1][1])
		}
	case strings.Contains(text, "error building helm chart dependencies"):
		return about(noChart, text)
	}
	if named := pulled.FindStringSubmatch(text); named != nil {
		return about(noChart, named[2])
	}
	// As Argo CD's own API names it, without the place of its copy.
	text = strings.ReplaceAll(text, directory+"/", "")
	text = strings.ReplaceAll(text, from.directory+"/", "")
	return errors.New(strings.ReplaceAll(text, from.directory, "."))
}
