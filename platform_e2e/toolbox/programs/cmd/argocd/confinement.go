package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
)

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

// nobody is the user and group that a layer is rendered as: it owns nothing.
const nobody = 65534

// refused is the exit status where a layer cannot be kept apart from its user's files, and nothing was rendered.
const refused = 78

// notApart says why a layer cannot be kept apart; the caller knows the remedy.
func notApart(why any) int {
	failed("a layer cannot be kept apart from your files: %v", why)
	return refused
}

// supply puts a program below the root directory where it cannot be mounted.
func (bind Bind) supply(root string) error {
	target := filepath.Join(root, bind.Target)
	if err := os.Link(bind.Source, target); err == nil || os.IsExist(err) {
		return nil
	}
	source, err := os.Open(bind.Source)
	if err != nil {
		return err
	}
	defer source.Close()
	written, err := os.OpenFile(target, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o755)
	if err != nil {
		return err
	}
	if _, err := io.Copy(written, source); err != nil {
		written.Close()
		return fmt.Errorf("copying %s: %w", bind.Source, err)
	}
	return written.Close()
}

// environment is all that the renderer and its programs have of one.
func environment(root string) []string {
	temporary := filepath.Join(root, "tmp")
	return []string{
		"ARGOCD_BINARY_NAME=argocd-render",
		// Otherwise Argo CD writes a line for each program that it starts.
		"ARGOCD_LOG_LEVEL=error",
		"GOMEMLIMIT=1GiB",
		"HOME=" + temporary,
		"PATH=" + filepath.Join(root, "bin"),
		"TMPDIR=" + temporary,
	}
}
