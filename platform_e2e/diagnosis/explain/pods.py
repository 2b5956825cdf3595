"""Causes of a pod that is not ready: its scheduling, its image, its configuration, its end, its probe."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Mapping
from typing import Any

from platform_e2e import redact
from platform_e2e.diagnosis.objects import at, condition, keys_to, name_of, since
from platform_e2e.diagnosis.registry import explains
from platform_e2e.finding import Cause
from platform_e2e.kube.errors import ApiError
from platform_e2e.kube.objects import Object, key
from platform_e2e.kube.read_api import ReadApi

IMAGE_REASONS = frozenset(
    {"ErrImagePull", "ImagePullBackOff", "ErrImageNeverPull", "InvalidImageName", "ImageInspectError"}
)
"""The kubelet's words for an image that cannot be had (Kubernetes 1.34, pkg/kubelet/images/types.go)."""

CONFIGURATION_REASONS = frozenset({"CreateContainerConfigError", "CreateContainerError", "RunContainerError"})
"""The kubelet's words for a container that cannot be made (pkg/kubelet/kuberuntime/kuberuntime_container.go, container/sync_result.go)."""

MOUNT_REASONS = frozenset({"FailedMount", "FailedAttachVolume"})
"""Reasons of events about volumes (pkg/kubelet/events/event.go)."""

NOT_FOUND = re.compile(r"(?P<kind>configmap|secret) \\?\"(?P<name>[\w.-]+)\\?\" not found", re.IGNORECASE)
"""The kubelet's words for what a volume refers to (pkg/volume/configmap, pkg/volume/secret)."""

REFERRED = {"configmap": "ConfigMap", "secret": "Secret"}

ON_THE_WAY = re.compile(
    r'^.*(?:failed to (?:pull and unpack image|pull image|resolve reference|do request: [A-Z][a-z]+) "[^"]*":|\bdesc =) '
)
"""What the kubelet and containerd put before what the registry, or the way to it, has said (containerd 2, core/remotes/docker and
client/pull.go; cri-api's errors by gRPC)."""

LONGEST_REFUSAL = 300
"""Characters of it that are quoted."""

KILLED = 137
"""Exit status of what SIGKILL has ended, 128 + 9."""

UNFIT = (
    ("node affinity/selector", ("nodeSelector",)),
    ("node affinity/selector", ("affinity", "nodeAffinity")),
    ("affinity rules", ("affinity",)),
    ("topology spread", ("topologySpreadConstraints",)),
    ("taint", ("tolerations",)),
)
"""What the scheduler says of nodes that do not fit, and the pod's field (Kubernetes 1.34, pkg/scheduler/framework/plugins)."""

PROBED = re.compile(r"^(?P<kind>Readiness|Liveness|Startup) probe")
OF_CONTAINER = re.compile(r"^spec\.(?P<kind>containers|initContainers)\{(?P<name>[\w.-]+)\}$")
"""How the kubelet's event tells the probe, and in involvedObject.fieldPath the container (pkg/kubelet/container/ref.go)."""

LOG_LINES = 3
"""How many last lines of a crashed container's log a cause quotes."""

LOG_READ = 200
"""How many are read: that a line is one of a Secret may be said many lines before it."""

LOG_GONE = "unable to retrieve container logs for "
"""What the kubelet answers, with status 200, where the run is removed (pkg/kubelet/kuberuntime/kuberuntime_container.go)."""


def is_ready(pod: Object) -> bool:
    """Tell whether a pod is ready, or has done its work."""
    return condition(pod, "Ready").get("status") == "True" or at(pod, "status", "phase") == "Succeeded"


def _containers(pod: Object) -> Iterator[Mapping[str, Any]]:
    """Return the states of a pod's containers, init containers first."""
    status = pod.get("status") or {}
    yield from status.get("initContainerStatuses") or ()
    yield from status.get("containerStatuses") or ()


@explains("v1/Pod")
def unschedulable(pod: Object, _view: ReadApi) -> Cause | None:
    """No node takes the pod."""
    scheduled = condition(pod, "PodScheduled")
    if scheduled.get("status") != "False":
        return None
    return Cause(
        "pod-unschedulable",
        f"no node takes {name_of(pod)}: {scheduled.get('message', scheduled.get('reason', 'no reason given'))}",
        "lower what the pod requests, or correct its node selector, affinity or tolerations",
        field=_unfit(pod, str(scheduled.get("message", ""))),
    )


def _unfit(pod: Object, message: str) -> tuple[str | int, ...]:
    """Return the keys of the field of a pod by which no node fits, as the scheduler's message tells."""
    for words, field in UNFIT:
        if words in message and at(pod, "spec", *field) is not None:
            return "spec", *field
    for index, container in enumerate(at(pod, "spec", "containers") or ()):
        if "Insufficient" in message and at(container, "resources", "requests"):
            return "spec", "containers", index, "resources", "requests"
    return ()


@explains("v1/Pod")
def image(pod: Object, _view: ReadApi) -> Cause | None:
    """An image cannot be had."""
    for container in _containers(pod):
        waiting = at(container, "state", "waiting") or {}
        if waiting.get("reason") in IMAGE_REASONS:
            return Cause(
                "pod-image",
                f"the image {container.get('image')} of {name_of(pod)}, container {container.get('name')}, cannot be had "
                f"({waiting['reason']}{_refusal(str(waiting.get('message') or ''))})",
                "correct the image's name or tag in the pod template or under `images` of a kustomization, or push that tag; "
                "see that the node reaches its registry",
                about=f"image {container.get('image')}",
                field=_field(pod, container, "image"),
            )
    return None


def _refusal(message: str) -> str:
    """Return what the registry, or the way to it, has said, without what each program on the way has put before it."""
    line = " ".join(message.split())
    found = ON_THE_WAY.match(line)
    return f": {textwrap.shorten(line[found.end() :], LONGEST_REFUSAL, placeholder=' ...')}" if found else ""


@explains("v1/Pod")
def configuration(pod: Object, view: ReadApi) -> Cause | None:
    """A ConfigMap, a Secret or a volume that the pod refers to is not there."""
    for container in _containers(pod):
        waiting = at(container, "state", "waiting") or {}
        if waiting.get("reason") in CONFIGURATION_REASONS and not _out_of_memory(waiting):
            return _configuration(
                pod, f"container {container.get('name')}: {waiting.get('message', waiting['reason'])}"
            )
    if is_ready(pod) or any(at(c, "state", "running") is not None for c in _containers(pod)):
        return None
    failed = [e for e in view.events("v1/Pod", key(pod)[1], key(pod)[0]) if e.get("reason") in MOUNT_REASONS]
    if not failed:
        return None
    message = " ".join(str(failed[-1].get("message", "")).split())
    missing = NOT_FOUND.search(message)
    there = view.get(f"v1/{REFERRED[missing['kind'].lower()]}", missing["name"], key(pod)[0]) if missing else None
    if there is not None and not since([failed[-1]], there):
        # The kubelet looks again after two minutes at most.
        return None
    return _configuration(pod, message)


def _configuration(pod: Object, why: str) -> Cause:
    missing = NOT_FOUND.search(why)
    return Cause(
        "pod-configuration",
        f"{name_of(pod)} cannot start: {why}",
        "create what is missing, or correct its name in the pod template; look at the SealedSecret where it is a Secret",
        field=keys_to({"spec": pod.get("spec")}, missing["name"]) if missing else (),
    )


@explains("v1/Pod")
def crash(pod: Object, view: ReadApi) -> Cause | None:
    """A container ends again and again."""
    for container in _containers(pod):
        ends = [end for state in ("state", "lastState") if (end := at(container, state, "terminated"))]
        # The runtime may miss that one of several ends was the kernel's, and then calls it an error.
        ended = next((end for end in ends if _out_of_memory(end)), next(iter(ends), None))
        waiting = at(container, "state", "waiting") or {}
        if not ended and _out_of_memory(waiting):
            ended = {"exitCode": 128, **waiting}
        if not ended or ended.get("exitCode") == 0:
            continue
        if at(container, "state", "running") is not None and (is_ready(pod) or container.get("ready")):
            # It got over it. Else it runs for a moment between two ends, and its probe fails until the next.
            continue
        log = redact.text(_last_words(pod, view, container)).strip()
        quoted = "; its log ends: " + " | ".join(line.strip() for line in log.splitlines()[-LOG_LINES:]) if log else ""
        times = max(int(container.get("restartCount") or 0), 1)
        what = f"container {container.get('name')} of {name_of(pod)}"
        if _out_of_memory(ended):
            limit = _memory_limit(pod, str(container.get("name")))
            return Cause(
                "pod-crash",
                f"{what} is OOMKilled {f'at its memory limit of {limit}' if limit else 'without a memory limit of its own'} "
                f"(ended {times} time{'s' * (times > 1)}, exit status {ended.get('exitCode')}){quoted}",
                f"raise resources.limits.memory of container {container.get('name')}, or let it need less"
                if limit
                else "look which of the node's pods needs so much memory, and give this one a request",
                field=_field(pod, container, "resources", "limits", "memory"),
            )
        why = f"{ended.get('reason', 'Error')}, exit status {ended.get('exitCode')}"
        return Cause(
            "pod-crash",
            f"{what} has ended {times} time{'s' * (times > 1)} ({why}){quoted}",
            _what_to_do(pod, container, ended, log),
            field=_field(pod, container, "command"),
        )
    return None


def _field(pod: Object, container: Mapping[str, Any], *keys: str) -> tuple[str, ...]:
    """Return the keys of a field of a container, which its status names."""
    name = str(container.get("name"))
    kinds = ("containers", "initContainers")
    several = next(
        (kind for kind in kinds if any(c.get("name") == name for c in at(pod, "spec", kind) or ())), kinds[0]
    )
    return "spec", several, name, *keys


def _what_to_do(pod: Object, container: Mapping[str, Any], ended: Mapping[str, Any], log: str) -> str:
    """Return the remedy for a container that ends by itself, or is killed."""
    limit = _memory_limit(pod, str(container.get("name")))
    if ended.get("exitCode") == KILLED and limit and not log:
        return (
            f"it was killed and has logged nothing, as at its memory limit of {limit}: raise resources.limits.memory, or look "
            "at its liveness probe"
        )
    return "correct what its log names" if log else "look at its command and at what it needs: it has logged nothing"


def _out_of_memory(ended: Mapping[str, Any]) -> bool:
    """Tell whether the kernel ended a container at its memory limit, or before it began (runc's words)."""
    return ended.get("reason") == "OOMKilled" or "OOM-killed" in str(ended.get("message", ""))


def _memory_limit(pod: Object, container: str) -> str:
    """Return the memory limit of a container, or of its pod; empty where neither has one."""
    spec = pod.get("spec") or {}
    every = [*(spec.get("initContainers") or ()), *(spec.get("containers") or ())]
    own = next((at(spec, "resources", "limits", "memory") for spec in every if spec.get("name") == container), None)
    return str(own or at(spec, "resources", "limits", "memory") or "")


def _last_words(pod: Object, view: ReadApi, container: Mapping[str, Any]) -> str:
    """Return the end of the log of the run that ended last, or of the one beside it where the kubelet has that alone."""
    # It keeps one ended run of a container (MaxPerPodContainer), so of two in the status the older one's log is gone.
    latest_ended = bool(at(container, "state", "terminated"))
    name = str(container.get("name"))
    first = _log(pod, view, name, previous=not latest_ended)
    return first if first.strip() else _log(pod, view, name, previous=latest_ended)


def _log(pod: Object, view: ReadApi, container: str, *, previous: bool) -> str:
    """Return the end of a container's log; an empty text where the kubelet no longer has it."""
    namespace, name = key(pod)
    try:
        log = view.logs(name, namespace, container, previous=previous, tail=LOG_READ)
    except ApiError:
        return ""
    return "" if log.startswith(LOG_GONE) else log


@explains("v1/Pod")
def probe(pod: Object, view: ReadApi) -> Cause | None:
    """A probe fails."""
    if is_ready(pod):
        return None
    failed = [e for e in view.events("v1/Pod", key(pod)[1], key(pod)[0]) if e.get("reason") == "Unhealthy"]
    if not failed:
        return None
    return Cause(
        "pod-probe",
        f"{name_of(pod)} is not ready: {' '.join(str(failed[-1].get('message', '')).split())}",
        "correct the probe's path or port, or what it asks",
        field=_probe(failed[-1]),
    )


def _probe(event: Object) -> tuple[str, ...]:
    """Return the keys of the probe that an event is about; none where it does not tell."""
    probed = PROBED.match(str(event.get("message", "")))
    of = OF_CONTAINER.match(str(at(event, "involvedObject", "fieldPath") or ""))
    return ("spec", of["kind"], of["name"], f"{probed['kind'].lower()}Probe") if probed and of else ()


@explains("v1/Pod")
def starting(pod: Object, _view: ReadApi) -> Cause | None:
    """Nothing is wrong but that it is not ready yet."""
    if is_ready(pod):
        return None
    reasons = [f"{c.get('name')}: {at(c, 'state', 'waiting', 'reason') or 'running'}" for c in _containers(pod)]
    return Cause(
        "pod-starting",
        f"{name_of(pod)} is not ready yet ({', '.join(reasons) or at(pod, 'status', 'phase') or 'no status'})",
        "wait, or look at its events and log if it stays so",
    )
