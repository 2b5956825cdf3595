"""The evidence about a release that does not get ready: the blocking object, its pods' states, events, the end of its log."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from platform_e2e.errors import BrokenHarness, BrokenPlatform, HarnessError
from platform_e2e.foundations.manifests import Object
from platform_e2e.kube.client import Kube
from platform_e2e.kube.errors import ApiError
from platform_e2e.kube.progress import undelivered

EVENTS_SHOWN = 5
"""Last events of the object and its pods that are shown; older ones are about steps that went well."""

LOG_LINES_SHOWN = 12
"""Lines shown of a log's end: enough for a Go program's last words, short enough for the first screen."""


class ReleaseFailed(BrokenPlatform):
    """A release does not get ready, or could not be applied.

    Attributes:
        release: its name.
        holder: the blocking object, `Deployment/x -n y`, or empty.
        why: what it lacks, or Helm's message.
        item: the blocking object, live; None if it does not exist.
        others: the failures of other releases in the same run.
    """

    def __init__(
        self, release: str, holder: str, why: str, evidence: str = "", remedy: str = "", *, item: Object | None = None
    ) -> None:
        held = f"{holder} holds it: {why}" if holder else why
        super().__init__(f"release {release} is not ready: {held}{evidence}", remedy)
        self.release = release
        self.holder = holder
        self.why = why
        self.evidence = evidence
        self.item = item
        self.others: tuple[ReleaseFailed, ...] = ()

    def beside(self, others: Sequence[ReleaseFailed]) -> ReleaseFailed:
        """Return the same failure with other releases that failed in the same run."""
        names = ", ".join(failure.release for failure in others)
        shown = f"{self.evidence}\n    also not ready: {names}" if names else self.evidence
        failure = ReleaseFailed(self.release, self.holder, self.why, shown, self.remedy, item=self.item)
        failure.others = tuple(others)
        return failure


class ImageNotDelivered(BrokenHarness):
    """A registry does not deliver an image, so the platform was not judged."""

    def __init__(self, image: str, why: str, what: str) -> None:
        super().__init__(
            f"the image {image}, which {what} needs, cannot be pulled: {why}",
            "check that the nodes reach that registry and that its name is right (`docker pull` here tries the same way); "
            "for a pull limit log in or give a mirror by --registry-mirror; then run again",
        )
        self.image = image


def not_delivered(kube: Kube, failure: ReleaseFailed, pulling: Collection[str] = ()) -> ImageNotDelivered | None:
    """Return an error if a registry is the reason why a release is not ready, else None.

    Args:
        kube: the client.
        failure: the result of the wait for the release.
        pulling: images that are being pulled.
    """
    if failure.item is None:
        return None
    try:
        pods = _pods(kube, failure.item)
    except HarnessError:
        return None
    what = f"{failure.holder} of release {failure.release}"
    lost = undelivered(pods)
    if lost is not None:
        return ImageNotDelivered(lost.image, lost.why, what)
    late = [container["image"] for pod in pods for container in _statuses(pod) if container.get("image") in pulling]
    return ImageNotDelivered(late[0], "it is still on its way", what) if late else None


def evidence(kube: Kube, item: Object | None) -> str:
    """Return the cluster's information about a failing object, indented, or a note that there is none.

    Args:
        kube: the client.
        item: the blocking object; None if it does not exist.
    """
    if item is None:
        return ""
    try:
        return "".join(f"\n    {line}" for line in _lines(kube, item))
    except HarnessError as error:
        # The failure must be reported even if the API server does not answer any longer.
        return f"\n    (no more is known: {error.problem})"


def _lines(kube: Kube, item: Object) -> Iterator[str]:
    """Yield the evidence line by line."""
    metadata = item["metadata"]
    namespace = metadata.get("namespace")
    pods = _pods(kube, item)
    waiting = [line for pod in pods for line in pod_troubles(pod)]
    yield from waiting
    if item["kind"].endswith("WebhookConfiguration"):
        yield from _services(kube, item)
    if not pods and item["kind"] in {"Deployment", "StatefulSet", "DaemonSet"}:
        yield "it has no pod"
    events = kube.events(f"{item['apiVersion']}/{item['kind']}", metadata["name"], namespace)
    if events:
        yield "last events:"
    for event in events[-EVENTS_SHOWN:]:
        about = event.get("involvedObject") or {}
        yield f"  {event.get('reason')} {about.get('kind')}/{about.get('name')}: {' '.join(str(event.get('message')).split())}"
    for pod in pods:
        for container, previous in _silent_containers(pod):
            yield from _log(kube, pod, container, previous=previous)


def pod_troubles(pod: Object) -> Iterator[str]:
    """Yield the reasons why a pod is not ready: not scheduled, a container that waits, has ended, or fails its probe."""
    name = f"Pod/{pod['metadata']['name']}"
    status = pod.get("status") or {}
    for condition in status.get("conditions") or []:
        if condition.get("type") == "PodScheduled" and condition.get("status") == "False":
            yield f"{name} is not scheduled: {condition.get('message')}"
    for container in _statuses(pod):
        state = container.get("state") or {}
        word = f"{name} container {container['name']}"
        if "waiting" in state:
            message = state["waiting"].get("message")
            yield f"{word} waits: {state['waiting'].get('reason')}{f': {message}' if message else ''}"
        elif "terminated" in state and state["terminated"].get("exitCode"):
            ended = state["terminated"]
            yield f"{word} ended with status {ended['exitCode']} ({ended.get('reason')})"
        elif "running" in state and not container.get("ready"):
            yield f"{word} runs and is not ready, {container.get('restartCount', 0)} restarts"


def _pods(kube: Kube, item: Object) -> list[Object]:
    """Return the pods of a workload that are not ready; for an operator's object, those with its name."""
    metadata = item["metadata"]
    selector = ((item.get("spec") or {}).get("selector") or {}).get("matchLabels")
    if item["kind"] in {"Deployment", "StatefulSet", "DaemonSet", "Job"} and selector:
        pods = kube.list("v1/Pod", metadata.get("namespace"), selector)
    elif item["kind"] in {"Prometheus", "Alertmanager"}:
        pods = kube.list("v1/Pod", metadata.get("namespace"), {"app.kubernetes.io/instance": metadata["name"]})
    else:
        pods = [item] if item["kind"] == "Pod" else []
    return [pod for pod in pods if any(pod_troubles(pod))]


def _services(kube: Kube, item: Object) -> Iterator[str]:
    """Yield the state of the Services that a webhook configuration calls."""
    called = {
        (service["namespace"], service["name"])
        for webhook in item.get("webhooks") or []
        if (service := (webhook.get("clientConfig") or {}).get("service"))
    }
    for namespace, name in sorted(called):
        found = kube.get("v1/Service", name, namespace)
        if found is None:
            yield f"it calls Service/{name} -n {namespace}, which does not exist"
            continue
        pods = kube.list("v1/Pod", namespace, found["spec"].get("selector"))
        yield f"it calls Service/{name} -n {namespace}, which has {len(pods)} pods"
        yield from (line for pod in pods for line in pod_troubles(pod))


def _statuses(pod: Object) -> list[Object]:
    status = pod.get("status") or {}
    return [*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])]


def _silent_containers(pod: Object) -> Iterator[tuple[str, bool]]:
    """Yield the containers with an informative log, and whether the run before the last restart is the informative one."""
    for container in _statuses(pod):
        state = container.get("state") or {}
        done = state.get("terminated") or {}
        if container.get("ready") or done.get("exitCode") == 0:
            continue
        if "running" in state or done:
            yield container["name"], False
        elif container.get("restartCount"):
            yield container["name"], True


def _log(kube: Kube, pod: Object, container: str, *, previous: bool) -> Iterator[str]:
    """Yield the end of a container's log, if it has one."""
    name, namespace = pod["metadata"]["name"], pod["metadata"]["namespace"]
    try:
        text = kube.logs(name, namespace, container, previous=previous, tail=LOG_LINES_SHOWN)
    except ApiError as error:
        yield f"no log of Pod/{name} container {container}: {error.message}"
        return
    if text.strip():
        yield f"end of the log of Pod/{name} container {container}:"
        yield from (f"  {line}" for line in text.strip().splitlines())
