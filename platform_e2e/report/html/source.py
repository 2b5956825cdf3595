"""What a run's directory has, as far as it can be read; what cannot is told in the report."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from platform_e2e.outside import documents, plainfile
from platform_e2e.report.html.plain import mapping, mappings, number, text, texts

FILES_SHOWN = 2000
"""How many files of the evidence are listed; a run over two hundred namespaces has fewer."""

MOST_VALUES = 1_000_000
"""Of a run.json; that of a run whose thousand tests all failed has a third of it."""

LARGEST_TIMELINE = 64 << 20
"""Bytes; that of a run of two hours has about one million."""

KNOWN = {
    "run.json": "verdict, options, versions, figures and findings",
    "junit.xml": "every test, for a CI system",
    "timeline.jsonl": "every event, one a line",
    "layer.tar.gz": "the layer's files as the run began",
    "layer.sha256": "their checksums",
    "uncommitted.patch": "what the layer's directory had on top of the commit",
    "harness.patch": "the same of the harness's own checkout",
    "summary.md": "the verdict for a job page",
    "run.seal": "by which the cache that made the run knows it again",
}
"""The files at the top of a run's directory, and what each has."""


@dataclass(frozen=True)
class Kept:
    """One file that the run left behind.

    Attributes:
        path: relative to the run's directory, with slashes.
        size: in bytes.
        what: what it has, in a few words; may be empty.
        cut: whether a part of it was left out.
    """

    path: str
    size: int
    what: str = ""
    cut: bool = False


@dataclass
class Source:
    """The files of one run.

    Attributes:
        directory: of the run.
        run: run.json.
        events: of the timeline, in their order, each with `mono` and `kind`.
        files: what was kept, evidence included.
        left_out: what the evidence does not have, one sentence each.
        missing: what this report lacks and why, one sentence each.
    """

    directory: Path
    run: Mapping[str, Any] = field(default_factory=dict)
    events: list[Mapping[str, Any]] = field(default_factory=list)
    files: list[Kept] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)

    @classmethod
    def read(cls, directory: Path) -> Source:
        """Read what there is."""
        source = cls(directory)
        source.run = mapping(source._json("run.json", "verdict, promises and findings are not shown"))
        if source.run and not mapping(source.run.get("verdict")):
            source.missing.append("run.json has no verdict: it was written by another version of the harness.")
        source._timeline()
        source._files()
        return source

    def _json(self, name: str, loss: str, *, optional: bool = False) -> object:
        """Return a file's plain data, or None and note what is lost."""
        path = self.directory / name
        try:
            content = plainfile.read(path, documents.LARGEST_JSON).decode(errors="replace").encode()
            known: object = documents.from_json(content, MOST_VALUES)
        except FileNotFoundError:
            if not optional:
                self.missing.append(f"{name} is missing: {loss}.")
        except OSError as error:
            self.missing.append(f"{name} cannot be read ({error.strerror}): {loss}.")
        except ValueError:
            self.missing.append(f"{name} is damaged: {loss}.")
        else:
            return known
        return None

    def _timeline(self) -> None:
        """Take over every whole line of the timeline."""
        path, damaged = self.directory / "timeline.jsonl", 0
        try:
            lines = plainfile.read(path, LARGEST_TIMELINE).decode(errors="replace").splitlines()
        except FileNotFoundError:
            self.missing.append("timeline.jsonl is missing: the course of the run is not shown.")
            return
        except OSError as error:
            self.missing.append(
                f"timeline.jsonl cannot be read ({error.strerror}): the course of the run is not shown."
            )
            return
        for line in lines:
            event = _event(line)
            if event is not None:
                self.events.append(event)
            elif line.strip():
                damaged += 1
        if damaged:
            some = "one line" if damaged == 1 else f"{damaged} lines"
            self.missing.append(f"timeline.jsonl is damaged: {some} of {len(lines)} cannot be read and are left out.")
        self.events.sort(key=lambda event: number(event.get("mono")))

    def _files(self) -> None:
        """List what is in the directory; the evidence's index says what each file has, where there is one."""
        index = mapping(self._json("evidence/index.json", "what each file has is not said", optional=True))
        said = {text(one.get("path")).removeprefix("evidence/"): one for one in mappings(index.get("files"))}
        self.left_out += [*texts(index.get("left_out")), *map(_as_sentence, mappings(index.get("left_out")))]
        try:
            # Only plain files: a link could lead out of the directory.
            found = sorted(p for p in (self.directory / "evidence").rglob("*") if p.is_file() and not p.is_symlink())
            top = [self.directory / name for name in KNOWN if (self.directory / name).is_file()]
            for path in [*top, *found[:FILES_SHOWN]]:
                name = path.relative_to(self.directory).as_posix()
                one = mapping(said.get(name.removeprefix("evidence/")))
                what = KNOWN.get(name) or text(one.get("what"))
                self.files.append(Kept(name, path.stat().st_size, what, one.get("truncated") is True))
        except OSError as error:
            self.missing.append(f"the evidence cannot be listed ({error.strerror}).")
            return
        if len(found) > FILES_SHOWN:
            self.left_out.append(f"{len(found) - FILES_SHOWN} more files are in evidence/ and not listed here.")


def _event(line: str) -> Mapping[str, Any] | None:
    """Return one line of the timeline, or None where it is none."""
    try:
        event = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(event, dict) or not isinstance(event.get("kind"), str):
        return None
    return event if isinstance(event.get("mono"), int | float) else None


def _as_sentence(one: Mapping[str, Any]) -> str:
    """Return what was left out and why, in the words that the index has for it."""
    what = text(one.get("path")) or text(one.get("what")) or "something"
    why = text(one.get("why")) or text(one.get("reason"))
    return f"{what}: {why}" if why else what
