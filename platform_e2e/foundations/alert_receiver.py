"""The receiver of the harness's own: a webhook inside the cluster that keeps what Alertmanager sends.

It writes each notification as one line of JSON to its log: `at` (RFC 3339, UTC), `path` (the name of the receiver that it stands for),
`size` in bytes, and `body`, what Alertmanager has posted (alertmanager 0.28, docs/configuration.md, webhook_config).
"""

from __future__ import annotations

from typing import Any

from platform_e2e.kube import one_pod

NAMESPACE = "platform-e2e-alerts"
NAME = "alert-receiver"
PORT = 8080

URL = f"http://{NAME}.{NAMESPACE}.svc:{PORT}/"
"""Beginning of the webhooks' URLs; the name of a receiver follows."""

LABELS = {"app.kubernetes.io/name": NAME, "app.kubernetes.io/managed-by": "platform-e2e"}

ANNOTATIONS = {"platform-e2e/serves": "alerts"}
"""A policy of the layer may fail on an object without annotations (`gitops/server.py`)."""

MOST_BYTES = 256 << 10
"""How much of a notification is kept: one of a hundred alerts has a tenth of it. A larger one has its size and no body."""

_USER = 999
"""The user of Argo CD's image (its Dockerfile)."""

RECORD = r"""
use IO::Socket::INET;
my ($port, $most) = @ARGV;
$| = 1;
my $server = IO::Socket::INET->new(LocalPort => $port, Listen => 64, ReuseAddr => 1) or die $!;
while (my $client = $server->accept) {
    eval {
        local $SIG{ALRM} = sub { die "too slow" };
        alarm 10;
        my ($asked, $length) = (scalar(<$client>) // "", 0);
        while (defined(my $line = <$client>)) {
            last if $line =~ /^\r?\n$/;
            $length = $1 if $line =~ /^content-length:\s*(\d+)/i;
        }
        my ($method, $path) = $asked =~ m{^(GET|POST) (/[\w./~%+-]*)};
        my ($body, $got) = ("", 0);
        while ($got < $length) {
            my $read = read($client, my $part, $length - $got > 65536 ? 65536 : $length - $got) or last;
            $got += $read;
            $body .= $part if $got <= $most;
        }
        if (($method // "") eq "POST" and $got == $length) {
            my @t = gmtime;
            my $at = sprintf "%04d-%02d-%02dT%02d:%02d:%02dZ", $t[5] + 1900, $t[4] + 1, @t[3, 2, 1, 0];
            $body =~ s/[\r\n]+/ /g;
            my $kept = ($got <= $most and $body =~ /^\s*\{.*\}\s*$/) ? qq(,"body":$body) : "";
            print qq({"at":"$at","path":"$path","size":$got$kept}\n);
        }
        print $client "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    };
    alarm 0;
    close $client;
}
"""
"""The receiver for images of Argo CD's own registry, which have Perl; arguments: port and most bytes of a body."""

_SCRIPT = f"""
if command -v perl >/dev/null; then exec perl -e "$RECORD" {PORT} {MOST_BYTES}; fi
export ARGOCD_BINARY_NAME=argocd-webhooks
exec argocd :{PORT}
"""
"""An image that is built here has a receiver in its own program (cmd/argocd), and no Perl."""


def url_of(receiver: str) -> str:
    """Return the URL of the webhook that stands for a receiver.

    Args:
        receiver: its name; other characters than letters, digits and `._~-` become a hyphen.
    """
    return URL + "".join(
        letter if (letter.isalnum() and letter.isascii()) or letter in "._~-" else "-" for letter in receiver
    )


def manifests(image: str) -> list[dict[str, Any]]:
    """Return the objects of the receiver, in the order to apply them.

    Args:
        image: Argo CD's, which every node has.
    """
    receiver = one_pod.container(NAME, image, _SCRIPT, port=("webhook", PORT), env={"RECORD": RECORD})
    marks = {"labels": LABELS, "annotations": ANNOTATIONS}
    return one_pod.manifests(NAME, NAMESPACE, marks, user=_USER, containers=[receiver])
