"""The commits: each takes the objects of the base and says what it changes, adds and drops."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from platform_e2e.testing.checks import sandbox_objects

Object = dict[str, object]

BROKEN_CHART: Mapping[str, bytes | None] = {
    "manifests/Chart.yaml": b"apiVersion: v2\nname: broken\nversion: 0.1.0\n",
    "manifests/templates/broken.yaml": b"{{ .Values.nothing.below }}\n",
}


@dataclass(frozen=True)
class Change:
    """One commit.

    Attributes:
        name: what it does.
        write: objects that it changes or adds.
        drop: objects that it removes.
        files: files besides.
        taken: whether Argo CD can apply it, or else refuses it whole.
    """

    name: str
    write: tuple[Object, ...] = ()
    drop: tuple[Object, ...] = ()
    files: Mapping[str, bytes | None] = field(default_factory=dict)
    taken: bool = True


def base(image: str) -> dict[str, Object]:
    """Return the objects before each commit, by a short name."""
    return {
        "web": sandbox_objects.deployment("web", image),
        "port": sandbox_objects.service("web"),
        "settings": sandbox_objects.config_map("settings", colour="blue", size="s"),
        "other": sandbox_objects.config_map("other", says="a"),
        "more": sandbox_objects.config_map("more", says="a"),
        "robot": sandbox_objects.service_account("robot"),
    }


def changes(image: str) -> list[Change]:
    """Return the twenty commits."""
    of = base(image)
    config_map = sandbox_objects.config_map
    red, added = config_map("settings", colour="red", size="s"), config_map("added", says="a")

    def edited(name: str, edit: Callable[[dict], object]) -> tuple[Object, ...]:  # type: ignore[type-arg]
        found = copy.deepcopy(of[name])
        edit(found)
        return (found,)

    bad = sandbox_objects.deployment("web", sandbox_objects.NO_IMAGE)
    return [
        Change("a value", (red,)),
        Change("a key added", (config_map("settings", colour="blue", size="s", shape="round"),)),
        Change("a key removed", (config_map("settings", colour="blue"),)),
        Change("a label", edited("settings", lambda obj: obj["metadata"].update(labels={"team": "shop"}))),
        Change("an annotation", edited("port", lambda obj: obj["metadata"].update(annotations={"team": "shop"}))),
        Change("an object added", (added,)),
        Change("an object removed", drop=(of["other"],)),
        Change("an object renamed", (config_map("another", says="a"),), (of["other"],)),
        Change("three objects removed", drop=(of["other"], of["more"], of["robot"])),
        Change("an environment variable", (sandbox_objects.deployment("web", image, version="2"),)),
        Change("replicas", edited("web", lambda obj: obj["spec"].update(replicas=2))),
        Change("a bad image", (bad,)),
        Change("a bad command", edited("web", _crash)),
        Change("a workload removed", drop=(of["web"],)),
        Change("a port", (sandbox_objects.service("web", port=81),)),
        Change("a Service removed", drop=(of["port"],)),
        Change("an immutable field", (sandbox_objects.deployment("web", image, match="other"),), taken=False),
        Change("an object that is refused", (sandbox_objects.refused(),), taken=False),
        Change("a broken chart", files=BROKEN_CHART, taken=False),
        Change("all together", (red, added, bad, sandbox_objects.service("web", port=81)), (of["other"], of["robot"])),
    ]


def _crash(web: dict) -> None:  # type: ignore[type-arg]
    web["spec"]["template"]["spec"]["containers"][0]["command"] = ["/bin/sh", "-c", "exit 3"]
