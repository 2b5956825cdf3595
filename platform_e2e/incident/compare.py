"""The findings of an incident beside those of the cluster that it is reproduced on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from platform_e2e.finding import Finding

AGAIN, OTHER, GONE, NEW = "yes", "another cause", "no", "only here"
"""What can become of a finding."""


@dataclass(frozen=True)
class Row:
    """One finding on both sides.

    Attributes:
        then: of the incident, or None where there was none.
        now: of the cluster here, or None where there is none.
        verdict: `yes`, `another cause`, `no`, or `only here`.
        why: why it is not seen again, as far as that is known.
    """

    then: Finding | None
    now: Finding | None
    verdict: str
    why: str = ""


def side_by_side(
    then: Sequence[Finding], now: Sequence[Finding], reasons: Mapping[str, str] | None = None
) -> list[Row]:
    """Return a row for each finding of the incident, and then one for each that is only here.

    A finding is the same where object and cause are: addresses, names of pods and seconds differ from cluster to cluster.

    Args:
        then: of the incident.
        now: of the cluster here.
        reasons: by object, why its state could not be brought about here.
    """
    known = reasons or {}
    here = {(one.object, one.cause.id): one for one in now}
    taken: set[tuple[str, str]] = set()
    rows: list[Row] = []
    for finding in then:
        place = finding.object, finding.cause.id
        if place in here:
            taken.add(place)
            rows.append(Row(finding, here[place], AGAIN))
            continue
        others = [other for other in now if other.object == finding.object]
        why = known.get(finding.object, "")
        if others:
            taken.add((others[0].object, others[0].cause.id))
            rows.append(Row(finding, others[0], OTHER, why))
        else:
            rows.append(Row(finding, None, GONE, why or "here nothing is wrong with it"))
    return rows + [Row(None, one, NEW) for one in now if (one.object, one.cause.id) not in taken]


def all_again(rows: Sequence[Row]) -> bool:
    """Tell whether every finding of the incident is seen again."""
    return all(row.verdict == AGAIN for row in rows if row.then is not None)
