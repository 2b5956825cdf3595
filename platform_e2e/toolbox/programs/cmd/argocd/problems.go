package main

import (
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"sigs.k8s.io/yaml"

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
	// remote is how kustomize names what it would have fetched.
	remote = regexp.MustCompile(`accumulating resources from '([^']+)'|Get "([^"]+)"`)
	// pulled is how kustomize names a chart that it would have helm fetch: its URL or repository, its name, its version.
	pulled = regexp.MustCompile(`unable to run: '\S*helm pull ([^']*)'`)
	// asked are the words of a command that say what the cluster has, a hundred of them.
	asked = regexp.MustCompile(`(?: --(?:helm-)?api-versions \S+)+`)
	// offline is what a program says that would have reached a network.
	offline = regexp.MustCompile(`no 'git' program on path|URL is a git repository|socket: permission denied|socket: operation not permitted|network is unreachable`)
	// exhausted is what a program says that had no memory left.
	exhausted = regexp.MustCompile(`out of memory|cannot allocate memory`)
)

// explained returns what Argo CD's error is about: it was rendered without a network, without Git and with little memory.
func explained(err error, source *v1alpha1.ApplicationSource, from *checkout, directory string) error {
	text := err.Error()
	switch {
	case source.Plugin != nil:
		// .argocd-source.yaml may have named it.
		return &Problem{Reason: needsPlugin, Text: source.Plugin.Name}
	case exhausted.MatchString(text):
		return &Problem{Reason: tooMuch, Text: "a program that it is rendered with had no memory left"}
	case strings.Contains(text, "error building helm chart dependencies"):
		if missing := lacking(directory); missing != "" && !strings.Contains(text, "out of sync") {
			return &Problem{Reason: noChart, Text: missing}
		}
	case pulled.MatchString(text):
		return &Problem{Reason: noChart, Text: chartPulled(pulled.FindStringSubmatch(text)[1])}
	case offline.MatchString(text):
		return &Problem{Reason: noRepository, Text: fetched(text, directory)}
	}
	// As Argo CD's own API names it, without the place of its copy.
	text = asked.ReplaceAllString(text, "")
	text = strings.ReplaceAll(text, directory+"/", "")
	text = strings.ReplaceAll(text, from.directory+"/", "")
	return errors.New(strings.ReplaceAll(text, from.directory, "."))
}

// fetched names what kustomize would have fetched. Of a component it does not say, which then is one that is not beside it.
func fetched(text, directory string) string {
	if named := remote.FindAllStringSubmatch(text, -1); named != nil {
		if last := named[len(named)-1]; !strings.Contains(text, "accumulating components") {
			return last[1] + last[2]
		}
	}
	for _, name := range kustomizations {
		content, err := os.ReadFile(filepath.Join(directory, name))
		if err != nil {
			continue
		}
		var kustomization struct {
			Components []string `json:"components"`
		}
		if yaml.Unmarshal(content, &kustomization) != nil {
			continue
		}
		for _, component := range kustomization.Components {
			if _, err := os.Stat(filepath.Join(directory, component)); err != nil {
				return component
			}
		}
	}
	return "a component of kustomize"
}

// chartPulled names a chart by the words that follow `helm pull`, as the chart of a source is named.
func chartPulled(words string) string {
	options := map[string]string{}
	var names []string
	fields := strings.Fields(words)
	for at := 0; at < len(fields); at++ {
		switch option := fields[at]; {
		case option == "--untar" || option == "--devel":
		case strings.HasPrefix(option, "--") && at+1 < len(fields):
			at++
			options[option] = fields[at]
		default:
			names = append(names, option)
		}
	}
	name, repository := strings.Join(names, " "), options["--repo"]
	if end := strings.LastIndex(name, "/"); end >= 0 && repository == "" {
		name, repository = name[end+1:], name[:end]
	}
	return chartText(name, options["--version"], repository)
}

func chartText(name, version, repository string) string {
	return strings.Join(strings.Fields(name+" "+version+" of "+repository), " ")
}

// lacking names the charts that a chart depends on and does not have, and that are not beside it.
func lacking(directory string) string {
	var missing []string
	for _, file := range []string{"Chart.yaml", "requirements.yaml"} {
		content, err := os.ReadFile(filepath.Join(directory, file))
		if err != nil {
			continue
		}
		var chart struct {
			Dependencies []struct{ Name, Version, Repository string } `json:"dependencies"`
		}
		if yaml.Unmarshal(content, &chart) != nil {
			continue
		}
		for _, needed := range chart.Dependencies {
			there, _ := filepath.Glob(filepath.Join(escaped(directory), "charts", escaped(needed.Name)+"*"))
			if len(there) == 0 && !strings.HasPrefix(needed.Repository, "file://") {
				missing = append(missing, chartText(needed.Name, needed.Version, needed.Repository))
			}
		}
	}
	return strings.Join(missing, ", ")
}

// escaped returns a path as a pattern that matches it only.
func escaped(path string) string {
	return regexp.MustCompile(`[*?\[\\]`).ReplaceAllString(path, `\$0`)
}
