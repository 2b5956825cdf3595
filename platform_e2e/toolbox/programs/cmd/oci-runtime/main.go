// Command oci-runtime is what containerd starts in place of runc. It leaves out of a container's specification what this
// machine cannot grant, then becomes runc.
//
// On a machine without CAP_SYS_RESOURCE no pod starts as it comes: runc refuses capabilities outside of its own bounding
// set, and lowering oom_score_adj below its own is forbidden. Where the capability is there, nothing is changed.
package main

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
)

const program = "runc"

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintf(os.Stderr, "oci-runtime: %v\n", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	self, err := readLimits("/proc/self")
	if err != nil {
		return err
	}
	if !self.unlimited() {
		if err := clamp(parse(args), self); err != nil {
			return err
		}
	}
	path, err := exec.LookPath(program)
	if err != nil {
		// containerd may have been started with a short PATH.
		path = "/usr/sbin/" + program
	}
	err = syscall.Exec(path, append([]string{program}, args...), os.Environ())
	return fmt.Errorf("cannot start %s: %w", path, err)
}

// call is what of runc's command line matters here.
type call struct {
	command string // create, run, exec, ...
	bundle  string // directory of config.json, for create and run
	process string // file with the process to start, for exec; empty if it is given in words
}

// valued are runc's global options that take their value from the next word.
var valued = map[string]bool{"--log": true, "--log-format": true, "--root": true, "--criu": true, "--rootless": true}

func parse(args []string) call {
	parsed := call{bundle: "."}
	at := 0
	for ; at < len(args) && strings.HasPrefix(args[at], "-"); at++ {
		if valued[args[at]] {
			at++
		}
	}
	if at >= len(args) {
		return parsed
	}
	parsed.command = args[at]
	if bundle := option(args[at+1:], "--bundle", "-b"); bundle != "" {
		parsed.bundle = bundle
	}
	parsed.process = option(args[at+1:], "--process", "-p")
	return parsed
}

func option(args []string, names ...string) string {
	for at, word := range args {
		for _, name := range names {
			if word == name && at+1 < len(args) {
				return args[at+1]
			}
			if value, found := strings.CutPrefix(word, name+"="); found {
				return value
			}
		}
	}
	return ""
}
