//go:build !linux

package main

import (
	"os"
	"os/exec"
	"syscall"
)

// stepPlain is what the renderer is started for where nothing keeps it apart: only Linux has namespaces.
const stepPlain = "plain"

func confine(c Confinement) int {
	if !c.Trusted {
		return notApart("only Linux has namespaces")
	}
	self, err := os.Executable()
	if err != nil {
		return failed("%v", err)
	}
	command := exec.Command(self, stepPlain, c.Root)
	command.Args[0] = "argocd-render"
	command.Env = environment(c.Root)
	command.Stdin, command.Stdout, command.Stderr = os.Stdin, os.Stdout, os.Stderr
	if err := command.Run(); err != nil {
		return failed("the renderer ended: %v", err)
	}
	return 0
}

func step(_ string, c Confinement) int {
	for _, bind := range c.Binds {
		if err := bind.supply(c.Root); err != nil {
			return failed("%v", err)
		}
	}
	bound := syscall.Rlimit{Cur: c.Memory, Max: c.Memory}
	if err := syscall.Setrlimit(syscall.RLIMIT_DATA, &bound); err != nil {
		return failed("limits of memory: %v", err)
	}
	return serve(c.Root, limited)
}
