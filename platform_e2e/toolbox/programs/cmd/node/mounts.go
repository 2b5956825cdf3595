package main

import (
	"errors"
	"fmt"
	"io/fs"
	"log"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Mount is one mount. The type `bind` takes a directory or file of the host, with everything mounted below it.
type Mount struct {
	Type   string `json:"type"`
	Source string `json:"source"`
	Target string `json:"target"`
	// Options are words as mount(8) takes them: ro, nosuid, nodev, noexec; what is none of these goes to the file system.
	Options []string `json:"options"`
}

var flagOf = map[string]uintptr{
	"ro": unix.MS_RDONLY, "nosuid": unix.MS_NOSUID, "nodev": unix.MS_NODEV, "noexec": unix.MS_NOEXEC,
}

// lay makes the mounts and devices of the node and turns its root directory into the root file system.
func lay(config Config) error {
	if config.Root != "" {
		// Nothing that the node mounts may reach the host, and nothing of the host's later mounts the node.
		if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
			return fmt.Errorf("making mounts private: %w", err)
		}
	}
	for _, mount := range config.Mounts {
		if err := mount.lay(config.Root); err != nil {
			return fmt.Errorf("mounting %s on %s: %w", mount.Type, mount.Target, err)
		}
	}
	for _, name := range config.Devices {
		if err := device(config.Root, name); err != nil {
			return err
		}
	}
	for path, target := range config.Links {
		if err := os.Symlink(target, filepath.Join(config.Root, path)); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	if config.Root == "" {
		return nil
	}
	return pivot(config.Root)
}

func (mount Mount) lay(root string) error {
	target := filepath.Join(root, mount.Target)
	var flags uintptr
	var data []string
	for _, option := range mount.Options {
		if flag, ok := flagOf[option]; ok {
			flags |= flag
		} else {
			data = append(data, option)
		}
	}
	if mount.Type != "bind" {
		if err := os.MkdirAll(target, 0o755); err != nil {
			return err
		}
		return unix.Mount(mount.Source, target, mount.Type, flags, strings.Join(data, ","))
	}
	if err := place(mount.Source, target); err != nil {
		return err
	}
	if err := unix.Mount(mount.Source, target, "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
		return err
	}
	if flags == 0 {
		return nil
	}
	// The kernel takes a bind mount's flags in a second step only.
	return unix.Mount("", target, "", unix.MS_REMOUNT|unix.MS_BIND|flags, "")
}

// place makes the directory or the empty file that a bind mount covers.
func place(source, target string) error {
	about, err := os.Stat(source)
	if err != nil {
		return err
	}
	if about.IsDir() {
		return os.MkdirAll(target, 0o755)
	}
	if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
		return err
	}
	file, err := os.OpenFile(target, os.O_CREATE, 0o644)
	if err != nil {
		return err
	}
	return file.Close()
}

// device makes the node's own file for a device of the host.
func device(root, name string) error {
	path := filepath.Join("/dev", name)
	var about unix.Stat_t
	if err := unix.Stat(path, &about); err != nil {
		log.Printf("%s is not there, so the node has none: %v", path, err)
		return nil
	}
	target := filepath.Join(root, path)
	if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
		return err
	}
	if err := unix.Mknod(target, about.Mode, int(about.Rdev)); err != nil {
		return fmt.Errorf("making %s: %w", target, err)
	}
	return os.Chmod(target, fs.FileMode(about.Mode&0o777))
}

func pivot(root string) error {
	if err := os.Chdir(root); err != nil {
		return err
	}
	// The old root is stacked on the new one and then taken away, so no directory is needed to park it in.
	if err := unix.PivotRoot(".", "."); err != nil {
		return fmt.Errorf("changing the root to %s: %w", root, err)
	}
	if err := unix.Unmount(".", unix.MNT_DETACH); err != nil {
		return fmt.Errorf("leaving the old root: %w", err)
	}
	// The kubelet hands mounts on to containers, which needs shared propagation.
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_SHARED, ""); err != nil {
		return fmt.Errorf("sharing mounts: %w", err)
	}
	return os.Chdir("/")
}

// delegate lets the children of a cgroup v2 directory have all its controllers; for that it may hold no process itself.
func delegate(directory string) error {
	leaf := filepath.Join(directory, "init")
	if err := os.MkdirAll(leaf, 0o755); err != nil {
		return err
	}
	processes, err := os.ReadFile(filepath.Join(directory, "cgroup.procs"))
	if err != nil {
		return err
	}
	for _, word := range strings.Fields(string(processes)) {
		id, err := strconv.Atoi(word)
		if err != nil {
			return err
		}
		// One that ended meanwhile needs no moving; 0 is a process outside of this node, which leaves by itself.
		if id != 0 {
			if err := move(leaf, id); err != nil && !errors.Is(err, unix.ESRCH) {
				return err
			}
		}
	}
	controllers, err := os.ReadFile(filepath.Join(directory, "cgroup.controllers"))
	if err != nil {
		return err
	}
	for _, name := range strings.Fields(string(controllers)) {
		if err := enable(directory, name); err != nil {
			log.Printf("controller %s of %s stays off: %v", name, directory, err)
		}
	}
	return nil
}

// enable turns a controller on for the children; the starter of the node may need a moment to leave the directory.
func enable(directory, controller string) error {
	return retry(func() error {
		return os.WriteFile(filepath.Join(directory, "cgroup.subtree_control"), []byte("+"+controller), 0)
	}, unix.EBUSY)
}

// set writes sysctls; one that is read-only here is no reason to have no node.
func set(sysctls map[string]string) {
	for name, value := range sysctls {
		path := filepath.Join("/proc/sys", strings.ReplaceAll(name, ".", "/"))
		if err := os.WriteFile(path, []byte(value), 0o644); err != nil {
			log.Printf("sysctl %s=%s: %v", name, value, err)
		}
	}
}
