"""Render a layer by Argo CD's own code, in a process that sees nothing but copies of what it renders.

The process is `argocd-render` (`toolbox/programs/cmd/argocd`): it keeps itself apart, and answers a line of JSON with a line of JSON.
What it says is as little trusted as the layer: it is read within bounds, and when it dies or takes too long, every object
that it was busy with is rendered by itself, so that only the one at fault is without a result.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import msgspec

from platform_e2e import paths, shell
from platform_e2e.dialogue import Dialogue
from platform_e2e.errors import BrokenHarness, WrongUsage
from platform_e2e.layer import copies
from platform_e2e.layer.allowed_options import allowed_options
from platform_e2e.layer.renderer import Engine, Material, Problem, Reason, RenderedSource, Rendering
from platform_e2e.pipes import TooMuch

SECONDS = 60.0
"""How long one object may take."""

MEMORY = 2 << 30
"""Bytes of data that each process may have (RLIMIT_DATA)."""

START_SECONDS = 60.0
"""How long the program may take to look through all repositories; a hundred times what 5,000 objects take."""

LARGEST_ANSWER = (64 << 20) + 1
"""Bytes of a line; the program itself says of an object that it becomes more than 64 MiB."""

MOST_VALUES = 2_000_000
"""Values of one answer, each of which takes up to 240 bytes; the largest charts have a tenth."""

REFUSED = 78
"""The program's exit status where it cannot be kept apart (`refused` in its confinement.go)."""

NOBODY = 65534
"""User and group that the program renders as, where it may choose."""

REMEDY = (
    "allow user namespaces (sysctl kernel.unprivileged_userns_clone=1, and on Ubuntu kernel.apparmor_restrict_unprivileged_userns=0), "
    "run as root, or say --trust if the layer may do all that you may"
)


_VERSION = re.compile(r"\d+\.\d+\.\d+(?:-[\w.]+)?")


class _Ready(msgspec.Struct):
    confined: str
    argocd: str
    helm: str
    kustomize: str
    workers: int


class _Trouble(msgspec.Struct):
    reason: Reason
    text: str
    source: int = 0


class _Source(msgspec.Struct):
    type: str
    manifests: list[dict[str, Any]] | None = None


class _Answer(msgspec.Struct):
    id: int
    sources: list[_Source] | None = None
    applications: list[dict[str, Any]] | None = None
    problem: _Trouble | None = None


class _Failed(Exception):
    """The program died, took too long, or said what it cannot say."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.text)
        self.problem = problem


@dataclass(frozen=True)
class Bounds:
    """What one object may take.

    Attributes:
        seconds: until it is rendered.
        memory: bytes of each process that renders it.
    """

    seconds: float = SECONDS
    memory: int = MEMORY


def renderer(
    argocd: Path,
    helm: Path,
    kustomize: Path,
    *,
    kubernetes: str,
    unconfined: bool = False,
    namespace: str = "argocd",
    bounds: Bounds = Bounds(),
) -> Callable[[Material], contextlib.AbstractContextManager[ArgoCD]]:
    """Return a renderer (`layer.renderer.Renderer`) that is Argo CD's own code.

    Args:
        argocd: the program that also plays `argocd-render`.
        helm: the program that it renders charts with.
        kustomize: the program that it renders kustomizations with.
        kubernetes: version that charts are told, such as `1.34`: Argo CD knows a cluster's only as far as that.
        unconfined: whether a layer may be rendered by this user's own rights where it cannot be kept apart.
        namespace: of Argo CD.
        bounds: of one object.

    Raises (the renderer):
        WrongUsage: the layer cannot be kept apart from this user's files, and is not trusted; or a repository cannot be copied.
        BrokenHarness: the program cannot be started, or ends without a cause in the layer.
    """

    @contextlib.contextmanager
    def begin(material: Material) -> Iterator[ArgoCD]:
        with paths.scratch() as scratch:
            root = scratch / "root"
            config = _laid(root, material)
            config |= {
                "namespace": namespace,
                "kubeVersion": kubernetes,
                "confinement": {
                    "binds": [
                        {"source": str(program.resolve()), "target": f"/bin/{name}"}
                        for name, program in (("helm", helm), ("kustomize", kustomize))
                    ],
                    "memory": bounds.memory,
                    "trusted": unconfined,
                },
            }
            (root / "config.json").write_text(json.dumps(config), encoding="utf-8")
            with ArgoCD(argocd, root, scratch / "log", bounds) as begun:
                yield begun

    return begin


def _laid(root: Path, material: Material) -> dict[str, Any]:
    """Lay out what the program sees, and return what it is told of that."""
    owner = NOBODY if os.geteuid() == 0 else None
    for name in ("", "bin", "charts", "dev", "proc", "repositories", "tmp"):
        (root / name).mkdir()
        (root / name).chmod(0o1777 if name == "tmp" else 0o755)
    repositories = []
    for number, repository in enumerate(material.repositories):
        place = root / "repositories" / str(number)
        copies.copy(repository.directory, place, owner)
        copies.change(place, repository.changed, owner)
        repositories.append(
            {"urls": repository.urls, "directory": f"repositories/{number}", "revisions": repository.revisions}
        )
    charts = []
    for number, chart in enumerate(material.charts):
        file = f"charts/{number}.tgz"
        shutil.copyfile(chart.archive, root / file)
        (root / file).chmod(0o644)
        charts.append({"repository": chart.repository, "name": chart.name, "version": chart.version, "file": file})
    return {
        "repositories": repositories,
        "charts": charts,
        "apiVersions": material.api_versions,
        "buildOptions": allowed_options(material.build_options)[0],
        "clusters": material.clusters,
        "newFileGlobbing": material.new_file_globbing,
    }


class ArgoCD(contextlib.AbstractContextManager["ArgoCD"]):
    """Argo CD's code, which renders while the block lasts (`layer.renderer.Render`).

    Attributes:
        engine: what renders, and how it is kept apart.
    """

    engine: Engine

    def __init__(self, program: Path, root: Path, log: Path, bounds: Bounds) -> None:
        self._program, self._root, self._log, self._bounds = program, root, log, bounds
        self._running = contextlib.ExitStack()
        self._asked = 0

    def __enter__(self) -> Self:
        """Start the program."""
        self._start()
        return self

    def __exit__(self, *_: object) -> None:
        """End it."""
        self._running.close()

    @property
    def process(self) -> int:
        """Return the id of the program that runs now."""
        return self._dialogue.process

    def __call__(self, objects: Sequence[Mapping[str, Any]]) -> list[Rendering]:
        """Render Applications and ApplicationSets, each by itself; one result for each, in their order.

        Raises:
            BrokenHarness: the program cannot be started again.
        """
        found: dict[int, Rendering] = {}
        asked: dict[int, bytes] = {}
        for number, each in enumerate(objects):
            try:
                asked[number] = json.dumps(each, allow_nan=False).encode()
            except (TypeError, ValueError, RecursionError) as error:
                found[number] = Rendering(problem=Problem(Reason.SHAPE, f"it cannot be written as JSON: {error}"))
        waiting = deque(asked)
        while waiting:
            for number in self._together(asked, waiting, found):
                found[number] = self._alone(asked[number])
        return [found[number] for number in range(len(objects))]

    def _together(self, asked: Mapping[int, bytes], waiting: deque[int], found: dict[int, Rendering]) -> list[int]:
        """Render several at once until all are done or one fails; return those of which one has."""
        busy: dict[int, tuple[int, float]] = {}
        try:
            while waiting or busy:
                while waiting and len(busy) < self._workers:
                    number = waiting.popleft()
                    busy[self._ask(asked[number])] = number, time.monotonic() + self._bounds.seconds
                answer = self._hear(min(deadline for _, deadline in busy.values()))
                if answer.id not in busy:
                    raise _Failed(Problem(Reason.MEMORY, f"the renderer answered what it was not asked: {answer.id}"))
                number, _ = busy.pop(answer.id)
                found[number] = _rendering(answer)
        except _Failed:
            self._start()
        return [number for number, _ in busy.values()]

    def _alone(self, asked: bytes) -> Rendering:
        """Render one by itself."""
        try:
            number = self._ask(asked)
            answer = self._hear(time.monotonic() + self._bounds.seconds)
            if answer.id != number:
                raise _Failed(Problem(Reason.MEMORY, f"the renderer answered what it was not asked: {answer.id}"))
            return _rendering(answer)
        except _Failed as failed:
            self._start()
            return Rendering(problem=failed.problem)

    def _ask(self, asked: bytes) -> int:
        self._asked += 1
        self._dialogue.say(b'{"id":%d,"object":%b}' % (self._asked, asked))
        return self._asked

    def _hear(self, deadline: float) -> _Answer:
        try:
            line = self._dialogue.hear(deadline)
        except EOFError:
            said = self._said()
            raise _Failed(
                Problem(Reason.MEMORY, f"the renderer ended with status {self._dialogue.end()}{said}")
            ) from None
        except TooMuch:
            problem = Problem(Reason.MEMORY, f"it becomes more than {LARGEST_ANSWER >> 20} MiB")
            raise _Failed(problem) from None
        if line is None:
            raise _Failed(Problem(Reason.TIME, f"it takes more than {self._bounds.seconds:g} s"))
        if sum(map(line.count, (b"[", b"{", b","))) > MOST_VALUES:
            raise _Failed(Problem(Reason.MEMORY, f"it becomes more than {MOST_VALUES} values"))
        try:
            return msgspec.json.decode(line, type=_Answer)
        except (msgspec.DecodeError, RecursionError) as error:
            raise _Failed(Problem(Reason.SHAPE, f"what it becomes cannot be read: {error}")) from error

    def _start(self) -> None:
        """Start the program, in place of one that runs."""
        self._running.close()
        argv = [self._program, self._root]
        # Started by its own path, so that what it is called says nothing.
        env = {"ARGOCD_BINARY_NAME": "argocd-render"}
        self._dialogue: Dialogue = self._running.enter_context(
            shell.conversing(argv, most=LARGEST_ANSWER, log_file=self._log, env=env)
        )
        try:
            line = self._dialogue.hear(time.monotonic() + START_SECONDS)
        except (EOFError, TooMuch):
            status = self._dialogue.end()
            if status == REFUSED:
                raise WrongUsage(self._said().strip(": "), REMEDY) from None
            raise BrokenHarness(f"argocd-render cannot begin: it ended with status {status}{self._said()}") from None
        if line is None:
            raise BrokenHarness(f"argocd-render must begin within {START_SECONDS:g} s, got no word of it{self._said()}")
        ready = msgspec.json.decode(line, type=_Ready)
        self._workers = max(1, ready.workers)
        self.engine = Engine(ready.confined, *map(_version, (ready.argocd, ready.helm, ready.kustomize)))

    def _said(self) -> str:
        """Return the end of what it wrote to its standard error."""
        with self._log.open("rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - 2000))
            lines = file.read().decode(errors="replace").strip().splitlines()
        return "".join(f": {line}" for line in lines[-1:])


def _version(said: str) -> str:
    """Return the version in what a program says of itself, such as `v3.2.11+unknown`."""
    found = _VERSION.search(said)
    return found[0] if found else said


def _rendering(answer: _Answer) -> Rendering:
    if answer.problem is not None:
        return Rendering(problem=Problem(answer.problem.reason, answer.problem.text, answer.problem.source))
    sources = tuple(RenderedSource(each.type, tuple(each.manifests or ())) for each in answer.sources or ())
    return Rendering(sources, tuple(answer.applications or ()))
