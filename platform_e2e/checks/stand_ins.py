"""Stand-ins of the cluster that no file of the layer tells of: in pods that an operator or a chart's hook has made."""

from __future__ import annotations

from collections.abc import Iterator

from platform_e2e.diagnosis.objects import at, name_of
from platform_e2e.kube.objects import Object, key
from platform_e2e.kube.read_api import ReadApi
from platform_e2e.layer import Layer, NotJudged
from platform_e2e.layer.not_judged import WITHOUT_STAND_IN
from platform_e2e.layer.renderer import Reason
from platform_e2e.toolbox.images import STAND_IN

_NAMED = 3
"""How many of several the sentence names."""


def others(layer: Layer, view: ReadApi) -> tuple[int, NotJudged | None]:
    """Return in how many containers of the cluster stand-ins run, and what is not proven of those that no file tells of.

    The status of a container names the image that really runs.

    Args:
        layer: whose files tell of the others.
        view: the cluster.
    """
    known = {(each.workload.namespace, each.image) for each in layer.stand_ins.containers}
    running = [(pod, image) for pod in view.list("v1/Pod") for image in replaced(pod)]
    unknown = [(pod, image) for pod, image in running if (key(pod)[0], image) not in known]
    if not unknown:
        return len(running), None
    told = list(dict.fromkeys(f"{name_of(pod)} ({image})" for pod, image in unknown))
    more = f" and {len(told) - _NAMED} more" if len(told) > _NAMED else ""
    problem = f"stand-ins run that no file of the layer tells of: {', '.join(told[:_NAMED])}{more}"
    return len(running), NotJudged(name_of(unknown[0][0]), Reason.STAND_IN, problem, WITHOUT_STAND_IN, "", None, ())


def replaced(pod: Object) -> Iterator[str]:
    """Yield the image of each container of a pod in whose place a stand-in runs, as the pod asks for it."""
    for statuses, containers in (("initContainerStatuses", "initContainers"), ("containerStatuses", "containers")):
        asked = {each.get("name"): str(each.get("image")) for each in at(pod, "spec", containers) or ()}
        for status in at(pod, "status", statuses) or ():
            if status.get("image") == STAND_IN and status.get("name") in asked:
                yield asked[status["name"]]
