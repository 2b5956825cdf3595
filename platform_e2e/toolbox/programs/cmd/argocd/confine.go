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

// nobody is the user and group that a layer is rendered as: it owns nothing.
const nobody = 65534

// Bind is a file or directory of the host that the renderer sees, never to be written.
type Bind struct {
	Source string `json:"source"`
	Target string `json:"target"`
}

// Confinement says what the renderer may see and use.
type Confinement struct {
	// Root becomes the root directory.
	Root string `json:"root"`
	// Binds are mounted below it, where mounting is possible.
	Binds []Bind `json:"binds"`
	// Memory is how many bytes of data each process may have.
	Memory uint64 `json:"memory"`
	// Trusted says that a layer may be rendered without namespaces by the user's own rights.
	Trusted bool `json:"trusted"`
}

// How the renderer was kept apart; `render` tells its caller.
const (
	apart   = "namespaces"
	jailed  = "chroot"
	limited = "limits"
)

// unlaid is the exit status of a process that could not lay its mounts and has read nothing.
const unlaid = 77

// confine runs the renderer in namespaces of its own, as nobody, with what it may see as its root directory, and returns its
// exit status.
//
// Three processes: this one stays where it is and waits; the second lays the mounts, for which it must be root of its
// namespaces; the third is in one more user namespace, where it is nobody and has no capability.
func confine(c Confinement) int {
	command := again("lay", c.Root)
	command.SysProcAttr.Cloneflags = unix.CLONE_NEWNS | unix.CLONE_NEWPID | unix.CLONE_NEWNET | unix.CLONE_NEWIPC | unix.CLONE_NEWUTS
	if os.Geteuid() != 0 {
		mapped(command.SysProcAttr, 0, os.Geteuid(), os.Getegid())
	}
	if err := command.Start(); err == nil {
		if status := wait(command); status != unlaid {
			return status
		}
	} else if os.Geteuid() != 0 && !c.Trusted {
		return failed("this kernel refuses namespaces to you (%v), so a layer cannot be kept apart from your files", err)
	}
	if os.Geteuid() == 0 {
		return start(again("jail", c.Root))
	}
	if !c.Trusted {
		return failed("a layer cannot be kept apart from your files")
	}
	if err := limit(c.Memory); err != nil {
		return failed("limits of memory: %v", err)
	}
	return serve(c.Root, limited)
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
	command := again("serve", "/")
	command.Path = "/bin/argocd"
	command.Dir = "/"
	command.SysProcAttr.Cloneflags = unix.CLONE_NEWUSER
	outside := nobody
	if mappedToUser() {
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

// mappedToUser tells whether this process is root of a user namespace only, which then is the user that started the program.
func mappedToUser() bool { return os.Getenv("PLATFORM_E2E_RENDER_USER") == "mapped" }

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
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return err
	}
	os.Exit(serve("/", jailed))
	return nil
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

// again returns a command that starts this program once more, with nothing of the environment.
func again(words ...string) *exec.Cmd {
	command := exec.Command("/proc/self/exe", words...)
	command.Args[0] = "argocd-render"
	command.Env = []string{"ARGOCD_BINARY_NAME=argocd-render", "PATH=/bin", "HOME=/tmp", "TMPDIR=/tmp", "GOMEMLIMIT=1GiB"}
	if os.Geteuid() != 0 {
		command.Env = append(command.Env, "PLATFORM_E2E_RENDER_USER=mapped")
	}
	command.Stdin, command.Stdout, command.Stderr = os.Stdin, os.Stdout, os.Stderr
	command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return command
}

// mapped makes a command run in a new user namespace, where one user and group are others outside.
func mapped(attributes *syscall.SysProcAttr, inside, user, group int) {
	attributes.Cloneflags |= unix.CLONE_NEWUSER
	attributes.UidMappings = []syscall.SysProcIDMap{{ContainerID: inside, HostID: user, Size: 1}}
	attributes.GidMappings = []syscall.SysProcIDMap{{ContainerID: inside, HostID: group, Size: 1}}
	attributes.Credential = &syscall.Credential{Uid: uint32(inside), Gid: uint32(inside), NoSetGroups: os.Geteuid() != 0 || mappedToUser()}
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

func failed(format string, values ...any) int {
	fmt.Fprintf(os.Stderr, format+"\n", values...)
	return 1
}
