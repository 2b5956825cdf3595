package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"sort"
	"strings"
	"sync"
	"testing"

	"github.com/argoproj/argo-cd/v3/pkg/apis/application/v1alpha1"
)

// written makes files below a new directory, by their paths.
func written(t *testing.T, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for name, content := range files {
		file := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func content(t *testing.T, file string) string {
	t.Helper()
	found, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(found)
}

// What Git 2.39 says: `git ls-files -- PATTERN` in a repository of these files.
func TestAPatternMeansWhatGitTakesItFor(t *testing.T) {
	files := []string{"a", "ab", "apps/[x].yaml", "apps/a/config.json", "apps/a/deep/config.json", "apps/b.yaml", "apps/z*", "config.json", "x-y"}
	for pattern, want := range map[string]string{
		".":                   "a ab apps/[x].yaml apps/a/config.json apps/a/deep/config.json apps/b.yaml apps/z* config.json x-y",
		"apps":                "apps/[x].yaml apps/a/config.json apps/a/deep/config.json apps/b.yaml apps/z*",
		"apps/":               "apps/[x].yaml apps/a/config.json apps/a/deep/config.json apps/b.yaml apps/z*",
		"./apps/a":            "apps/a/config.json apps/a/deep/config.json",
		"apps/../apps/b.yaml": "apps/b.yaml",
		"apps/*.json":         "apps/a/config.json apps/a/deep/config.json",
		"apps/**/config.json": "apps/a/config.json apps/a/deep/config.json",
		"**/config.json":      "apps/a/config.json apps/a/deep/config.json",
		"*config.json":        "apps/a/config.json apps/a/deep/config.json config.json",
		"apps/?":              "",
		"?":                   "a",
		"a?":                  "ab",
		"apps/[x].yaml":       "apps/[x].yaml",
		"apps/[ab].yaml":      "apps/b.yaml",
		"apps/[!a].yaml":      "apps/b.yaml",
		"apps/[[:alpha:]].y*": "apps/b.yaml",
		"apps/[a-c].yaml":     "apps/b.yaml",
		"x[]-]y":              "x-y",
		`apps/z\*`:            "apps/z*",
		"apps/z*":             "apps/z*",
		"apps/[x":             "",
		"APPS/*":              "",
		"app":                 "",
	} {
		found, err := matched(&checkout{files: files}, pattern)
		if err != nil {
			t.Errorf("%q: %v", pattern, err)
		} else if got := strings.Join(found, " "); got != want {
			t.Errorf("%q: got %q, want %q", pattern, got, want)
		}
	}
	for _, pattern := range []string{"/apps/b.yaml", "../a", "apps/../../a", ":(glob)apps/*"} {
		if _, err := matched(&checkout{files: files}, pattern); err == nil {
			t.Errorf("%q must be an error", pattern)
		}
	}
}

func TestFilesAndDirectoriesAreThoseThatGitHas(t *testing.T) {
	root := written(t, map[string]string{
		"apps/a/x.yaml": "", "apps/.hidden/b/x.yaml": "", ".github/w/x.yaml": "", "apps/only-hidden/.keep": "", "x.yaml": "",
	})
	if err := os.MkdirAll(filepath.Join(root, "empty", "deep"), 0o755); err != nil {
		t.Fatal(err)
	}
	found, err := newCheckout(root)
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"apps", "apps/a", "apps/only-hidden"}; !reflect.DeepEqual(found.directories(), want) {
		t.Errorf("got %q", found.directories())
	}
	// What rendering has added is not there.
	if err := os.WriteFile(filepath.Join(root, "apps", "a", "Chart.lock"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if files, _ := matched(found, "apps/a/*"); !reflect.DeepEqual(files, []string{"apps/a/x.yaml"}) {
		t.Errorf("got %q", files)
	}
}

func TestNewGlobsAreThoseOfDoublestar(t *testing.T) {
	root, err := filepath.EvalSymlinks(written(t, map[string]string{"apps/a/config.json": "", "apps/a/deep/config.json": "", "config.json": ""}))
	if err != nil {
		t.Fatal(err)
	}
	for pattern, want := range map[string]string{
		"apps/*/config.json":  "apps/a/config.json",
		"apps/**/config.json": "apps/a/config.json apps/a/deep/config.json",
		"/config.json":        "config.json",
	} {
		found, err := globbed(&checkout{directory: root}, pattern)
		sort.Strings(found)
		if got := strings.Join(found, " "); err != nil || got != want {
			t.Errorf("%q: got %q, %v", pattern, got, err)
		}
	}
}

func TestAVersionOfAChartIsChosenAsHelmAndArgoCDDo(t *testing.T) {
	there := []string{"1.2.3", "1.2.10", "v1.3.0", "2.0.0-rc.1", "odd"}
	for revision, want := range map[string]string{
		"1.2.3":    "1.2.3",
		"v1.2.3":   "1.2.3",
		"1.3.0":    "v1.3.0",
		"1.2":      "1.2.10",
		"1":        "v1.3.0",
		"~1.2.0":   "1.2.10",
		"1.x":      "v1.3.0",
		"*":        "v1.3.0",
		">=2.0.0":  "",
		"^2.0.0-0": "2.0.0-rc.1",
		"odd":      "odd",
		"even":     "",
		"3.0.0":    "",
	} {
		if got := chosen(revision, there); got != want {
			t.Errorf("%q: got %q, want %q", revision, got, want)
		}
	}
}

func TestAChartIsFoundByEverySpellingOfItsRepository(t *testing.T) {
	plain := Chart{Repository: "https://charts.example/stable/", Name: "web"}
	artifact := Chart{Repository: "oci://ghcr.io/team/charts", Name: "web"}
	for _, each := range []struct {
		chart  Chart
		source v1alpha1.ApplicationSource
		want   bool
	}{
		{plain, v1alpha1.ApplicationSource{RepoURL: "https://charts.example/stable", Chart: "web"}, true},
		{plain, v1alpha1.ApplicationSource{RepoURL: "https://charts.example/stable", Chart: "other"}, false},
		{plain, v1alpha1.ApplicationSource{RepoURL: "https://charts.example", Chart: "web"}, false},
		{artifact, v1alpha1.ApplicationSource{RepoURL: "ghcr.io/team/charts", Chart: "web"}, true},
		{artifact, v1alpha1.ApplicationSource{RepoURL: "oci://ghcr.io/team/charts/web", Path: "."}, true},
		{artifact, v1alpha1.ApplicationSource{RepoURL: "oci://ghcr.io/team/charts/other", Path: "."}, false},
	} {
		if got := isChart(each.chart, &each.source); got != each.want {
			t.Errorf("%v for %v: got %v", each.chart, each.source, got)
		}
	}
}

func TestAChartWithoutARepositoryIsTakenForThatOfEach(t *testing.T) {
	given := Chart{Name: "web"}
	for want, sources := range map[bool][]v1alpha1.ApplicationSource{
		true:  {{RepoURL: "https://charts.example", Chart: "web"}, {RepoURL: "oci://ghcr.io/team/web"}},
		false: {{RepoURL: "https://charts.example", Chart: "other"}, {RepoURL: "oci://ghcr.io/web/other"}},
	} {
		for _, source := range sources {
			if got := isChart(given, &source); got != want {
				t.Errorf("%v: got %v, want %v", source, got, want)
			}
		}
	}
}

func TestARevisionIsOneOfJustThatElseOfACopyForAll(t *testing.T) {
	every, pinned := &checkout{directory: "every"}, &checkout{directory: "pinned", revisions: []string{"v1", "HEAD"}}
	w := &workshop{repositories: map[string][]*checkout{
		"https://git.example/both": {every, pinned}, "https://git.example/pinned": {pinned},
	}}
	for asked, want := range map[[2]string]string{
		{"https://git.example/both.git", "v1"}: "pinned",
		{"https://git.example/both", ""}:       "pinned",
		{"https://git.example/both", "v2"}:     "every",
		{"https://git.example/pinned", "HEAD"}: "pinned",
		{"https://git.example/pinned", "v2"}:   "",
		{"https://git.example/none", "v1"}:     "",
	} {
		found, err := w.repository(asked[0], asked[1])
		if (found == nil) != (want == "") || (err == nil) != (want != "") || found != nil && found.directory != want {
			t.Errorf("%v: got %v, %v, want %q", asked, found, err, want)
		}
	}
}

func TestChartsAreServedFromACommit(t *testing.T) {
	directory := t.TempDir()
	run := func(stdin string, words ...string) {
		command := exec.Command("git", append([]string{"-C", directory}, words...)...)
		command.Stdin = strings.NewReader(stdin)
		if said, err := command.CombinedOutput(); err != nil {
			t.Fatalf("git %v: %v: %s", words, err, said)
		}
	}
	run("", "init", "--quiet", "--bare", "--initial-branch=main")
	run("commit refs/heads/main\ncommitter x <x@x> 0 +0000\ndata 0\nM 644 inline a/index.yaml\ndata 2\nx\n\n", "fast-import", "--quiet")
	for path, want := range map[string]int{"/a/index.yaml": 200, "/a/../a/index.yaml": 200, "/a": 404, "/none": 404, "/../HEAD": 404} {
		answer := httptest.NewRecorder()
		committed(directory).ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "http://charts"+path, nil))
		if answer.Code != want {
			t.Errorf("%s: got %d, want %d", path, answer.Code, want)
		}
	}
}

func TestAnEditedKustomizationIsPutBack(t *testing.T) {
	root := written(t, map[string]string{"kustomization.yml": "# ours\nresources: []\n", "other.yaml": "a"})
	restore, err := restored(root)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(root, "kustomization.yml"), []byte("namePrefix: a-\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	restore()
	if got := content(t, filepath.Join(root, "kustomization.yml")); got != "# ours\nresources: []\n" {
		t.Errorf("got %q", got)
	}
	if _, err := restored(filepath.Join(root, "none")); err != nil {
		t.Error(err)
	}
}

func TestOneThatIsEditedIsTakenAlone(t *testing.T) {
	root := written(t, map[string]string{
		"plain/x.yaml": "", "overridden/.argocd-source-web.yaml": "", "all/.argocd-source.yaml": "",
		"beside/Chart.yaml": "dependencies: [{name: a, repository: 'file://../a'}]", "chart/Chart.yaml": "name: a",
	})
	for directory, want := range map[string]bool{"plain": false, "overridden": true, "all": true, "beside": true, "chart": false} {
		if got := edits(&v1alpha1.ApplicationSource{}, filepath.Join(root, directory)); got != want {
			t.Errorf("%s: got %v", directory, got)
		}
	}
	if !edits(&v1alpha1.ApplicationSource{Kustomize: &v1alpha1.ApplicationSourceKustomize{}}, filepath.Join(root, "plain")) {
		t.Error("kustomize edits its file")
	}
	one, other := &checkout{directory: "/a"}, &checkout{directory: "/b"}
	// Two that lend to each other, many times: no order of locks may end in a deadlock.
	var working sync.WaitGroup
	inside := 0
	for range 200 {
		working.Go(func() { taken(one, []*checkout{other, one}, true)() })
		working.Go(func() {
			give := taken(other, []*checkout{one}, true)
			inside++
			give()
		})
	}
	working.Wait()
	if inside != 200 {
		t.Errorf("got %d", inside)
	}
}

func TestWhatIsLackingIsNamed(t *testing.T) {
	root := written(t, map[string]string{
		"chart/Chart.yaml": "dependencies:\n- {name: a, version: 1.0.0, repository: https://c.example}\n" +
			"- {name: b, version: 2.x, repository: 'oci://r.example/x'}\n- {name: c, repository: 'file://../c'}\n",
		"chart/charts/a-1.0.0.tgz": "",
	})
	if got := lacking(filepath.Join(root, "chart")); got != "b 2.x of oci://r.example/x" {
		t.Errorf("got %q", got)
	}
	for words, want := range map[string]string{
		"--untar --untardir /repositories/0/charts --repo https://c.example a --version 1.0.0": "a 1.0.0 of https://c.example",
		"--untar --untardir /x oci://r.example/x/b --version 2":                                "b 2 of oci://r.example/x",
	} {
		if got := chartPulled(words); got != want {
			t.Errorf("%q: got %q", words, got)
		}
	}
}

func TestAGeneratorThatAsksOthersIsFoundAtEveryDepth(t *testing.T) {
	for text, want := range map[string]string{
		`[{"list": {"elements": []}}, {"git": {"repoURL": "x"}}]`:                           "",
		`[{"scmProvider": {}}]`:                                                             "scmProvider",
		`[{"matrix": {"generators": [{"list": {}}, {"pullRequest": {}}]}}]`:                 "pullRequest",
		`[{"merge": {"generators": [{"matrix": {"generators": [{"plugin": {}}]}}]}}]`:       "plugin",
		`[{"matrix": {"generators": [{"clusters": {}}, {"clusterDecisionResource": {}}]}}]`: "clusterDecisionResource",
	} {
		var every []v1alpha1.ApplicationSetGenerator
		if err := json.Unmarshal([]byte(text), &every); err != nil {
			t.Fatal(err)
		}
		if got := otherGenerator(every); got != want {
			t.Errorf("%s: got %q, want %q", text, got, want)
		}
	}
}

func TestChartsAreToldWhatAClusterServesByDefault(t *testing.T) {
	there := map[string]bool{}
	for _, name := range builtIn() {
		there[name] = true
	}
	for _, name := range []string{"v1", "v1/Service", "apps/v1/Deployment", "policy/v1/PodDisruptionBudget", "apiextensions.k8s.io/v1/CustomResourceDefinition"} {
		if !there[name] {
			t.Errorf("%s is missing", name)
		}
	}
	for _, name := range []string{"policy/v1beta1", "extensions/v1beta1/Ingress", "v1/ListOptions", "v1/Binding", "v1/ComponentStatus", "v1/Status", "v1/APIGroup", "autoscaling/v1/Scale", "policy/v1/Eviction", "authentication.k8s.io/v1/TokenReview"} {
		if there[name] {
			t.Errorf("%s is not served, or cannot be watched", name)
		}
	}
}
