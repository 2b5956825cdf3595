"""Plant secrets of many shapes in a layer, make a red run of it on a real cluster, search all artifacts: `nox -s benchmark -- secrets`.

With --texts, no cluster: hundreds of small files, with secrets and without, go by every way that a text takes to a reader; prints
each secret that was missed and each text that was changed for nothing. Ends with 1 where there is one that is not known, or too many.

Prints how many files were searched, how many secrets were taken out of each sort of artifact, and every one that was found.
Ends with 1 where one was found, with 3 where the run was not red or has not shown what was planted: nothing was proven then.
"""

from __future__ import annotations

import argparse
import random
import secrets
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from benchmarks.planted.corpus import measure
from benchmarks.planted.layer import plant
from benchmarks.planted.search import contents, search
from benchmarks.planted.shapes import Shape, shapes
from benchmarks.planted.ways import MISSED, MOST_CHANGED, WAYS
from platform_e2e import paths, redact, shell
from platform_e2e.commands.arguments import Parser
from platform_e2e.errors import BrokenHarness, ExitCode
from platform_e2e.evidence.pack import pack

RUN_SECONDS = 3600.0
"""For the run; its own deadline is half of it."""

SORTS = ("timeline.jsonl", "uncommitted.patch", "pods.yaml", "events.txt", ".log", "layer-", "applications.yaml")
"""Artifacts that must show that something was taken out of them; else the secrets never came there."""

OTHERS = ("run.json", "junit.xml")
"""Artifacts that have them only where a finding quotes one, which the unit test makes them do."""


def main(argv: Sequence[str]) -> int:
    """Make the run, or search one that is there, and print what was found."""
    parser = Parser(
        prog="nox -s benchmark -- secrets", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of the secrets; another each time by default")
    parser.add_argument(
        "--search", type=Path, default=None, metavar="DIR", help="search this run of that seed, make none"
    )
    parser.add_argument("--provider", default="embedded", metavar="NAME", help="of the cluster")
    parser.add_argument(
        "--texts", action="store_true", help="measure small files only; needs no cluster, takes seconds"
    )
    known = parser.parse_args(argv)
    seed = known.seed or secrets.randbelow(10**9)
    if known.texts:
        return texts(seed)
    planted = shapes(seed)
    run = known.search or make(planted, known.provider)
    return report(run.resolve(), planted, seed)


def texts(seed: int) -> int:
    """Run the planted shapes and the innocuous texts by every way, and print what was missed and what was changed."""
    wrong = False
    for way, redacted in WAYS.items():
        done = measure(redacted, random.Random(seed))  # noqa: S311 - the values of secrets that are none
        print(
            f"{way}, seed {seed}: {len(done.missed)} of {done.planted} shapes missed, "
            f"{len(done.changed)} of {done.innocuous} innocuous texts changed"
        )
        for missed in done.missed:
            print(f"  MISSED {missed}{' (known)' if missed in MISSED[way] else ''}")
        for changed in done.changed:
            print(f"  CHANGED {changed}")
        wrong |= bool(set(done.missed) - MISSED[way]) or len(done.changed) > MOST_CHANGED * done.innocuous
    return ExitCode.BROKEN_PLATFORM if wrong else ExitCode.HOLDS


def make(planted: Sequence[Shape], provider: str) -> Path:
    """Make a run of a layer with the secrets and return its directory."""
    artifacts = paths.artifacts() / "planted"
    with tempfile.TemporaryDirectory(prefix="platform-e2e-planted-") as scratch:
        layer = plant(paths.ROOT / "platform", Path(scratch) / "platform", planted)
        words: list[str | Path] = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-q", paths.ROOT / "e2e"]
        done = shell.run(
            [*words, "-k", "test_applications", "--layer", layer, "--provider", provider, "-o", "junit_logging=all"],
            timeout=RUN_SECONDS,
            ok=range(-64, 256),
            cwd=paths.ROOT,
            env={"PLATFORM_E2E_ARTIFACTS": str(artifacts), "PYTHONDONTWRITEBYTECODE": "1"},
        )
    latest = artifacts / "latest"
    if done.returncode != ExitCode.BROKEN_PLATFORM or not latest.exists():
        print(redact.text(done.stdout[-6000:] + done.stderr[-2000:]))
        raise BrokenHarness(
            f"the run ended with {done.returncode} and not with 1, so it proves nothing", "read what it said"
        )
    (latest / "output.txt").write_text(redact.text(done.stdout + done.stderr))
    screen = [shape.name for shape in planted for secret in shape.secrets if secret in done.stdout + done.stderr]
    print(f"secrets on the screen: {', '.join(sorted(set(screen))) or 'none'}")
    return latest


def report(run: Path, planted: Sequence[Shape], seed: int) -> int:
    """Search a run and print what was found."""
    taken: Counter[str] = Counter()
    files = 0
    for name, data in contents(run):
        files += 1
        for sort in (*SORTS, *OTHERS):
            taken[sort] += data.count(redact.HIDDEN.encode()) if sort in name else 0
    hits = search(run, planted) + search(pack(run), planted)
    print(f"{len(planted)} shapes of seed {seed}; {files} files and names of {run}, then its bundle")
    for sort in (*SORTS, *OTHERS):
        print(f"  {sort:<20} {taken[sort]:>6} taken out")
    for hit in hits:
        print(f"  FOUND {hit.shape} as {hit.coat} in {hit.file}")
    print(f"{len(hits)} found")
    if hits:
        return ExitCode.BROKEN_PLATFORM
    return ExitCode.HOLDS if all(taken[sort] for sort in SORTS) else ExitCode.BROKEN_HARNESS


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
