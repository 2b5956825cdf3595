package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
)

// Everything but CAP_SYS_RESOURCE, as the machines have it that this program is for.
var limited = limits{bounding: 1<<41 - 1 - 1<<sysResource, oomScore: 100}

func TestParse(t *testing.T) {
	for _, test := range []struct {
		args []string
		want call
	}{
		{[]string{"--root", "/run/x", "--log=/l", "create", "--bundle", "/b", "id"}, call{"create", "/b", ""}},
		{[]string{"--log", "exec", "--systemd-cgroup", "run", "-b=/b", "id"}, call{"run", "/b", ""}},
		{[]string{"exec", "--process", "/p", "create"}, call{"exec", ".", "/p"}},
		{[]string{"state", "run"}, call{"state", ".", ""}},
		{[]string{"--version"}, call{"", ".", ""}},
	} {
		if got := parse(test.args); got != test.want {
			t.Errorf("parse(%q) = %+v, want %+v", test.args, got, test.want)
		}
	}
}

func write(t *testing.T, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func same(t *testing.T, path, want string) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var wanted object
	if err := json.Unmarshal([]byte(want), &wanted); err != nil {
		t.Fatal(err)
	}
	canonical, _ := json.Marshal(wanted)
	if string(data) != string(canonical) {
		t.Errorf("%s holds\n%s\nwant\n%s", path, data, canonical)
	}
}

func TestCreateDropsWhatCannotBeGranted(t *testing.T) {
	path := write(t, "config.json", `{"a":12345678901234567890,"process":{"args":["x"],"capabilities":`+
		`{"bounding":["CAP_CHOWN","CAP_SYS_RESOURCE"],"effective":["CAP_SYS_RESOURCE"]},"oomScoreAdj":-998}}`)
	if err := clamp(call{command: "create", bundle: filepath.Dir(path)}, limited); err != nil {
		t.Fatal(err)
	}
	same(t, path, `{"a":12345678901234567890,"process":{"args":["x"],"capabilities":{"bounding":["CAP_CHOWN"],`+
		`"effective":[]},"oomScoreAdj":100}}`)
}

func TestExecTreatsTheProcessFile(t *testing.T) {
	path := write(t, "process.json", `{"capabilities":{"bounding":["CAP_SYS_RESOURCE","CAP_KILL"]},"oomScoreAdj":900}`)
	if err := clamp(call{command: "exec", process: path}, limited); err != nil {
		t.Fatal(err)
	}
	same(t, path, `{"capabilities":{"bounding":["CAP_KILL"]},"oomScoreAdj":900}`)
}

func TestOtherCommandsTouchNoFile(t *testing.T) {
	if err := clamp(call{command: "delete", bundle: "/nonexistent"}, limited); err != nil {
		t.Error(err)
	}
}

func TestReadLimits(t *testing.T) {
	path := write(t, "status", "Name:\tx\nCapEff:\t0\nCapBnd:\t000001fffeffffff\n")
	if err := os.WriteFile(filepath.Join(filepath.Dir(path), "oom_score_adj"), []byte("-5\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	read, err := readLimits(filepath.Dir(path))
	if err != nil || read.unlimited() || read.oomScore != -5 || !read.grants("CAP_SYS_ADMIN") || read.grants("CAP_UNKNOWN") {
		t.Errorf("read %+v, %v", read, err)
	}
}
