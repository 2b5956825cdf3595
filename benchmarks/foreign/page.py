"""The page about other people's repositories; those of persons have neutral names there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from benchmarks.foreign.one import Read
from platform_e2e.layer.not_judged import IN_WORDS
from platform_e2e.layer.renderer import Reason

ORGANISATIONS = frozenset(
    {
        "argoproj",
        "cloudogu",
        "codefresh-contrib",
        "gitops-bridge-dev",
        "ibm-mas",
        "pomerium",
        "redhat-cop",
        "redhat-na-ssa",
    }
)
"""Organisations: their repositories have their own names on the page."""

ELSEWHERE = (Reason.CHART, Reason.REPOSITORY, Reason.PLUGIN, Reason.DESTINATION)
"""Reasons that lie outside of the reader: what an Application is made of is not there, or it is for another cluster."""

_HEAD = (
    "repository",
    "roots",
    "Applications rendered / there",
    "objects",
    "LoadBalancers",
    "monitors",
    "not judged",
    "seconds",
    "MB",
)


@dataclass(frozen=True)
class Row:
    """A repository, and what became of it.

    Attributes:
        repository: `OWNER/NAME`, or the directory's name where its owner is not known.
        read: what became of it; None where the reader broke down.
        crash: the last line of what it said then.
    """

    repository: str
    read: Read | None
    crash: str = ""


def names(rows: Sequence[Row]) -> dict[str, str]:
    """Return the name of each repository on the page."""
    found: dict[str, str] = {}
    for row in rows:
        if row.repository.partition("/")[0] in ORGANISATIONS:
            found[row.repository] = row.repository
        else:
            number = sum(name.startswith("homelab ") for name in found.values())
            found.setdefault(row.repository, f"homelab {_letters(number)}")
    return found


def _letters(number: int) -> str:
    """Return A to Z, then AA, AB and so on."""
    return (_letters(number // 26 - 1) if number >= 26 else "") + chr(ord("A") + number % 26)


def markdown(rows: Sequence[Row], called: Mapping[str, str]) -> str:
    """Return the page.

    Args:
        rows: of the table, in its order.
        called: the name of each repository on the page.
    """
    reads = [row.read for row in rows if row.read is not None]
    rendered, there = sum(read.rendered for read in reads), sum(read.there for read in reads)
    reasons = Counter[str]()
    for read in reads:
        reasons.update(read.not_judged)
    here = there - sum(reasons[reason] for reason in ELSEWHERE)
    crashes = len(rows) - len(reads)
    lines = [
        "# Other people's repositories",
        "",
        "How much the harness reads of public GitOps repositories that were not written for it, as they are:",
        "`nox -s foreign -- DIR...` reads each directory (`DIR`, or `DIR:ROOT,ROOT` to name what is applied by hand) in a process of its",
        "own, bounded in time and memory, and writes this page. What they need besides is taken from `--store DIR`, where it is there.",
        "Repositories of persons have neutral names.",
        "",
        f"- {rendered} of {there} Applications are rendered: {_share(rendered, there)}.",
        f"- {rendered} of the {here} that are for this cluster and need no chart, repository or plugin that is not there: {_share(rendered, here)}.",
        f"- {crashes or 'None'} of {len(rows)} repositories made the reader break down.",
        "",
        _line(_HEAD),
        _line(["---"] * len(_HEAD)),
        *(_line(_cells(row, called[row.repository])) for row in rows),
        "",
        "There are as many Applications as are rendered, or taken as a foundation, or named as not judged; objects of judged ones that",
        "are not (`monitor`, `address`) are not among them. An ApplicationSet that cannot be expanded, and a file that cannot be read,",
        "count as one; an ApplicationSet that generates none for the cluster here (`empty`) counts as none. MB are the peaks of the",
        "reader and of the largest program that it starts.",
        "",
        "| not judged | of all | because |",
        "|---|---|---|",
        *(f"| `{reason}` | {number} | {IN_WORDS[reason]} |" for reason, number in reasons.most_common()),
    ]
    return "\n".join(lines) + "\n"


def _cells(row: Row, name: str) -> Sequence[str]:
    read = row.read
    if read is None:
        return [name, "", "", "", "", "", f"**breaks down**: {_plain(row.crash)}", "", ""]
    unknown = ", ".join(f"{number} {reason}" for reason, number in read.not_judged.items())
    if read.refused and not read.there:
        unknown = "nothing to render is found"
    return [
        name,
        _roots(read.roots, whole=name == row.repository),
        f"{read.rendered} / {read.there}",
        str(read.objects),
        str(read.balancers),
        str(read.monitors),
        unknown,
        f"{read.seconds:.1f}",
        f"{read.megabytes:.0f}",
    ]


def _roots(roots: Sequence[str], *, whole: bool) -> str:
    """Return the roots; of a person's repository only what they are."""
    if whole and len(roots) <= 3:
        return ", ".join(map(_plain, roots))
    kinds = Counter(root.partition(" ")[0] for root in roots)
    return ", ".join(f"{number} {kind}" for kind, number in kinds.items())


def _share(part: int, whole: int) -> str:
    return f"{100 * part / whole:.0f} %" if whole else "none"


def _plain(text: str) -> str:
    return text.replace("|", "\\|")


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
