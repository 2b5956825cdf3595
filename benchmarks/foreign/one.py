"""Read one layer in a process of its own, and print what became of it as a line of JSON: `-m benchmarks.foreign.one DIR STORE [ROOT...]`."""

from __future__ import annotations

import resource
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import msgspec

from benchmarks.foreign import stored
from platform_e2e import layer
from platform_e2e.errors import WrongUsage
from platform_e2e.layer import Layer, LayerError, LayerErrors, Material, NotJudged, place
from platform_e2e.layer.renderer import Reason
from platform_e2e.sources.store import Store
from platform_e2e.toolbox import layer_renderer

OF_OBJECTS = frozenset(map(str, (Reason.ADDRESS, Reason.MONITOR, Reason.STAND_IN, Reason.SECRET)))
"""Reasons that are about an object of a judged Application."""


class Read(msgspec.Struct):
    """What became of a layer.

    Attributes:
        roots: what was taken for applied by hand: kind and path.
        rendered: Applications, those that are nothing but a foundation included.
        objects: that they render.
        balancers: LoadBalancers.
        monitors: ServiceMonitors and PodMonitors.
        not_judged: number of objects by reason.
        each: what is not judged, and why.
        refused: why nothing of it can be judged; empty where something is.
        seconds: to read it once, with all that the store has for it.
        megabytes: of this process and the largest that it started, at their peaks.
        generating_nothing: ApplicationSets that generate no Application for the clusters here.
    """

    roots: list[str]
    rendered: int = 0
    objects: int = 0
    balancers: int = 0
    monitors: int = 0
    not_judged: dict[str, int] = {}
    each: list[str] = []
    refused: str = ""
    seconds: float = 0.0
    megabytes: float = 0.0
    generating_nothing: int = 0

    @property
    def there(self) -> int:
        """Return how many Applications there are, as far as is known: an ApplicationSet that cannot be expanded counts as one."""
        every = sum(number for reason, number in self.not_judged.items() if reason not in OF_OBJECTS)
        return self.rendered + every - self.generating_nothing


def main(argv: Sequence[str] | None = None) -> int:
    """Read the layer, and print what became of it."""
    directory, store, *roots = sys.argv[1:] if argv is None else argv
    found = read(Path(directory), roots, Path(store) if store else None)
    usage = (resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    # Kilobytes on Linux.
    found.megabytes = sum(usage) / 1024
    print(msgspec.json.encode(found).decode())
    return 0


def read(directory: Path, roots: Sequence[str], store: Path | None = None) -> Read:
    """Read a layer.

    Args:
        directory: of the layer.
        roots: what is applied by hand; found by default.
        store: of what was fetched; without one the layer is read with nothing fetched.
    """
    found = Read([])
    renderer = layer_renderer.renderer()
    began = time.monotonic()
    try:
        found.roots = [f"{root.kind} {root.path}" for root in place.place(directory, roots).roots]
        fetched = stored.needed(directory, roots, renderer, Store(store)) if store else Material(())
        began = time.monotonic()
        _counted(found, layer.load(directory, renderer, roots=roots, material=fetched))
    except (LayerError, LayerErrors) as error:
        found.refused = str(error).splitlines()[0]
        _unknown(found, error.not_judged)
    except WrongUsage as error:
        found.refused = error.problem
    found.seconds = time.monotonic() - began
    return found


def _counted(found: Read, read: Layer) -> None:
    # One that was taken out with its foundation is named as not judged, and counts as that.
    named = {each.identity for each in read.not_judged}
    apart = [each for each in read.taking.aside if each.identity not in named]
    found.rendered, found.objects = len(read.applications) + len(apart), len(read.rendered)
    found.balancers = sum(_is_balancer(each.object) for each in read.rendered)
    found.monitors = sum(each.kind in {"ServiceMonitor", "PodMonitor"} for each in read.rendered)
    _unknown(found, read.not_judged)


def _is_balancer(data: dict[str, object]) -> bool:
    spec = data.get("spec")
    return data["kind"] == "Service" and isinstance(spec, dict) and spec.get("type") == "LoadBalancer"


def _unknown(found: Read, unknown: Sequence[NotJudged]) -> None:
    # A file that cannot be read is not an Application; those in it are not known.
    found.not_judged = dict(Counter(str(each.reason) for each in unknown).most_common())
    found.generating_nothing = sum(
        each.reason == Reason.EMPTY and each.identity[0] == "applicationset" for each in unknown
    )
    found.each = [f"{each.reason}: {each}" for each in unknown]


if __name__ == "__main__":
    sys.exit(main())
