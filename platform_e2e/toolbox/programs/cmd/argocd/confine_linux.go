package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"
)

// unlaid is the exit status of a process that could not lay its mounts and has read nothing.
const unlaid = 77

// What the processes of the renderer are started for.
const (
	stepLay   = "lay"
	stepJail  = "jail"
	stepPlain = "plain"
	stepServe = "serve"
)

// mappedToUser is the variable of a process that is root of a user namespace only, and outside of it the user that started it.
const mappedToUser = "PLATFORM_E2E_RENDER_MAPPED"

// confine runs the renderer in namespaces of its own, as nobody, with what it may see as its root directory, and returns its
// exit status.
//
// Three processes: this one stays where it is and waits; the second lays the mounts, for which it must be root of its
// namespaces; the third is in one more user namespace, where it is nobody and has no capability.
func confine(c Confinement) int {
	command := again(stepLay, c.Root, "/")
	command.SysProcAttr.Cloneflags = unix.CLONE_NEWNS | unix.CLONE_NEWPID | unix.CLONE_NEWNET | unix.CLONE_NEWIPC | unix.CLONE_NEWUTS
	root := os.Geteuid() == 0
	if !root {
		command.Env = append(command.Env, mappedToUser+"=yes")
		mapped(command.SysProcAttr, 0, os.Geteuid(), os.Getegid())
	}
	why := command.Start()
	if why == nil {
		if status := wait(command); status != unlaid {
			return status
		}
		why = errors.New("mounts are refused")
	}
	if root {
		if status := start(again(stepJail, c.Root, "/")); status != unlaid {
			return status
		}
		why = errors.New("namespaces and another root directory are refused")
	}
	if !c.Trusted {
		return notApart(why)
	}
	return start(again(stepPlain, c.Root, c.Root))
}

// step does what a process of the renderer was started for.
func step(name string, c Confinement) int {
	var err error
	switch name {
	case stepLay:
		err = lay(c)
	case stepJail:
		err = jail(c)
	case stepPlain:
		if err = plain(c); err == nil {
			return serve(c.Root, limited)
		}
		return failed("%v", err)
	case stepServe:
		// In a network without any interface nothing depends on it.
		_ = silence()
		return serve(c.Root, apart)
	}
	failed("%v", err)
	return unlaid
}

// lay mounts what the renderer may see and starts it as nobody.
func lay(c Confinement) error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("making mounts private: %w", err)
	}
	if err := unix.Mount(c.Root, c.Root, "", unix.MS_BIND, ""); err != nil {
		return fmt.Errorf("mounting %s: %w", c.Root, err)
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	binds := append([]Bind{{self, "/bin/argocd"}, {"/dev/null", "/dev/null"}}, c.Binds...)
	for _, bind := range binds {
		if err := bind.lay(c.Root, bind.Source != "/dev/null"); err != nil {
			return fmt.Errorf("mounting %s: %w", bind.Source, err)
		}
	}
	temporary := filepath.Join(c.Root, "tmp")
	if err := unix.Mount("tmpfs", temporary, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "size=1g,mode=1777"); err != nil {
		return fmt.Errorf("mounting %s: %w", temporary, err)
	}
	processes := filepath.Join(c.Root, "proc")
	if err := unix.Mount("proc", processes, "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""); err != nil {
		return fmt.Errorf("mounting %s: %w", processes, err)
	}
	if err := pivot(c.Root); err != nil {
		return fmt.Errorf("changing the root directory: %w", err)
	}
	if err := limit(c.Memory); err != nil {
		return fmt.Errorf("limits of memory: %w", err)
	}
	command := again(stepServe, "/", "/")
	command.Path = "/bin/argocd"
	command.Dir = "/"
	command.SysProcAttr.Cloneflags = unix.CLONE_NEWUSER
	outside := nobody
	if os.Getenv(mappedToUser) != "" {
		outside = 0
	}
	mapped(command.SysProcAttr, nobody, outside, outside)
	if err := command.Start(); err != nil {
		return fmt.Errorf("starting the renderer as nobody: %w", err)
	}
	// It was needed to write the user that the renderer is; the renderer itself need not see it.
	if err := unix.Unmount("/proc", unix.MNT_DETACH); err != nil {
		return fmt.Errorf("unmounting /proc: %w", err)
	}
	os.Exit(wait(command))
	return nil
}

func (bind Bind) lay(root string, readonly bool) error {
	target := filepath.Join(root, bind.Target)
	from, err := os.Stat(bind.Source)
	if err != nil {
		return err
	}
	if from.IsDir() {
		err = os.MkdirAll(target, 0o755)
	} else if err = os.MkdirAll(filepath.Dir(target), 0o755); err == nil {
		err = os.WriteFile(target, nil, 0o644)
	}
	if err != nil {
		return err
	}
	if err := unix.Mount(bind.Source, target, "", unix.MS_BIND, ""); err != nil || !readonly {
		return err
	}
	// The kernel takes the flags of a bind mount in a second step only, and of a mount that is another's it must be told those
	// that it already has.
	var now unix.Statfs_t
	if err := unix.Statfs(target, &now); err != nil {
		return err
	}
	kept := uintptr(now.Flags) & (unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC | unix.MS_NOATIME | unix.MS_NODIRATIME | unix.MS_RELATIME)
	return unix.Mount("", target, "", unix.MS_BIND|unix.MS_REMOUNT|unix.MS_RDONLY|kept, "")
}

func pivot(root string) error {
	if err := unix.Chdir(root); err != nil {
		return err
	}
	// pivot_root(2), NOTES: the old root directory may be stacked upon the new one and unmounted from there.
	if err := unix.PivotRoot(".", "."); err != nil {
		return err
	}
	if err := unix.Unmount(".", unix.MNT_DETACH); err != nil {
		return err
	}
	return unix.Chdir("/")
}

// jail renders as nobody below the root directory, where there can be no namespaces, as in a container.
func jail(c Confinement) error {
	for _, bind := range c.Binds {
		if err := bind.supply(c.Root); err != nil {
			return err
		}
	}
	// Every program that is started has it open.
	null := filepath.Join(c.Root, "dev", "null")
	if err := unix.Mknod(null, unix.S_IFCHR|0o666, int(unix.Mkdev(1, 3))); err != nil {
		if err := os.WriteFile(null, nil, 0o666); err != nil {
			return err
		}
	}
	if err := os.Chmod(null, 0o666); err != nil {
		return err
	}
	if err := limit(c.Memory); err != nil {
		return fmt.Errorf("limits of memory: %w", err)
	}
	if err := unix.Chdir(c.Root); err != nil {
		return err
	}
	if err := unix.Chroot("."); err != nil {
		return fmt.Errorf("changing the root directory: %w", err)
	}
	if err := syscall.Setgroups(nil); err != nil {
		return err
	}
	if err := syscall.Setgid(nobody); err != nil {
		return err
	}
	if err := syscall.Setuid(nobody); err != nil {
		return err
	}
	if err := silence(); err != nil {
		return fmt.Errorf("closing the network: %w", err)
	}
	os.Exit(serve("/", jailed))
	return nil
}

// plain prepares to render where nothing can be kept apart, for a layer that its user trusts.
func plain(c Confinement) error {
	for _, bind := range c.Binds {
		if err := bind.supply(c.Root); err != nil {
			return err
		}
	}
	_ = silence()
	return limit(c.Memory)
}

// limit bounds what this process and its children may use: memory, and the size of a file.
func limit(memory uint64) error {
	bounds := map[int]uint64{unix.RLIMIT_DATA: memory, unix.RLIMIT_FSIZE: 1 << 30, unix.RLIMIT_CORE: 0}
	for resource, most := range bounds {
		if err := unix.Setrlimit(resource, &unix.Rlimit{Cur: most, Max: most}); err != nil {
			return err
		}
	}
	return nil
}

// again returns a command that starts this program once more.
//
// Args: what for; the directory that the renderer may see; and what that directory is called there.
func again(name, root, seen string) *exec.Cmd {
	command := exec.Command("/proc/self/exe", name, root)
	command.Args[0] = "argocd-render"
	command.Env = environment(seen)
	command.Stdin, command.Stdout, command.Stderr = os.Stdin, os.Stdout, os.Stderr
	command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return command
}

// mapped makes a command run in a new user namespace, where one user and group are others outside.
func mapped(attributes *syscall.SysProcAttr, inside, user, group int) {
	attributes.Cloneflags |= unix.CLONE_NEWUSER
	attributes.UidMappings = []syscall.SysProcIDMap{{ContainerID: inside, HostID: user, Size: 1}}
	attributes.GidMappings = []syscall.SysProcIDMap{{ContainerID: inside, HostID: group, Size: 1}}
	attributes.Credential = &syscall.Credential{Uid: uint32(inside), Gid: uint32(inside), NoSetGroups: os.Geteuid() != 0 || os.Getenv(mappedToUser) != ""}
	attributes.GidMappingsEnableSetgroups = !attributes.Credential.NoSetGroups
}

func start(command *exec.Cmd) int {
	if err := command.Start(); err != nil {
		return failed("the renderer cannot be started: %v", err)
	}
	return wait(command)
}

func wait(command *exec.Cmd) int {
	if err := command.Wait(); err != nil {
		var ended *exec.ExitError
		if errors.As(err, &ended) && ended.Exited() {
			return ended.ExitCode()
		}
		return failed("the renderer ended: %v", err)
	}
	return 0
}
