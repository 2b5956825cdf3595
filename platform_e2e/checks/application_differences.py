"""Where an Application of the cluster is not what its file says: a field was changed, or the API server knows none of that name."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from platform_e2e.checks.applicationsets import lets_differ
from platform_e2e.checks.git_differences import Difference, missing_from
from platform_e2e.diagnosis.objects import CRD, at, listed
from platform_e2e.finding import Cause, Finding, Promise
from platform_e2e.kube.objects import Object
from platform_e2e.kube.read_api import ReadApi
from platform_e2e.layer import Application

SERVED = re.compile(
    r"/repoURL$|/sourceRepos(?:/\d+)?$|/targetRevision$|^/spec/addresses/\d+$|^/spec/loadBalancerIP$|~1loadBalancerIPs$"
)
"""Fields that may differ from Git on purpose: the layer is served from inside the cluster, and a pool that is not free is moved.
One visible commit says so; that the cluster is what this commit says is Argo CD's to tell."""


def as_in_git(application: Application, live: Object, view: ReadApi | None = None) -> list[Finding]:
    """Return the finding that an Application of the cluster is not what its file says.

    Args:
        application: as Git has it.
        live: as the cluster has it.
        view: of the cluster, for what its ApplicationSet leaves alone.
    """
    different = unserved(missing_from(application.manifest, live))
    if not different:
        return []
    why = lets_differ(live, different[0].path, view) if view else ""
    absent = [each.path for each in different if each.observed is None]
    schema = _schema(view) if view and absent else None
    dropped = [path for path in absent if not _has_field(path, schema)]
    cause = _with_unknown(application, dropped) if dropped else _changed(application, different, why)
    details = {"differences": [asdict(difference) for difference in different]}
    expected = f"as {application.file} says"
    return [Finding(str(application), Promise.APPLICATIONS, expected, str(different[0]), cause, details)]


def _with_unknown(application: Application, dropped: Sequence[str]) -> Cause:
    return Cause(
        "application-field-unknown",
        f"{application} says {listed(dropped)}, of which Argo CD knows nothing: the API server drops it",
        f"remove it from {application.file}:{application.line}; for an order there is argocd.argoproj.io/sync-wave",
    )


def _changed(application: Application, different: Sequence[Difference], why: str) -> Cause:
    return Cause(
        "application-changed",
        f"{application} is not what {application.file} says: {listed([str(difference) for difference in different])}"
        + (f", because {why}" if why else ""),
        f"let the ApplicationSet in {application.file}:{application.line} keep what it has made"
        if why
        else "look who changed it (metadata.managedFields), and that its owner, the root or the ApplicationSet, heals it",
    )


def _schema(view: ReadApi) -> Any:
    """Return the schema of Applications; None where the cluster tells none."""
    versions = at(view.get(CRD, "applications.argoproj.io"), "spec", "versions") or ()
    served = next((each for each in versions if each.get("name") == "v1alpha1"), None)
    return at(served, "schema", "openAPIV3Schema")


def _has_field(path: str, schema: Any) -> bool:
    """Tell whether a schema has a field; also where that cannot be known."""
    node = schema
    for name in path.strip("/").split("/"):
        fields = at(node, "properties")
        if not fields or at(node, "x-kubernetes-preserve-unknown-fields"):
            # A list, a map, or anything.
            return True
        if name not in fields:
            return False
        node = fields[name]
    return True


def unserved(differences: Sequence[Difference]) -> list[Difference]:
    """Return the differences without those that serving the layer from inside the cluster makes on purpose."""
    return [difference for difference in differences if not SERVED.search(difference.path)]
