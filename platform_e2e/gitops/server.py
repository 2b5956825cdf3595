"""The git server inside the cluster: one small Deployment that Argo CD reads from."""

from __future__ import annotations

from typing import Any

from platform_e2e.kube import one_pod

NAMESPACE = "platform-e2e-git"
NAME = "git"
PORT = 9418
"""The port of git's own protocol (IANA; git-daemon(1))."""

HOST = f"{NAME}.{NAMESPACE}.svc.cluster.local"

REPOSITORY = "/srv/platform.git"
URL = f"git://{HOST}/platform.git"
"""The path from which Argo CD reads the layer."""

ELSEWHERE = "/srv/elsewhere"
"""The directory of other repositories that Applications read."""

BASE = f"git://{HOST}/elsewhere/"
"""Beginning of their URLs."""

CHARTS_PORT = 8080
CHARTS = "/srv/charts.git"
"""The repository with the files of the static chart repositories."""

CHARTS_URL = f"http://{HOST}:{CHARTS_PORT}/"
"""Beginning of the URLs of chart repositories."""

LABELS = {"app.kubernetes.io/name": NAME, "app.kubernetes.io/managed-by": "platform-e2e"}

ANNOTATIONS = {"platform-e2e/serves": "the layer"}
"""A policy of the layer may fail on an object without annotations; such a policy must not keep this server from starting."""

_USER = 999
"""The user of Argo CD's image (its Dockerfile); any user but root would do."""

_SCRIPT = f"""
set -e
[ -e {REPOSITORY}/HEAD ] || git init --quiet --bare --initial-branch=main {REPOSITORY}
git -C {REPOSITORY} config gc.auto 0
git -C {REPOSITORY} config receive.autogc false
git -C {REPOSITORY} config uploadpack.allowAnySHA1InWant true
exec git daemon --verbose --reuseaddr --export-all --informative-errors --max-connections=0 --base-path=/srv /srv
"""
"""Pushes go through `kubectl exec`; the network allows only reading."""

SERVE_CHARTS = r"""
use IO::Socket::INET;
my ($repository, $port) = @ARGV;
$SIG{CHLD} = "IGNORE";
my $server = IO::Socket::INET->new(LocalPort => $port, Listen => 64, ReuseAddr => 1) or die $!;
while (my $client = $server->accept) {
    if (fork) { close $client; next }
    local $SIG{CHLD} = "DEFAULT";
    alarm 60;
    my $asked = <$client>;
    while (defined(my $line = <$client>)) { last if $line =~ /^\r?\n$/ }
    my ($method, $name) = ($asked // "") =~ m{^(GET|HEAD) /+([A-Za-z0-9][\w./+-]*) HTTP/};
    my ($status, $content) = ("404 Not Found", "");
    if (defined $name and open(my $blob, "-|", "git", "--git-dir=$repository", "cat-file", "blob", "refs/heads/main:$name")) {
        binmode $blob;
        local $/;
        my $read = <$blob>;
        ($status, $content) = ("200 OK", $read) if close $blob;
    }
    binmode $client;
    print $client "HTTP/1.1 $status\r\nContent-Length: ", length $content, "\r\nConnection: close\r\n\r\n";
    print $client $content if ($method // "") eq "GET";
    exit 0;
}
"""
"""A static chart repository of a bare repository's files, for images of Argo CD's own registry: these have Perl, with Git."""

_CHARTS_SCRIPT = f"""
if command -v perl >/dev/null; then exec perl -e "$SERVE" {CHARTS} {CHARTS_PORT}; fi
export ARGOCD_BINARY_NAME=argocd-charts
exec argocd {CHARTS} :{CHARTS_PORT}
"""
"""An image that is built here has a server for it in its own program (cmd/argocd), and no Perl."""

RECEIVE = (
    '[ -e "$2"/HEAD ] || git init --quiet --bare --initial-branch="$3" "$2" >&2; '
    'git -C "$2" config uploadpack.allowAnySHA1InWant true; exec "$1" "$2"'
)
"""Takes a push; the other repositories come with the layers that name them. Arguments: the service, the repository, its first branch."""


def manifests(image: str, *, charts: bool = False) -> list[dict[str, Any]]:
    """Return the objects of the server, in the order to apply them.

    Args:
        image: any image with sh and git; every node has Argo CD's already.
        charts: whether charts are served, too; that needs Argo CD's image.
    """
    mounts = [{"name": "srv", "mountPath": "/srv"}]
    home = {"HOME": "/srv"}
    containers = [one_pod.container(NAME, image, _SCRIPT, port=("git", PORT), env=home, mounts=mounts)]
    if charts:
        serving = {**home, "SERVE": SERVE_CHARTS}
        containers.append(
            one_pod.container("charts", image, _CHARTS_SCRIPT, port=("charts", CHARTS_PORT), env=serving, mounts=mounts)
        )
    marks = {"labels": LABELS, "annotations": ANNOTATIONS}
    return one_pod.manifests(
        NAME, NAMESPACE, marks, user=_USER, containers=containers, volumes=[{"name": "srv", "emptyDir": {}}]
    )
