"""Back up the keys of Sealed Secrets, and restore them: without them a new cluster can open nothing that Git has sealed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from platform_e2e.atomic import whole_file
from platform_e2e.errors import BrokenPlatform, WrongUsage
from platform_e2e.foundations.crds import MANAGER
from platform_e2e.kube.client import Kube
from platform_e2e.kube.expect import eventually
from platform_e2e.kube.objects import Object, key
from platform_e2e.kube.read_api import ReadApi
from platform_e2e.kube.readiness import rolled_out
from platform_e2e.layer import sealing_keys, yamlfile
from platform_e2e.layer.sealing_keys import LABEL, SealingKey

MODE = 0o600
"""Of a backup: nobody but its owner may read it."""

CONTROLLER = {"app.kubernetes.io/name": "sealed-secrets"}
"""Label of the chart's Deployment (sealed-secrets 2.18, helm/sealed-secrets/templates/_helpers.tpl)."""

RESTARTED_FOR = "platform-e2e/restarted-for"
"""Annotation of the pod template that makes a Deployment start its pods anew."""

RESTART_SECONDS = 60.0
"""For the controller to restart; it needs about 5."""

HEADER = """\
# The private keys of Sealed Secrets: who has this file can open everything that Git has sealed. Keep it out of Git, where it is safe
# and will outlive the cluster. Its keys are loaded by `platform-e2e sealing-key restore FILE`, and in a test by --sealing-key FILE.
"""


def keys_of(view: ReadApi, namespace: str = "") -> list[SealingKey]:
    """Return the keys of a cluster, the newest first, those that are no longer active among them.

    Args:
        view: the cluster.
        namespace: of the controller; every one where it is empty.

    Raises:
        ApiError: Secrets may not be read.
        BrokenPlatform: there is none, or one of them has no key.
    """
    found = []
    for secret in view.list("v1/Secret", namespace or None, labels=LABEL):
        # A list has no kind in its items.
        whole = {"apiVersion": "v1", "kind": "Secret", **secret}
        try:
            found.append(sealing_keys.key_of(whole))
        except ValueError:
            space, name = key(secret)
            raise BrokenPlatform(
                f"secret/{name} -n {space} must have a key and its certificate, got something else",
                f"remove its label {LABEL}: a controller that reads it would end",
            ) from None
    if not found:
        raise BrokenPlatform(
            f"the cluster must have a Secret with the label {LABEL}, got none",
            "look whether the controller of Sealed Secrets runs, and in which namespace (-n)",
        )
    return sealing_keys.newest_first(found)


def write(path: Path, keys: Sequence[SealingKey]) -> None:
    """Write a backup that only its owner may read.

    Raises:
        WrongUsage: the file is there already: it may be the backup of another cluster.
        OSError: it cannot be written.
    """
    documents = (yamlfile.as_json(sealing_keys.portable(each), indent=1) for each in keys)
    try:
        with whole_file(path, mode=MODE, replace=False) as file:
            file.write((HEADER + "---\n" + "\n---\n".join(documents) + "\n").encode())
    except FileExistsError:
        raise WrongUsage(
            f"{path} must not exist, got a file: it may be the only backup of other keys", "name another file"
        ) from None


def load(kube: Kube, keys: Sequence[SealingKey], namespace: str = "") -> list[SealingKey]:
    """Load keys into a cluster and return those that it did not have.

    Args:
        kube: the cluster.
        keys: of a backup.
        namespace: of the controller; where they came from if it is empty.

    Raises:
        WrongUsage: the cluster has another key under the name of one; nothing was changed.
        ApiError: the API server refused.
    """
    wanted = [(each, namespace or each.namespace) for each in keys]
    missing = [(each, place) for each, place in wanted if not _is_there(kube, each, place)]
    for place in {place for _, place in missing}:
        if kube.get("v1/Namespace", place) is None:
            # Of a controller that is still to come.
            kube.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": place}}, manager=MANAGER)
    for each, place in missing:
        secret = sealing_keys.portable(each)
        secret["metadata"]["namespace"] = place
        kube.apply(secret, manager=MANAGER)
    return [each for each, _ in missing]


def _is_there(kube: Kube, wanted: SealingKey, namespace: str) -> bool:
    """Tell whether a cluster has a key already."""
    live = kube.get("v1/Secret", wanted.name, namespace)
    if live is None:
        return False
    try:
        same = sealing_keys.key_of({"kind": "Secret", **live}).fingerprint == wanted.fingerprint
    except ValueError:
        same = False
    if not same:
        raise WrongUsage(
            f"secret/{wanted.name} -n {namespace} must be absent or the key of the backup, got another one",
            "back that one up first, then remove it or give the Secret in the backup another name",
        )
    return True


def restart(kube: Kube, reason: str, namespace: str = "") -> list[Object]:
    """Restart every controller of Sealed Secrets, which reads its keys when it starts, and return the Deployments.

    Args:
        kube: the cluster.
        reason: what for; noted in the Deployment, and another one each time.
        namespace: of the controller; every one where it is empty.

    Raises:
        ApiError: the API server refused.
        Timeout: one does not run again.
    """
    deployments = list(kube.list("apps/v1/Deployment", namespace or None, labels=CONTROLLER))
    for deployment in deployments:
        place, name = key(deployment)
        template = {"spec": {"template": {"metadata": {"annotations": {RESTARTED_FOR: reason}}}}}
        kube.patch("apps/v1/Deployment", name, template, place, manager=MANAGER)
        source = kube.one("apps/v1/Deployment", name, place)
        eventually(source, rolled_out, timeout=RESTART_SECONDS, what=f"deployment/{name} -n {place} runs again")
    return deployments
