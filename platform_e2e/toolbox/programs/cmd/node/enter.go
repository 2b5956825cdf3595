package main

import (
	"errors"
	"fmt"
	"log"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// namespaces says how a node is kept apart from the host.
type namespaces struct {
	parent  int
	network string
	cgroups []string
}

// enter runs `node run CONFIG` in new namespaces and returns its exit status.
func enter(how namespaces, config string) int {
	// The kernel's "parent died" signal and a network namespace belong to a thread, not to a process.
	runtime.LockOSThread()
	must(unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(unix.SIGKILL), 0, 0, 0))
	if how.parent != 0 && os.Getppid() != how.parent {
		log.Fatalf("process %d, which started this node, is gone", how.parent)
	}
	if how.network != "" {
		must(join(how.network))
	}
	home, err := os.ReadFile("/proc/self/cgroup")
	must(err)
	for _, directory := range how.cgroups {
		must(move(directory, os.Getpid()))
	}
	node := exec.Command("/proc/self/exe", "run", config)
	// What a person sees in a list of processes.
	node.Args[0] = os.Args[0]
	node.Stdin, node.Stdout, node.Stderr = os.Stdin, os.Stdout, os.Stderr
	node.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: unix.CLONE_NEWNS | unix.CLONE_NEWPID | unix.CLONE_NEWIPC | unix.CLONE_NEWUTS | unix.CLONE_NEWCGROUP,
		Pdeathsig:  syscall.SIGKILL,
		Setsid:     true,
	}
	must(node.Start())
	// A cgroup v2 directory that has processes cannot have children with controllers, and the node cannot see this
	// process to move it away.
	for _, directory := range how.cgroups {
		if err := move(origin(directory, string(home)), os.Getpid()); err != nil {
			log.Printf("this process stays in %s: %v", directory, err)
		}
	}
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
	go func() {
		for range signals {
			_ = node.Process.Signal(syscall.SIGTERM)
		}
	}()
	if err := node.Wait(); err != nil {
		var ended *exec.ExitError
		if errors.As(err, &ended) && ended.Exited() {
			return ended.ExitCode()
		}
		log.Printf("the node ended: %v", err)
		return 1
	}
	return 0
}

// join moves this thread, and with it all that it starts, into a network namespace.
func join(path string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	if err := unix.Setns(int(file.Fd()), unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

// move puts a process into a cgroup.
func move(directory string, process int) error {
	return os.WriteFile(filepath.Join(directory, "cgroup.procs"), []byte(strconv.Itoa(process)), 0)
}

// origin returns the directory of the cgroup that this process was in, in the hierarchy of the given directory.
//
// home is what /proc/self/cgroup said then: lines of `number:controllers:path`, controllers empty for version 2.
func origin(directory, home string) string {
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return directory
	}
	return originIn(directory, home, string(mounts))
}

func originIn(directory, home, mounts string) string {
	for line := range strings.Lines(mounts) {
		fields := strings.Fields(line)
		dash := index(fields, "-")
		if dash < 0 || len(fields) < dash+4 || !strings.HasPrefix(directory, fields[4]+"/") {
			continue
		}
		version, options := fields[dash+1], strings.Split(fields[dash+3], ",")
		for entry := range strings.Lines(home) {
			parts := strings.SplitN(strings.TrimSpace(entry), ":", 3)
			if len(parts) != 3 {
				continue
			}
			same := version == "cgroup2" && parts[1] == "" ||
				version == "cgroup" && parts[1] != "" && index(options, strings.Split(parts[1], ",")[0]) >= 0
			if same {
				return filepath.Join(fields[4], strings.TrimPrefix(parts[2], strings.TrimSuffix(fields[3], "/")))
			}
		}
	}
	return directory
}

func index(words []string, word string) int {
	for i, w := range words {
		if w == word {
			return i
		}
	}
	return -1
}
