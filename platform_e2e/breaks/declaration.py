"""One file of breaks/: a few lines of change to a sound layer, and the verdict that they must cause."""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from platform_e2e.errors import WrongUsage
from platform_e2e.finding import promise_name

FIELDS = {"promise", "cause", "sentence", "change", "why"}

LEGITIMATE = "legitimate"
"""In place of a cause's id: the change is right, and the layer must stay green."""

UNKNOWN = "unknown"
"""In place of a cause's id: nothing may turn red, and what the sentence tells must be named as not judged."""


@dataclass(frozen=True)
class FileChange:
    """One change of one file of the layer.

    Attributes:
        file: relative to the layer's directory.
        find: a text that the file has exactly once; empty where the file is deleted or created.
        replace: what stands in its place.
        delete: whether the file is deleted instead.
        create: the text of a file that the layer does not have yet; empty where the layer's own file is changed.
    """

    file: str
    find: str = ""
    replace: str = ""
    delete: bool = False
    create: str = ""


@dataclass(frozen=True)
class Break:
    """One deliberate fault.

    Attributes:
        name: of its file, without .yaml.
        promise: the only one that may turn red.
        cause: id of the cause that every finding must have, or `legitimate` or `unknown` where nothing may turn red.
        sentence: regular expression that the cause's sentence must match; of what is unknown `OBJECT (REASON): PROBLEM`.
        changes: what makes the fault.
        why: what a reader learns from it.
    """

    name: str
    promise: str
    cause: str
    sentence: str
    changes: tuple[FileChange, ...]
    why: str = ""


def load(path: Path) -> Break:
    """Read one break.

    Raises:
        WrongUsage: the file is not a break; the text says what is wrong with which field.
    """
    try:
        data = YAML(typ="safe", pure=True).load(path)
    except (YAMLError, OSError) as error:
        raise WrongUsage(f"{path.name} cannot be read: {error}") from error
    if not isinstance(data, dict) or not {"promise", "cause", "sentence", "change"} <= data.keys() <= FIELDS:
        raise WrongUsage(f"{path.name} must have promise, cause, sentence and change, may have why, and nothing else.")
    try:
        promise = promise_name(str(data["promise"]))
    except ValueError as error:
        raise WrongUsage(f"{path.name}: {error}.") from error
    try:
        re.compile(str(data["sentence"]))
    except re.error as error:
        raise WrongUsage(f"{path.name}: sentence must be a regular expression: {error}.") from error
    changes = tuple(_change(path, item) for item in data["change"] or ())
    if not changes:
        raise WrongUsage(f"{path.name}: change is empty, so nothing would break.")
    return Break(
        path.stem,
        promise,
        str(data["cause"]),
        str(data["sentence"]),
        changes,
        str(data.get("why", "")),
    )


def _change(path: Path, item: Any) -> FileChange:
    """Return one entry of `change`."""
    if isinstance(item, dict) and item.keys() == {"file", "find", "replace"}:
        return FileChange(str(item["file"]), str(item["find"]), str(item["replace"] or ""))
    if isinstance(item, dict) and item.keys() == {"file", "delete"} and item["delete"] is True:
        return FileChange(str(item["file"]), delete=True)
    if isinstance(item, dict) and item.keys() == {"file", "create"} and item["create"]:
        return FileChange(str(item["file"]), create=str(item["create"]))
    raise WrongUsage(
        f"{path.name}: a change is `file, find, replace`, `file, create: TEXT` or `file, delete: true`, not {item}."
    )


def load_all(directory: Path) -> list[Break]:
    """Return every break of a directory, by name.

    Raises:
        WrongUsage: there is none, or one of them is not a break.
    """
    found = [load(path) for path in sorted(directory.glob("*.yaml"))]
    if not found:
        raise WrongUsage(f"{directory} has no break (*.yaml).")
    return found


def apply(fault: Break, layer: Path) -> None:
    """Make the fault in a copy of the layer.

    Raises:
        WrongUsage: a file is missing, is there already where it is to be created, or does not have the text exactly once: the
            layer changed and the break did not.
    """
    for change in fault.changes:
        path = layer / change.file
        if change.create:
            _create(fault, change, path)
            continue
        if not path.exists():
            raise WrongUsage(
                f"break {fault.name}: the layer has no {change.file}.", f"Bring breaks/{fault.name}.yaml up to date."
            )
        if change.delete:
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()
            continue
        text = path.read_text(encoding="utf-8")
        if not change.find or text.count(change.find) != 1:
            raise WrongUsage(
                f"break {fault.name}: {change.file} has `{change.find}` {text.count(change.find)} times instead of once.",
                f"Bring breaks/{fault.name}.yaml up to date.",
            )
        path.write_text(text.replace(change.find, change.replace), encoding="utf-8")


def _create(fault: Break, change: FileChange, path: Path) -> None:
    """Make a file that the layer does not have.

    Raises:
        WrongUsage: the layer has it.
    """
    if path.exists():
        raise WrongUsage(
            f"break {fault.name}: the layer has {change.file} already.", f"Bring breaks/{fault.name}.yaml up to date."
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(change.create, encoding="utf-8")
