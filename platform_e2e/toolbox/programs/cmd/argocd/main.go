// Argo CD's own programs, each under its name, as upstream's cmd/main.go has them; and `argocd-render`, which renders a layer
// offline by the same code that Argo CD renders it with on a cluster; and `argocd-charts` and `argocd-webhooks`, the static
// chart repository and the receiver of alerts of a cluster.
//
// They are one program since they share nearly all of their packages: a second one would take as long again to link.
package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/spf13/cobra"
	"k8s.io/klog/v2"

	controller "github.com/argoproj/argo-cd/v3/cmd/argocd-application-controller/commands"
	applicationset "github.com/argoproj/argo-cd/v3/cmd/argocd-applicationset-controller/commands"
	cmpserver "github.com/argoproj/argo-cd/v3/cmd/argocd-cmp-server/commands"
	commitserver "github.com/argoproj/argo-cd/v3/cmd/argocd-commit-server/commands"
	dex "github.com/argoproj/argo-cd/v3/cmd/argocd-dex/commands"
	askpass "github.com/argoproj/argo-cd/v3/cmd/argocd-git-ask-pass/commands"
	k8sauth "github.com/argoproj/argo-cd/v3/cmd/argocd-k8s-auth/commands"
	notification "github.com/argoproj/argo-cd/v3/cmd/argocd-notification/commands"
	reposerver "github.com/argoproj/argo-cd/v3/cmd/argocd-repo-server/commands"
	server "github.com/argoproj/argo-cd/v3/cmd/argocd-server/commands"
	cli "github.com/argoproj/argo-cd/v3/cmd/argocd/commands"
	"github.com/argoproj/argo-cd/v3/util/log"
)

// commands are upstream's programs by the name that they are started with.
var commands = map[string]func() *cobra.Command{
	"argocd":                           cli.NewCommand,
	"argocd-application-controller":    controller.NewCommand,
	"argocd-applicationset-controller": applicationset.NewCommand,
	"argocd-cmp-server":                cmpserver.NewCommand,
	"argocd-commit-server":             commitserver.NewCommand,
	"argocd-dex":                       dex.NewCommand,
	"argocd-git-ask-pass":              askpass.NewCommand,
	"argocd-k8s-auth":                  k8sauth.NewCommand,
	"argocd-notifications":             notification.NewCommand,
	"argocd-repo-server":               reposerver.NewCommand,
	"argocd-server":                    server.NewCommand,
}

// quiet are the programs whose errors this program prints itself, since they may be commands of a plugin.
var quiet = map[string]bool{"argocd": true, "argocd-cmp-server": true, "argocd-git-ask-pass": true, "argocd-k8s-auth": true}

func init() {
	klog.SetLogger(log.NewLogrusLogger(log.NewWithCurrentConfig()))
}

func main() {
	name := filepath.Base(os.Args[0])
	if given := os.Getenv("ARGOCD_BINARY_NAME"); given != "" {
		name = given
	}
	if name == "argocd-render" {
		os.Exit(render(os.Args[1:]))
	}
	if name == "argocd-charts" {
		os.Exit(serveCharts(os.Args[1:]))
	}
	if name == "argocd-webhooks" {
		os.Exit(serveWebhooks(os.Args[1:]))
	}
	if commands[name] == nil {
		name = "argocd"
	}
	command := commands[name]()
	command.SilenceErrors, command.SilenceUsage = quiet[name], quiet[name]
	err := command.Execute()
	if err == nil {
		return
	}
	if err = cli.NewDefaultPluginHandler([]string{"argocd"}).HandleCommandExecutionError(err, quiet[name], os.Args); err == nil {
		return
	}
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		os.Exit(exit.ExitCode())
	}
	os.Exit(1)
}
