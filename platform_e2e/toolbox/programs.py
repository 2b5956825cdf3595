"""The embedded cluster's programs: built from the modules that `programs/go.mod` pins, once for each state of it.

A run whose cluster comes from a registry needs four of them and builds only those (`TOOLS_OF_HOST`).

A program's key in the cache is the digest of go.mod, go.sum, its flags, the version of Go, and for our own programs the
sources in `programs/`. So a change of one of our sources links one program again, and only a change of go.mod links all.
Go's module cache and build cache lie in the same cache directory, as `go/mod` and `go/build`. Go itself drops entries of the
build cache that were not used for five days; `PLATFORM_E2E_GO_BUILD_CACHE=prune` empties it after every successful build,
which saves some 6 GB and costs the next change of go.mod a full build.

Where the wheel `platform-e2e-programs` is installed (`prebuilt`), programs with the same key are taken from it; the others are
built.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from platform_e2e import paths
from platform_e2e.errors import BrokenHarness, WrongUsage
from platform_e2e.shell import run
from platform_e2e.timeline import Timeline
from platform_e2e.toolbox import cache, gobuild, gomod, modules, prebuilt, stamps, toolchain
from platform_e2e.toolbox.prebuilt import Prebuilt
from platform_e2e.toolbox.toolchain import Toolchain

PHASE = "programs"

TAGS = "remove_all_sd,enable_kubernetes_sd"
"""Build tags of Prometheus: only the service discovery for Kubernetes. Other programs ignore them."""

TOOLS = {
    "github.com/bitnami-labs/sealed-secrets/cmd/controller": "sealed-secrets",
    "github.com/bitnami-labs/sealed-secrets/cmd/kubeseal": "kubeseal",
    "github.com/prometheus-operator/prometheus-operator/cmd/operator": "prometheus-operator",
    "github.com/prometheus-operator/prometheus-operator/cmd/prometheus-config-reloader": "prometheus-config-reloader",
    "github.com/prometheus/prometheus/cmd/prometheus": "prometheus",
    "github.com/prometheus/prometheus/cmd/promtool": "promtool",
    "go.etcd.io/etcd/server/v3": "etcd",
    "go.universe.tf/metallb/controller": "metallb-controller",
    "go.universe.tf/metallb/speaker": "metallb-speaker",
    "helm.sh/helm/v3/cmd/helm": "helm",
    "k8s.io/kube-state-metrics/v2": "kube-state-metrics",
    "sigs.k8s.io/kustomize/kustomize/v5": "kustomize",
}
"""The programs' names by the packages of go.mod's `tool` directives."""

KUBERNETES_NAMES = (
    "kube-apiserver",
    "kube-controller-manager",
    "kube-proxy",
    "kube-scheduler",
    "kubectl",
    "kubelet",
)
"""The names that start the program `kubernetes`."""

KUBERNETES = "kubernetes"

TOOLS_OF_HOST = ("argocd", "helm", "kubectl", "kustomize")
"""The programs that the harness itself runs on this host: all that a run needs whose cluster comes from a registry."""

OF_CHECKS = frozenset({"promtool"})
"""Those that only a check asks for, and that are built when it does."""

KUBECTL = "k8s.io/kubernetes/cmd/kubectl"
"""kubectl alone: compiles in a twentieth of the time of all of Kubernetes."""


@dataclass(frozen=True)
class Program:
    """One program to build: its name, its package (./cmd/NAME for our own), and its own flags for the linker."""

    name: str
    package: str
    link: tuple[str, ...] = ()


@dataclass(frozen=True)
class Programs:
    """Built programs.

    Attributes:
        directory: has all of them under their names; its own name changes with any of them.
        keys: the key of each program.
    """

    directory: Path
    keys: dict[str, str]

    def path(self, name: str) -> Path:
        """Return the path of a program.

        Raises:
            BrokenHarness: the table has no program of that name.
        """
        path = self.directory / name
        if not path.exists():
            raise BrokenHarness(f"a program's name must be one of {', '.join(sorted(self.keys))}, got `{name}`")
        return path


def ensure(timeline: Timeline, only: Collection[str] = ()) -> Programs:
    """Return the built programs, building those that the cache lacks.

    Args:
        timeline: shows the current program, the packages done, and the seconds.
        only: names of the needed programs, such as `TOOLS_OF_HOST`; all but those of checks by default.

    Raises:
        BuildError: a program cannot be built; the text names it and has the end of the log.
        NoToolchain: Go is missing, and PyPI did not deliver it.
        LockBusy: another process has been building for too long.
        WrongUsage: PLATFORM_E2E_GO_BUILD_CACHE is neither keep nor prune.
    """
    prune = _prune_asked()
    supply = Supply(prebuilt.find())
    wanted = _some(only, supply) if only else [each for each in table() if each.name not in OF_CHECKS]
    keys = {program.name: supply.key(program) for program in wanted}

    def make(directory: Path) -> None:
        there = _reuse(directory, keys)
        there |= _take(supply.wheel, directory, {name: keys[name] for name in keys.keys() - there}, timeline)
        missing = [program for program in wanted if program.name not in there]
        if missing:
            _build(missing, directory, supply.tools, timeline)
        for name in KUBERNETES_NAMES if KUBERNETES in keys else ():
            (directory / name).symlink_to(KUBERNETES)
        (directory / "keys.json").write_text(json.dumps(keys, indent=1, sort_keys=True))
        if prune and missing:
            prune_build_cache()

    total = cache.digest(json.dumps(keys, sort_keys=True))
    return Programs(cache.entry("programs", total, make, phase=PHASE, timeline=timeline), keys)


@dataclass
class Supply:
    """The sources of programs: the installed wheel, and Go for the programs that it lacks."""

    wheel: Prebuilt | None

    @cached_property
    def tools(self) -> Toolchain:
        """Return Go; never called where the wheel has every program."""
        return toolchain.choose()

    def carried(self, program: Program) -> str | None:
        """Return a program's key if the wheel has that very program; the key includes the Go that built the wheel."""
        if self.wheel is None:
            return None
        found = key(program, self.wheel.go)
        return found if self.wheel.program(program.name, found) else None

    def key(self, program: Program) -> str:
        """Return a program's key in the cache."""
        return self.carried(program) or key(program, self.tools.version)


def _some(only: Collection[str], supply: Supply) -> tuple[Program, ...]:
    """Return the programs of these names; kubectl alone where the program for all of Kubernetes is not needed."""
    every = {program.name: program for program in table()}
    found = [every[name] for name in sorted(only) if name != "kubectl"]
    if "kubectl" in only:
        whole = every[KUBERNETES]
        there = bool(supply.carried(whole)) or supply.key(whole) in _built().values()
        found.append(whole if there else Program("kubectl", KUBECTL, whole.link))
    return tuple(found)


def has(names: Collection[str]) -> bool:
    """Tell whether programs of these names need no build: the cache has them in some version, or the wheel has them.

    Fast enough for the doctor.
    """
    supply = Supply(prebuilt.find())
    built = {name for _, name in _built()} | {program.name for program in table() if supply.carried(program)}
    return built.issuperset(set(names) - {"kubectl"}) and (
        "kubectl" not in names or bool(built & {"kubectl", KUBERNETES})
    )


def _built() -> dict[tuple[Path, str], str]:
    """Return the key of each program in the cache, by its directory and its name."""
    listings = sorted((paths.cache() / "programs").glob("*/keys.json"))
    return {(file.parent, name): made_of for file in listings for name, made_of in json.loads(file.read_text()).items()}


def table() -> tuple[Program, ...]:
    """Return every program: our own in `programs/cmd/`, then the tools of go.mod.

    Raises:
        BrokenHarness: `TOOLS` has no name for a tool of go.mod.
    """
    pinned = gomod.read()
    unnamed = [package for package in pinned.tools if package not in TOOLS]
    if unnamed:
        raise BrokenHarness(
            f"programs.TOOLS must name {', '.join(unnamed)}, got no entry", "give the program a name there"
        )
    own = sorted(path.name for path in (gomod.MODULE / "cmd").iterdir() if any(path.glob("*.go")))
    # Kubernetes is by far the largest: begun first, it is linked while others still compile.
    own.sort(key=lambda name: name != KUBERNETES)
    flags = stamps.of(pinned)
    return (
        *(Program(name, f"./cmd/{name}", flags.get(name) or stamps.kubernetes(pinned)) for name in own),
        *(Program(TOOLS[package], package, flags.get(TOOLS[package], ())) for package in pinned.tools),
    )


def key(program: Program, go_version: str) -> str:
    """Return a program's key in the cache: the digest of all its inputs."""
    parts: list[str | Path] = [
        gomod.MODULE / "go.mod",
        gomod.MODULE / "go.sum",
        json.dumps([program.package, program.link, TAGS, gobuild.FLAGS, go_version, toolchain.machine()]),
    ]
    if program.package.startswith("./"):
        cmd = gomod.MODULE / "cmd"
        mine = cmd / program.name

        def foreign(path: Path) -> bool:
            return path.name.endswith("_test.go") or (path.is_relative_to(cmd) and not path.is_relative_to(mine))

        parts.append(cache.tree_digest(gomod.MODULE, ignored=foreign))
    return cache.digest(*parts)


def _reuse(directory: Path, keys: dict[str, str]) -> set[str]:
    """Link programs that an earlier entry of the cache has, and return their names."""
    found: set[str] = set()
    for (place, name), made_of in _built().items():
        if keys.get(name) == made_of and name not in found:
            os.link(place / name, directory / name)
            found.add(name)
    return found


def _take(wheel: Prebuilt | None, directory: Path, keys: dict[str, str], timeline: Timeline) -> set[str]:
    """Take programs from the installed wheel, report those that it lacks, and return the names of those taken."""
    if wheel is None:
        return set()
    found = {name: path for name, made_of in keys.items() if (path := wheel.program(name, made_of))}
    for name, path in found.items():
        prebuilt.take(path, directory / name)
    lacking = ", ".join(sorted(keys.keys() - found.keys()))
    if lacking:
        timeline.progress(PHASE, f"{wheel} was made of other sources or versions, so these are built here: {lacking}")
    elif found:
        timeline.progress(PHASE, f"{len(found)} programs come from {wheel}")
    return set(found)


def _build(missing: Sequence[Program], directory: Path, tools: Toolchain, timeline: Timeline) -> None:
    targets = [gobuild.BuildTarget(program.name, program.package, program.link) for program in missing]
    # The go command's scratch files belong into the cache too, or a killed build leaves them in /tmp.
    with cache.scratch("programs") as scratch:
        builder = gobuild.Builder(
            go=tools.command(timeline),
            module=gomod.MODULE,
            tags=TAGS,
            environment={**toolchain.environment(), "GOTMPDIR": str(scratch)},
            log=cache.log_file("programs"),
            progress=lambda text: timeline.progress(PHASE, text),
        )
        builder.build(targets, directory)


def module_directory(module: str) -> Path:
    """Return the unpacked source of a pinned module, or those pieces of it that `modules.PIECES` names.

    The module cache has it after the first build, or the installed wheel; reading either needs no network.

    Raises:
        BrokenHarness: go.mod does not require it.
        CommandError: it is not in the module cache and could not be fetched.
    """
    wanted = gomod.read().module(module)
    directory = paths.cache() / "go" / "mod" / wanted.directory
    if not directory.is_dir():
        wheel = prebuilt.find()
        pieces = wheel.module(wanted.directory, modules.key()) if wheel else None
        if pieces is not None:
            return pieces
        go = toolchain.choose().command(Timeline(None))
        run(
            [go, "mod", "download", module],
            timeout=600,
            cwd=gomod.MODULE,
            env=toolchain.environment(),
            remedy="check that `go env GOPROXY` names a module proxy that can be reached",
        )
    return directory


def prune_build_cache() -> None:
    """Remove Go's build cache, several GB; built programs and unpacked modules stay."""
    shutil.rmtree(paths.cache() / "go" / "build", ignore_errors=True)


def _prune_asked() -> bool:
    chosen = os.environ.get("PLATFORM_E2E_GO_BUILD_CACHE") or "keep"
    if chosen not in {"keep", "prune"}:
        raise WrongUsage(f"PLATFORM_E2E_GO_BUILD_CACHE must be keep or prune, got `{chosen}`", "set one of the two")
    return chosen == "prune"
