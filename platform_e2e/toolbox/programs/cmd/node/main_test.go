package main

import (
	"encoding/json"
	"net"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"
)

const v1Mounts = `30 22 0:26 / /sys/fs/cgroup rw - tmpfs tmpfs rw
35 30 0:31 / /sys/fs/cgroup/cpu,cpuacct rw shared:15 - cgroup cgroup rw,cpu,cpuacct
36 30 0:32 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,name=systemd
37 30 0:33 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw
`

const v1Home = "4:cpu,cpuacct:/user.slice\n1:name=systemd:/user.slice/session-1.scope\n0::/user.slice/session-1.scope\n"

// one is the only family of this process: two would bury each other's children.
var one = sync.OnceValue(newChildren)

func TestTheWayBackIsFoundInEveryHierarchy(t *testing.T) {
	for directory, want := range map[string]string{
		"/sys/fs/cgroup/cpu,cpuacct/platform-e2e-c/n1": "/sys/fs/cgroup/cpu,cpuacct/user.slice",
		"/sys/fs/cgroup/systemd/platform-e2e-c/n1":     "/sys/fs/cgroup/systemd/user.slice/session-1.scope",
		"/sys/fs/cgroup/unified/platform-e2e-c/n1":     "/sys/fs/cgroup/unified/user.slice/session-1.scope",
		"/elsewhere/platform-e2e-c/n1":                 "/elsewhere/platform-e2e-c/n1",
	} {
		if got := originIn(directory, v1Home, v1Mounts); got != want {
			t.Errorf("from %s back to %s, want %s", directory, got, want)
		}
	}
}

func TestTheWayBackInAContainerStartsAtItsMount(t *testing.T) {
	mounts := "29 22 0:25 /docker/abc /sys/fs/cgroup rw - cgroup2 cgroup rw\n"
	if got := originIn("/sys/fs/cgroup/platform-e2e-c/n1", "0::/docker/abc/init\n", mounts); got != "/sys/fs/cgroup/init" {
		t.Errorf("got %s", got)
	}
}

func TestAProbeWaitsUntilTheSocketTakesConnections(t *testing.T) {
	path := filepath.Join(t.TempDir(), "socket")
	probe := &Probe{Unix: path}
	if probe.answers(probe.client()) {
		t.Fatal("answers before anybody listens")
	}
	ready := make(chan bool)
	go func() { ready <- probe.await(make(chan struct{})) }()
	listener, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	if !<-ready {
		t.Fatal("does not answer")
	}
}

func TestAProbeGivesUpWhenTheProgramIsGone(t *testing.T) {
	gone := make(chan struct{})
	close(gone)
	if (&Probe{Unix: "/nowhere"}).await(gone) {
		t.Fatal("a program that is gone was ready")
	}
}

func TestWithoutAProbeAProgramIsReadyAtOnce(t *testing.T) {
	var probe *Probe
	if !probe.await(nil) {
		t.Fatal("was not ready")
	}
}

func TestEndsAreToldToWhoeverStartedTheProgramAndOrphansAreBuried(t *testing.T) {
	family := one()
	output, err := os.Create(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	_, seven, err := family.start([]string{"sh", "-c", "echo $WHO; exit 7"}, []string{"WHO=me"}, output)
	if err != nil {
		t.Fatal(err)
	}
	id, killed, err := family.start([]string{"sleep", "60"}, nil, output)
	if err != nil {
		t.Fatal(err)
	}
	if got := describe(<-seven); got != "ended with status 7" {
		t.Error(got)
	}
	if err := syscall.Kill(id, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if got := describe(<-killed); got != "ended by signal 9 (killed)" {
		t.Error(got)
	}
	if said, _ := os.ReadFile(output.Name()); string(said) != "me\n" {
		t.Errorf("the log has %q", said)
	}
}

func TestAFailingCommandIsNamed(t *testing.T) {
	if err := one().command([]string{"false"}); err == nil || err.Error() != "[false]: ended with status 1" {
		t.Errorf("got %v", err)
	}
}

func TestAProgramThatEndsIsStartedAgain(t *testing.T) {
	log := filepath.Join(t.TempDir(), "log")
	ready := make(chan struct{})
	program := Program{Name: "p", Argv: []string{"sh", "-c", "echo again"}, Log: log}
	go program.keep(one(), func() { close(ready) })
	<-ready
	deadline := time.Now().Add(5 * time.Second)
	for {
		if said, _ := os.ReadFile(log); len(said) >= 2*len("again\n") {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("was not started again")
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func TestAPassingErrorIsTriedAgainAndAnotherIsNot(t *testing.T) {
	tries := 0
	err := retry(func() error {
		tries++
		if tries < 3 {
			return syscall.EBUSY
		}
		return syscall.EINVAL
	}, syscall.EBUSY)
	if tries != 3 || err != syscall.EINVAL {
		t.Errorf("%d tries, %v", tries, err)
	}
}

func TestDelegatingMovesProcessesAndTurnsControllersOn(t *testing.T) {
	directory := t.TempDir()
	for name, content := range map[string]string{"cgroup.procs": "0\n12\n", "cgroup.controllers": "cpu memory\n", "cgroup.subtree_control": ""} {
		if err := os.WriteFile(filepath.Join(directory, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(directory, "init"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(directory, "init", "cgroup.procs"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := delegate(directory); err != nil {
		t.Fatal(err)
	}
	if moved, _ := os.ReadFile(filepath.Join(directory, "init", "cgroup.procs")); string(moved) != "12" {
		t.Errorf("moved %q", moved)
	}
	if last, _ := os.ReadFile(filepath.Join(directory, "cgroup.subtree_control")); string(last) != "+memory" {
		t.Errorf("turned on %q last", last)
	}
}

func TestAConfigurationIsReadWithAllItsParts(t *testing.T) {
	text := `{"hostname": "n1", "root": "/r", "mounts": [{"type": "bind", "source": "/a", "target": "/b", "options": ["ro"]}],
		"programs": [{"name": "p", "argv": ["p"], "after": ["q"], "ready": {"tcp": "127.0.0.1:1"}}]}`
	var config Config
	if err := json.Unmarshal([]byte(text), &config); err != nil {
		t.Fatal(err)
	}
	program := config.Programs[0]
	if config.Mounts[0].Options[0] != "ro" || program.After[0] != "q" || program.Ready.TCP != "127.0.0.1:1" {
		t.Errorf("got %+v", config)
	}
}
