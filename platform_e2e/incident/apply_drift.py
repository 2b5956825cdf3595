"""Apply captured drift to a layer that has just come up: change the same fields, delete and create the same objects.

Only the fields that differed are changed, so no address, id or version of the other cluster comes along. A redacted value cannot be
applied and is reported.
"""

from __future__ import annotations

import copy
import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from platform_e2e.checks.drifted_objects import CHANGED, MISSING, Drift
from platform_e2e.checks.git_differences import HIDDEN, Difference, bare
from platform_e2e.diagnosis.objects import at
from platform_e2e.errors import HarnessError
from platform_e2e.foundations import sealing_backup
from platform_e2e.kube.client import Kube
from platform_e2e.kube.errors import ApiError
from platform_e2e.kube.objects import Object, key
from platform_e2e.layer import sealing_keys

HAND = "platform-e2e-incident"
"""The field manager of the changes."""

OWN_FIELDS = ("clusterIP", "clusterIPs", "healthCheckNodePort", "ipFamilies")
"""Fields of a Service that the API server fills in."""

SERVED = ("/repoURL", "/targetRevision")
"""Ends of fields that must say where this cluster reads Git from."""


@dataclass(frozen=True)
class Applied:
    """What was done to one object.

    Attributes:
        object: as findings name it.
        did: the changes, in words; empty where there were none.
        problem: why its state differs from that of the incident; empty where it does not.
    """

    object: str
    did: str
    problem: str = ""

    def __str__(self) -> str:
        """Return it in one line."""
        return f"{self.object}: {'; but '.join(part for part in (self.did, self.problem) if part)}"


def apply(kube: Kube, drift: Drift) -> Applied:
    """Bring an object into the state that it had at the incident.

    Args:
        kube: the cluster.
        drift: how the object differed from Git.
    """
    try:
        if drift.change == MISSING:
            there = kube.delete(drift.kind, drift.name, drift.namespace or None)
            return Applied(str(drift), "deleted", "" if there else "it did not exist")
        return _change(kube, drift) if drift.change == CHANGED else _create(kube, drift)
    except HarnessError as error:
        return Applied(str(drift), "", f"it could not be applied: {error.problem}")


def _change(kube: Kube, drift: Drift) -> Applied:
    live = kube.get(drift.kind, drift.name, drift.namespace or None)
    if live is None:
        return Applied(str(drift), "", "it does not exist here")
    usable = [each for each in drift.differences if not unusable(each)]
    left = [f"{each.path} {unusable(each)}" for each in drift.differences if unusable(each)]
    if usable:
        kube.patch(drift.kind, drift.name, patch_of(live, usable), drift.namespace or None, manager=HAND)
    did = f"changed {', '.join(each.path for each in usable)}" if usable else ""
    return Applied(str(drift), did, "; ".join(left))


def unusable(difference: Difference) -> str:
    """Return why a difference cannot be applied; an empty string where it can.

    Args:
        difference: a field with its redacted value.
    """
    if HIDDEN in json.dumps(difference.observed, default=str):
        return "is redacted"
    return "says where Git is read from, which is another place here" if difference.path.endswith(SERVED) else ""


def patch_of(live: Object, differences: Sequence[Difference]) -> Object:
    """Return the merge patch that gives an object the observed values.

    Args:
        live: the live object.
        differences: paths and what was observed there; None for what was absent.
    """
    after = copy.deepcopy(live)
    for difference in differences:
        _put(
            after,
            [part.replace("~1", "/").replace("~0", "~") for part in difference.path.split("/")[1:]],
            difference.observed,
        )
    found: Object = _merge(live, after)
    return found


def _put(holder: Any, path: Sequence[str], value: Any) -> None:
    """Set or remove the value at a path; create absent maps on the way."""
    for part, following in itertools.pairwise(path):
        if isinstance(holder, list):
            if not part.isdecimal() or int(part) >= len(holder):
                return
            holder = holder[int(part)]
            continue
        if holder.get(part) is None:
            holder[part] = [] if following.isdecimal() else {}
        holder = holder[part]
    last = path[-1]
    if isinstance(holder, list):
        if last.isdecimal() and int(last) < len(holder):
            holder[int(last)] = value
    elif isinstance(holder, dict) and value is None:
        holder.pop(last, None)
    elif isinstance(holder, dict):
        holder[last] = value


def _merge(before: Any, after: Any) -> Any:
    """Return the merge patch (RFC 7386) from one object to another; it replaces lists as a whole."""
    if not isinstance(before, Mapping) or not isinstance(after, Mapping):
        return after
    changed = {name: _merge(before.get(name), value) for name, value in after.items() if before.get(name) != value}
    return changed | dict.fromkeys(before.keys() - after.keys())


def _create(kube: Kube, drift: Drift) -> Applied:
    if drift.live is None or HIDDEN in json.dumps(drift.live, default=str):
        return Applied(str(drift), "", "it has values that are redacted")
    made = bare(drift.live)
    if made.get("kind") == "Service":
        for name in OWN_FIELDS:
            made["spec"].pop(name, None)
        for port in at(made, "spec", "ports") or ():
            port.pop("nodePort", None)
    if drift.namespace and kube.get("v1/Namespace", drift.namespace) is None:
        kube.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": drift.namespace}}, manager=HAND)
    kube.apply(made, manager=HAND)
    return Applied(str(drift), "created")


def lose_address(kube: Kube, name: str, namespace: str) -> Applied:
    """Remove a Service's address, so that MetalLB assigns another one if it can.

    Args:
        kube: the cluster.
        name: of the Service.
        namespace: of the Service.
    """
    label = f"service/{name} -n {namespace}"
    service = kube.get("v1/Service", name, namespace)
    if service is None or not at(service, "status", "loadBalancer", "ingress"):
        return Applied(label, "has no address")
    try:
        kube.patch("v1/Service", name, {"status": {"loadBalancer": None}}, namespace, subresource="status")
    except ApiError as error:
        return Applied(label, "", f"its address could not be removed: {error.problem}")
    return Applied(label, "its address was removed")


def lose_sealing_key(kube: Kube) -> Applied:
    """Delete every key of Sealed Secrets and restart its controller, which then makes a key that decrypts no SealedSecret.

    The Secrets that it has unsealed before stay, as they do where a key is lost.

    Args:
        kube: the cluster.
    """
    label = "key of Sealed Secrets"
    try:
        keys = kube.list("v1/Secret", labels=sealing_keys.LABEL)
        for secret in keys:
            kube.delete("v1/Secret", key(secret)[1], key(secret)[0])
        sealing_backup.restart(kube, ",".join(sorted(key(secret)[1] for secret in keys)) or "no key")
    except HarnessError as error:
        return Applied(label, "", f"it could not be deleted: {error.problem}")
    names = ", ".join(key(secret)[1] for secret in keys)
    return Applied(label, f"deleted {names or 'none'} and restarted the controller")
