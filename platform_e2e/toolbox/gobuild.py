"""Build many Go programs at once, with readable progress and errors that name the program."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from platform_e2e.errors import BrokenHarness
from platform_e2e.shell import CommandError, stream

BUILD_SECONDS = 3600.0
"""Timeout: a build from nothing took 17 minutes on 2 cores, and a shared CI machine may be three times slower."""

LIST_SECONDS = 1800.0
"""Timeout for listing packages, which first fetches every module: 3 minutes were seen."""

FLAGS = ("-trimpath", "-buildvcs=false")
"""Keep the build's directory and commit out of the programs, so that the same sources give the same file."""

LINES_SHOWN = 20
"""Lines at the end of a failed build's log that the error quotes."""

FAILED_PACKAGE = re.compile(r"^(?:# (\S+)|(\S+): \S*/(?:compile|link|asm): )")
"""How the go command names a package that does not compile, or whose compiler died."""


class BuildError(BrokenHarness):
    """A program cannot be built."""


@dataclass(frozen=True)
class BuildTarget:
    """A program to build.

    Attributes:
        name: the name of the file to write.
        package: its main package.
        link: variables to set with the linker's -X, as PACKAGE.NAME=VALUE.
    """

    name: str
    package: str
    link: tuple[str, ...] = ()


@dataclass(frozen=True)
class Builder:
    """Run `go build` in one module.

    Attributes:
        go: the go command.
        module: directory of go.mod.
        tags: build tags, separated by commas.
        environment: environment variables of the go command.
        log: file for the complete output.
        progress: gets a few words about the current step, about once a second.
    """

    go: Path
    module: Path
    tags: str
    environment: Mapping[str, str]
    log: Path
    progress: Callable[[str], None]

    def build(self, targets: Sequence[BuildTarget], directory: Path) -> None:
        """Build the targets into the directory, each under its name.

        Compiling and linking overlap: linking uses one core only, so a single `go build` for all programs keeps the others busy.
        Only programs whose files would get the same name need another call.

        Raises:
            BuildError: a program cannot be built.
        """
        uses = self._packages(targets)
        start = time.monotonic()
        written = directory / ".go-build"
        for batch in batches(targets):
            written.mkdir()
            meter = BuildProgress(batch, uses, start)

            def report(meter: BuildProgress = meter) -> None:
                meter.linked = {path.name for path in written.iterdir()}
                self.progress(meter.text(time.monotonic()))

            argv: list[str | Path] = [self.go, "build", "-v", *FLAGS, "-tags", self.tags, "-o", f"{written}/"]
            argv += [f"-ldflags={target.package}={link_flags(target)}" for target in batch]
            argv += [target.package for target in batch]
            try:
                stream(
                    argv,
                    timeout=BUILD_SECONDS,
                    on_line=meter.line,
                    on_tick=report,
                    log_file=self.log,
                    cwd=self.module,
                    env=self.environment,
                    tied=True,
                )
            except CommandError as error:
                raise self._error(error, batch, uses) from error
            for target in batch:
                (written / file_name(target.package)).rename(directory / target.name)
            written.rmdir()
        self.progress(f"{len(targets)} programs built in {_duration(time.monotonic() - start)}")

    def _packages(self, targets: Sequence[BuildTarget]) -> dict[str, frozenset[str]]:
        """Return the packages of each program; fetches the modules, which is the first thing to fail."""
        listed: dict[str, frozenset[str]] = {}
        paths: dict[str, str] = {}
        fetched = 0
        last = ""

        def line(text: str) -> None:
            nonlocal fetched, last
            if text.startswith("go: downloading "):
                fetched += 1
                last = text.removeprefix("go: downloading ")
            elif text.startswith("deps "):
                _, path, *used = text.split(" ")
                listed[path] = frozenset((path, *used))

        def report() -> None:
            if fetched:
                self.progress(f"fetches modules: {fetched} so far, now {last}")

        template = 'deps {{.ImportPath}} {{join .Deps " "}}'
        argv: list[str | Path] = [
            self.go,
            "list",
            "-tags",
            self.tags,
            "-f",
            template,
            *(target.package for target in targets),
        ]
        try:
            stream(
                argv,
                timeout=LIST_SECONDS,
                on_line=line,
                on_tick=report,
                log_file=self.log,
                cwd=self.module,
                env=self.environment,
                tied=True,
            )
        except CommandError as error:
            raise self._error(error, targets, {}) from error
        for target in targets:
            ending = target.package.removeprefix(".")
            paths[target.name] = next(path for path in listed if path.endswith(ending))
        return {name: listed[path] for name, path in paths.items()}

    def _error(
        self, error: CommandError, batch: Sequence[BuildTarget], uses: Mapping[str, frozenset[str]]
    ) -> BuildError:
        lines = [line for line in error.output.splitlines() if not line.startswith("deps ")]
        failed = {match[1] or match[2] for match in map(FAILED_PACKAGE.match, lines) if match}
        names = [target.name for target in batch if failed & uses.get(target.name, frozenset())]
        who = _listing(names or [target.name for target in batch])
        tail = "".join(f"\n    {line}" for line in lines[-LINES_SHOWN:]) or f"\n    {error.problem}"
        return BuildError(
            f"{who} cannot be built; the end of the log:{tail}",
            f"read {self.log}; if modules are missing, check that `go env GOPROXY` names a proxy that can be reached; "
            "if a compiler was killed, the machine has too little memory (4 GB are needed)",
        )


@dataclass
class BuildProgress:
    """Count what `go build -v` names: each package when its compilation starts.

    Attributes:
        targets: what is being built.
        uses: by program all packages in it.
        start: the start of the build, on the monotonic clock.
        linked: names of the files already written.
        compiled: packages named so far; go never names those that its build cache has.
    """

    targets: Sequence[BuildTarget]
    uses: Mapping[str, frozenset[str]]
    start: float
    linked: set[str] = field(default_factory=set)
    compiled: set[str] = field(default_factory=set)
    last: str = ""

    def line(self, text: str) -> None:
        """Read one line of the go command's output."""
        if any(text in used for used in self.uses.values()):
            self.compiled.add(text)
            self.last = text

    def text(self, now: float) -> str:
        """Return the current program, the packages and programs done, and the time."""
        open_targets = [target for target in self.targets if file_name(target.package) not in self.linked]
        current = next((t for t in open_targets if self.last in self.uses[t.name]), None)
        done = f"{len(self.targets) - len(open_targets)} of {len(self.targets)} programs"
        clock = _duration(now - self.start)
        if current is None or not self.compiled:
            names = ", ".join(target.name for target in open_targets[:2])
            return f"{names or 'all'} being linked; {done}, {clock}"
        used = self.uses[current.name]
        return f"{current.name}: {len(self.compiled & used)} of {len(used)} packages; {done}, {clock}"


def batches(targets: Sequence[BuildTarget]) -> list[list[BuildTarget]]:
    """Split the targets so that no two files of a batch get the same name."""
    parts: list[dict[str, BuildTarget]] = []
    for target in targets:
        name = file_name(target.package)
        part = next((part for part in parts if name not in part), None)
        if part is None:
            parts.append(part := {})
        part[name] = target
    return [list(part.values()) for part in parts]


def file_name(package: str) -> str:
    """Return the file name that `go build -o DIRECTORY/` uses: the path's last element, major versions such as v3 skipped."""
    elements = package.split("/")
    return elements[-2] if re.fullmatch(r"v\d+", elements[-1]) and len(elements) > 1 else elements[-1]


def link_flags(target: BuildTarget) -> str:
    """Return the linker's flags: no symbol table and no debugging data, which halve the file; and the variables."""
    return " ".join(["-s", "-w", *(f"-X {variable}" for variable in target.link)])


def _listing(names: Sequence[str]) -> str:
    shown = ", ".join(names[:3])
    return f"{shown} and {len(names) - 3} more programs" if len(names) > 3 else shown


def _duration(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"
