"""A platform run without a cluster: fake lease, provider, layer and client, for tests that run pytest inside pytest."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import sys
import threading
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from platform_e2e import paths
from platform_e2e.cluster.provider import Capability, ClusterFacts, Images, NodeFacts
from platform_e2e.errors import BrokenHarness, BrokenPlatform, WrongUsage
from platform_e2e.layer import tree
from platform_e2e.layer.layer import Layer
from platform_e2e.layer.not_judged import Accepted, NotJudged
from platform_e2e.layer.objects import Rendered
from platform_e2e.layer.stand_ins import StandIns
from platform_e2e.runs import digest, run_options

if TYPE_CHECKING:
    from collections.abc import Iterator

    from platform_e2e.runs.checkout import Checkout

CONFTEST = """
from __future__ import annotations
import sys
sys.path.insert(0, {root!r})
from tests.support import harness_in_a_box
harness_in_a_box.install()
pytest_plugins = ["platform_e2e.fixtures"]
"""


def conftest(root: Path) -> str:
    """Return a root conftest.py that loads the harness's plugin over the fakes."""
    return CONFTEST.format(root=str(root))


class FakeLease:
    """Note each thing done with it in files beside the cluster's directory."""

    def __init__(self, directory: Path, facts: ClusterFacts) -> None:
        self.directory = directory
        self.facts = facts
        self.created = True
        self.layers: list[tuple[str, str]] = []

    @contextlib.contextmanager
    def for_layer(self, fingerprint: str, name: str) -> Iterator[None]:
        self.layers.append((fingerprint, name))
        yield

    @contextlib.contextmanager
    def shared(self, name: str) -> Iterator[None]:
        note(f"shared {name}")
        yield

    @contextlib.contextmanager
    def exclusive(self, name: str) -> Iterator[None]:
        note(f"exclusive {name}")
        yield


def note(text: str) -> None:
    """Append a line to the log that the outer test reads."""
    with Path(os.environ["HARNESS_IN_A_BOX"]).open("a") as file:
        file.write(text + "\n")


@contextlib.contextmanager
def acquire(spec: Any, provider: Any, *, keep: Any, timeline: Any) -> Iterator[FakeLease]:
    """Make a cluster of nothing, or fail as the environment says."""
    note(f"acquire {spec.name} {spec.nodes}")
    if os.environ.get("BOX_CLUSTER") == "broken-harness":
        raise BrokenHarness("the bridge cannot be made", "Load the module bridge.")
    if os.environ.get("BOX_CLUSTER") == "hangs":
        threading.Event().wait(60)
    directory = Path(os.environ["PLATFORM_E2E_CACHE"]) / "clusters" / spec.name
    directory.mkdir(parents=True, exist_ok=True)
    node = NodeFacts("server-0", "10.89.0.2", "")
    facts = ClusterFacts(spec.name, "fake", str(directory), str(directory / "kubeconfig"), "v1.35.0", (node,))
    with (directory / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        facts.write(directory / "cluster.json")
    try:
        yield FakeLease(directory, facts)
    finally:
        if keep():
            note("kept")
        else:
            (directory / "cluster.json").unlink(missing_ok=True)
            note("removed")


def load(directory: Path, *_args: Any, **_options: Any) -> Any:
    """Return a layer of nothing but what its coverage.json says of it, or refuse a file that says so."""
    if (directory / "broken.yaml").exists():
        raise WrongUsage(f"{directory / 'broken.yaml'}:3: the key `speaker` stands here twice.", "Remove one.")
    rendered = tuple(
        Rendered(
            {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": {"hostPID": True}}, "one", file, 7
        )
        for file in ("hostpid.yaml",)
        if (directory / file).exists()
    )
    told = directory / "coverage.json"
    covered = json.loads(told.read_text()) if told.exists() else {}
    contents = tree.contents(directory, tree.files(directory))
    exempt = SimpleNamespace(object="service/kiosk -n shop", promise="loadbalancer", reason="no address in the lab")
    found: Any = SimpleNamespace(
        pool_ranges=lambda: (),
        releases=(),
        applications=tuple(SimpleNamespace(name=f"app-{n}", given=None) for n in range(covered.get("applications", 0))),
        not_judged=tuple(NotJudged(**each) for each in covered.get("not_judged", ())),
        waited_for_in_vain=tuple(NotJudged(**each) for each in covered.get("not_judged", ())),
        accepted=tuple(Accepted(**each) for each in covered.get("accepted", ())),
        directory=directory,
        urls=(),
        exemptions=(exempt,),
        unproven=(),
        stand_ins=StandIns(),
        invented=(),
        applicationsets=(),
        begins=(),
        rendered_by=(),
        rendered=rendered,
        located=lambda cause: cause,
        of_kind=lambda kind: tuple(one for one in rendered if kind in (one.kind, one.api)),
        fingerprint=lambda: digest.tree(directory),
        contents=contents,
        demand_read_as=lambda told: Layer.demand_read_as(found, told),
    )
    return found


class FakeChoice(SimpleNamespace):
    """What was decided, as the run's first line says it."""

    def __str__(self) -> str:
        return "fake, because the box has no other"


def decide(*_asked: str, **_options: Any) -> FakeChoice:
    """Return the fake provider, or refuse as the environment says."""
    if os.environ.get("BOX_CLUSTER") == "no-images":
        raise BrokenHarness("k3d cannot get its images", "Name a mirror.")
    return FakeChoice(provider="fake", images=Images.BUILT)


def write_page(directory: Path) -> Path:
    """Make no page: a run needs a third of a second for it, and one test looks at it."""
    path = directory / "report.html"
    if os.environ.get("BOX_REPORT"):
        sys.modules.pop("platform_e2e.report.html")
        import_module("platform_e2e.report.html").write(directory)
    return path


@dataclass(frozen=True)
class OfTheHarness:
    """What Git says of the harness itself: a tenth of a second, and the same in every run.

    Attributes:
        work: its uncommitted work.
        commit: the one it is at.
    """

    work: Checkout | None
    commit: str

    @classmethod
    def look(cls) -> OfTheHarness:
        """Ask Git."""
        return cls(run_options.work(None), digest.head(paths.ROOT))

    def remember(self) -> None:
        """Let nobody in this process ask Git or read all sources again."""
        head, tree = digest.head, digest.tree
        run_options.work = lambda besides: self.work
        digest.head = lambda directory: self.commit if directory == paths.ROOT else head(directory)
        digest.tree = lambda *roots: tree(*(root for root in roots if not root.is_relative_to(paths.ROOT)))


def install() -> None:
    """Put the fakes where the fixtures import from."""
    provider = SimpleNamespace(name="fake", capabilities=frozenset({Capability.NODES}))
    fakes: dict[str, dict[str, Any]] = {
        "platform_e2e.cluster.acquisition": {"acquire": acquire},
        "platform_e2e.cluster.providers": {"choose": lambda _name: provider, "decide": decide},
        "platform_e2e.layer": {"load": load},
        "platform_e2e.report.html": {"write": write_page},
    }
    for name, members in fakes.items():
        module = import_module(name)
        for member, fake in members.items():
            setattr(module, member, fake)


def broken_platform(text: str) -> BrokenPlatform:
    """Return an error that blames the platform."""
    return BrokenPlatform(text, "Mend it.")
