"""`platform-e2e alert-cases`: keep the cases of alerts that a run has derived, so that later rules are held against them."""

from __future__ import annotations

import argparse
from pathlib import Path

from platform_e2e import paths
from platform_e2e.errors import WrongUsage

KEPT = "# Kept by platform-e2e alert-cases. The rules are put in by platform-e2e, as the layer renders them."


TEST = "\n  - name: "
"""How a case begins: there is one alone only of an alert that reads nothing, or for which no case of silence was found."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what `alert-cases` takes."""
    parser.add_argument(
        "directory", nargs="?", type=Path, metavar="DIR", help="of the run; artifacts/latest by default"
    )
    parser.add_argument(
        "--to", type=Path, required=True, metavar="DIR", help="where they are kept: alertCases of platform-e2e.yaml"
    )
    parser.add_argument(
        "--only", action="append", default=[], metavar="ALERT", help="only the cases of this alert; may be given again"
    )


def run(args: argparse.Namespace) -> int:
    """Write the cases, and print which are new, which have changed, and which no alert of the run has."""
    from platform_e2e.checks.alerts.synthetic import DIRECTORY, SUFFIX

    source = (args.directory or paths.artifacts() / "latest") / DIRECTORY
    found = {path.name: path for path in sorted(source.glob(f"*{SUFFIX}"))}
    if not found:
        raise WrongUsage(f"{source} must have cases of alerts, got none", "run the tests of the promise alerts first")
    chosen = {name: path for name, path in found.items() if not args.only or name.removesuffix(SUFFIX) in args.only}
    unknown = set(args.only) - {name.removesuffix(SUFFIX) for name in found}
    if unknown:
        known = ", ".join(name.removesuffix(SUFFIX) for name in found)
        raise WrongUsage(f"--only must be one of {known}, got {', '.join(sorted(unknown))}")
    args.to.mkdir(parents=True, exist_ok=True)
    for name, path in chosen.items():
        case = path.read_text(encoding="utf-8")
        if case.count(TEST) < 2:
            print(f"{name}: not kept, for it has no case in which it does not fire")
            continue
        text = f"{KEPT}\n{case}"
        place = args.to / name
        before = place.read_text(encoding="utf-8") if place.exists() else None
        place.write_text(text, encoding="utf-8")
        print(f"{place}: {'new' if before is None else 'as it was' if before == text else 'changed'}")
    for path in sorted(args.to.glob(f"*{SUFFIX}")):
        if not args.only and path.name not in found:
            print(f"{path}: no alert of the run has such cases; remove it where the alert is gone")
    return 0
