"""Capture and reproduce a stuck rollout, which has two pod templates: the one in Git and an older one that still runs.

What is captured is how the older template differs. To reproduce the rollout, the older template runs first, then that of Git.
"""

from __future__ import annotations

from collections.abc import Sequence

from platform_e2e.checks.drifted_objects import ROLLING, Drift, kept
from platform_e2e.checks.git_differences import Difference, changed
from platform_e2e.checks.skipped_parts import SkippedParts
from platform_e2e.diagnosis.objects import annotations_of, at
from platform_e2e.errors import HarnessError
from platform_e2e.incident.apply_drift import HAND, Applied, patch_of, unusable
from platform_e2e.kube.client import Kube
from platform_e2e.kube.expect import eventually
from platform_e2e.kube.objects import Object, key
from platform_e2e.kube.reader import Reader
from platform_e2e.kube.readiness import rolled_out
from platform_e2e.layer import Rendered

DEPLOYMENT = "apps/v1/Deployment"
REVISION = "deployment.kubernetes.io/revision"
"""Annotation of a Deployment and of each of its ReplicaSets (Kubernetes 1.34, pkg/controller/deployment/util)."""

HASH = "pod-template-hash"
"""The label by which the pods of different templates are told apart."""

ROLLOUT_SECONDS = 60.0
"""Seconds for the older template to run everywhere; the node has its image already."""


def halfway(reader: Reader, wanted: Sequence[Rendered], skipped: SkippedParts) -> list[Drift]:
    """Return the Deployments of which an older template still runs, each with the differences of that template.

    Args:
        reader: of the cluster.
        wanted: the objects of Git.
        skipped: records what cannot be read.
    """
    found: list[Drift] = []
    for rendered in wanted:
        if rendered.api == DEPLOYMENT:
            with skipped.skipping("ReplicaSets"):
                live = reader.get(rendered.api, rendered.name, rendered.namespace)
                older = _older(reader, live) if live else None
                if live and older:
                    found.append(_compared(rendered, live, older))
    return found


def _older(reader: Reader, live: Object) -> Object | None:
    """Return a Deployment's newest ReplicaSet that has available pods and an older template than the Deployment."""
    mine = [
        each
        for each in reader.list("apps/v1/ReplicaSet", key(live)[0])
        if any(
            owner.get("uid") == at(live, "metadata", "uid") for owner in at(each, "metadata", "ownerReferences") or ()
        )
        and at(each, "status", "availableReplicas")
        and annotations_of(each).get(REVISION) != annotations_of(live).get(REVISION)
    ]
    return max(mine, key=lambda each: int(annotations_of(each).get(REVISION) or 0), default=None)


def _compared(rendered: Rendered, live: Object, older: Object) -> Drift:
    """Return the differences of the older template, as redacted fields of the Deployment."""
    now, then = kept(live)["spec"]["template"], kept(older)["spec"]["template"]
    (at(then, "metadata", "labels") or {}).pop(HASH, None)
    different = changed({"spec": {"template": now}}, {"spec": {"template": then}})
    return Drift(
        rendered.api, rendered.name, rendered.namespace or "", rendered.application, ROLLING, "", tuple(different)
    )


def roll(kube: Kube, drift: Drift) -> Applied:
    """Run the older template of a Deployment, and roll out that of Git on top of it.

    Args:
        kube: the cluster.
        drift: what `halfway` returned.
    """
    problem = next((f"{each.path} {why}" for each in drift.differences if (why := unusable(each))), "")
    live = kube.get(drift.kind, drift.name, drift.namespace)
    if problem or live is None:
        return Applied(str(drift), "", f"its older template cannot run: {problem or 'it does not exist here'}")
    current, did = live, ""
    try:
        current = kube.patch(drift.kind, drift.name, patch_of(live, drift.differences), drift.namespace, manager=HAND)
        source = kube.one(drift.kind, drift.name, drift.namespace)
        eventually(source, rolled_out, timeout=ROLLOUT_SECONDS, what=f"{drift} runs its older template")
        did = f"rolled out again from {', '.join(f'{d.path} {d.observed!r}' for d in drift.differences)}"
    except HarnessError as error:
        problem = f"its older template does not run: {error.problem.splitlines()[0]}"
    finally:
        # The incident ended with the template of Git, whether or not the older one ran here.
        not_back = _put_back(kube, drift, current, live)
    problem = "; ".join(filter(None, (problem, not_back)))
    return Applied(str(drift), "" if problem else did, problem)


def _put_back(kube: Kube, drift: Drift, current: Object, live: Object) -> str:
    """Set the template of Git again, and return why that failed; an empty string where it did not."""
    back = Difference("/spec/template", None, at(live, "spec", "template"))
    try:
        kube.patch(drift.kind, drift.name, patch_of(current, [back]), drift.namespace, manager=HAND)
    except HarnessError as error:
        return f"the template of Git cannot be put back: {error.problem.splitlines()[0]}"
    return ""
