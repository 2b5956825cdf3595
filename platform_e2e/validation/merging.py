"""Read the verdicts that several machines have written, and tell them as one."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import msgspec

from platform_e2e.errors import WrongUsage
from platform_e2e.finding import Finding
from platform_e2e.untrusted import documents, plainfile, typed
from platform_e2e.untrusted.documents import NoDocument
from platform_e2e.validation import outputs
from platform_e2e.validation.verdict import Verdict, by_promise, exit_code


class SavedPromise(msgspec.Struct, frozen=True):
    """A promise as `outputs.as_json` writes it."""

    unknown: tuple[str, ...] = ()
    accepted: str = ""


class SavedCluster(msgspec.Struct, frozen=True):
    """A cluster as `outputs.as_json` writes it."""

    cluster: str
    promises: dict[str, SavedPromise]
    findings: tuple[Finding, ...] = ()
    excused: tuple[dict[str, Any], ...] = ()
    notes: tuple[str, ...] = ()


class Saved(msgspec.Struct, frozen=True):
    """A file as `outputs.as_json` writes it."""

    clusters: tuple[SavedCluster, ...]


def main(args: argparse.Namespace) -> int:
    """Merge verdicts.

    Args:
        args: as `platform_e2e.commands.merge` parses them.

    Returns:
        The status of all of them.

    Raises:
        WrongUsage: a file is not such a verdict, or two have one cluster.
    """
    found = [verdict for path in args.files for verdict in _read(path)]
    names = [each.cluster for each in found]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise WrongUsage(f"{twice[0]} cannot be in two of the files", "give each shard a number of its own")
    for each in found:
        outputs.told(each)
    outputs.written(found, args)
    return exit_code(found)


def _read(path: Path) -> list[Verdict]:
    try:
        saved = typed.strict(documents.from_json(plainfile.read(path, documents.LARGEST_JSON)), Saved)
        return [_verdict(each) for each in saved.clusters]
    except OSError as error:
        raise WrongUsage(
            f"{path} cannot be read: {error.strerror}", "name a file that validate --json wrote"
        ) from error
    except (NoDocument, ValueError) as error:
        raise WrongUsage(f"{path} is not a verdict: {error}", "name a file that validate --json wrote") from error


def _verdict(saved: SavedCluster) -> Verdict:
    excused = [(Finding.from_json(each), str(each.get("why", ""))) for each in saved.excused]
    unknown = {promise: each.unknown for promise, each in saved.promises.items()}
    accepted = {promise: each.accepted for promise, each in saved.promises.items()}
    return Verdict(saved.cluster, by_promise(saved.findings, excused, unknown, accepted), saved.notes)
