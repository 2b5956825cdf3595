"""Five kinds of incident on one platform, each made as it happens to people."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from platform_e2e.bringup import RunningPlatform
from platform_e2e.diagnosis.objects import at
from platform_e2e.incident.apply_drift import lose_address, lose_sealing_key
from platform_e2e.kube.objects import key

HAND = "somebody"
"""The field manager of whoever changes things by hand."""

APPLICATIONSET = "argocd/applicationsets/chat.yaml"
STACK = "foundations/values/kube-prometheus-stack.yaml"
STAGING = "manifests/chat/overlays/staging/kustomization.yaml"

IGNORES = """\
      ignoreDifferences:
        - group: apps
          kind: Deployment
          jsonPointers:
            - /spec/replicas
"""

NO_IMAGE = """\
images:
  - name: ghcr.io/platform-team/chat
    newTag: no-such-tag
"""


@dataclass(frozen=True)
class Kind:
    """One kind of incident.

    Attributes:
        name: in a few words.
        make: makes it.
        object: that must have a finding.
        cause: id of that finding's cause.
    """

    name: str
    make: Callable[[RunningPlatform], None]
    object: str
    cause: str


def ignored(text: str) -> str:
    """Return the ApplicationSet with a rule that lets replicas differ, as teams with an autoscaler write it."""
    before = "      syncPolicy:\n        automated:"
    if text.count(before) != 1:
        raise AssertionError(f"{APPLICATIONSET} has changed, and this does not fit any more")
    return text.replace(before, IGNORES + before)


def needing(text: str) -> str:
    """Return the values of a foundation that cannot start before the layer has brought it a Secret, as with the password of a mail server."""
    return text.replace("\nalertmanager:\n", "\nalertmanager:\n  alertmanagerSpec:\n    secrets: [grafana-admin]\n", 1)


def hidden(up: RunningPlatform) -> None:
    """Scale an environment by hand, where Argo CD was told to look away."""
    up.kube.patch("apps/v1/Deployment", "chat", {"spec": {"replicas": 2}}, "chat-dev", manager=HAND)


def freeze(up: RunningPlatform) -> None:
    """Freeze the platform's own project, as before a holiday: what is changed by hand from now on stays."""
    window = {"kind": "deny", "schedule": "0 0 * * *", "duration": "24h", "applications": ["*"]}
    up.kube.patch("argoproj.io/v1alpha1/AppProject", "platform", {"spec": {"syncWindows": [window]}}, "argocd")


def address_lost(up: RunningPlatform) -> None:
    """Delete the pool; MetalLB gives no address again to whoever asks anew."""
    up.kube.delete("metallb.io/v1beta1/IPAddressPool", "platform", "metallb-system")
    for service in up.kube.list("v1/Service"):
        if at(service, "spec", "type") == "LoadBalancer":
            namespace, name = key(service)
            lose_address(up.kube, name, namespace)


def unselected(up: RunningPlatform) -> None:
    """Change the label that Prometheus selects by."""
    labels = {"metadata": {"labels": {"release": "prometheus"}}}
    kind = "monitoring.coreos.com/v1/ServiceMonitor"
    up.kube.patch(kind, "sealed-secrets", labels, "monitoring", manager=HAND)


def bad_image(up: RunningPlatform) -> None:
    """Commit a tag that nobody has built, in staging."""
    text = up.git.read(STAGING)
    up.git.commit({STAGING: (text.rstrip("\n") + "\n" + NO_IMAGE).encode()}, "Release chat to staging")


def key_lost(up: RunningPlatform) -> None:
    """Lose the key of Sealed Secrets, and start its controller anew."""
    lose_sealing_key(up.kube)


KINDS = (
    # First: without the key no Application that has a SealedSecret is synced as far as its Deployment.
    Kind("bad image in staging", bad_image, "deployment/chat -n chat-staging", "pod-image"),
    Kind("drift hidden by ignoreDifferences", hidden, "deployment/chat -n chat-dev", "drift-ignored"),
    Kind("monitor unselected", unselected, "servicemonitor/sealed-secrets -n monitoring", "monitor-unselected"),
    Kind("address lost", address_lost, "service/chat -n chat-prod", "loadbalancer-no-pool"),
    Kind("key of Sealed Secrets lost", key_lost, "sealedsecret/grafana-admin -n monitoring", "secret-not-unsealed"),
)
"""In the order in which they are made, each found before the next one is."""
