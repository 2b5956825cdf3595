"""Which of some versions of a chart a constraint means, as Helm and Argo CD choose (Masterminds/semver v3)."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import total_ordering

_VERSION = re.compile(r"v?(\d{1,18})(?:\.(\d{1,18}))?(?:\.(\d{1,18}))?(?:-([0-9A-Za-z.-]+))?(?:\+[0-9A-Za-z.-]+)?")
_PART = re.compile(
    r"\s*(=>|=<|>=|<=|!=|~>|[=<>~^]?)\s*v?([xX*]|\d+)(?:\.([xX*]|\d+))?(?:\.([xX*]|\d+))?(?:-([0-9A-Za-z.-]+))?(?:\+[\w.-]+)?\s*,?\s*"
)
_RANGE = re.compile(r"\s*(\S+)\s+-\s+(\S+)\s*")
_NUMBERS = 3
"""Of a whole version."""

_LONGEST = 256
"""Characters of a constraint."""


@total_ordering
@dataclass(frozen=True)
class Version:
    """A semantic version.

    Attributes:
        numbers: major, minor and patch.
        before: the parts of the pre-release; empty for a release.
    """

    numbers: tuple[int, int, int]
    before: tuple[str, ...] = ()

    @classmethod
    def parse(cls, text: str) -> Version | None:
        """Return the version that a text is; minor and patch may be left out."""
        match = _VERSION.fullmatch(text.strip()) if len(text) <= _LONGEST else None
        if match is None:
            return None
        major, minor, patch = (int(each or 0) for each in match.groups()[:3])
        return cls((major, minor, patch), tuple(match[4].split(".")) if match[4] else ())

    def __lt__(self, other: Version) -> bool:
        """Order as semver.org does: a pre-release comes before its release."""
        return self._key() < other._key()

    def _key(self) -> tuple[tuple[int, int, int], bool, tuple[tuple[bool, int, str], ...]]:
        parts = ((not each.isdecimal(), int(each) if each.isdecimal() else 0, each) for each in self.before)
        return self.numbers, not self.before, tuple(parts)


def chosen(wanted: str, there: Iterable[str]) -> str | None:
    """Return the version that is written just like that, else the newest that a constraint allows; None if there is none.

    Args:
        wanted: a version or a constraint, such as `1.x`, `^1.2`, `>=1.2 <2 || 3.*`; empty means any release.
        there: the versions.
    """
    every = list(there)
    if wanted in every:
        return wanted
    parsed = [(version, text) for text in every if (version := Version.parse(text)) is not None]
    allowed = [(version, text) for version, text in parsed if allows(wanted, version)]
    return max(allowed)[1] if allowed else None


def is_exact(wanted: str) -> bool:
    """Tell whether a revision of a chart is one version, and no constraint."""
    return (
        Version.parse(wanted) is not None
        and len(wanted.split("-", maxsplit=1)[0].split("+", maxsplit=1)[0].split(".")) == 3
    )


def allows(constraint: str, version: Version) -> bool:
    """Tell whether a constraint allows a version; one that cannot be read allows none."""
    if len(constraint) > _LONGEST:
        return False
    return any(_all_of(part, version) for part in constraint.split("||"))


def _all_of(text: str, version: Version) -> bool:
    text = text.strip() or "*"
    between = _RANGE.fullmatch(text)
    if between:
        text = f">={between[1]} <={between[2]}"
    at = 0
    while at < len(text):
        match = _PART.match(text, at)
        if match is None or match.end() == at or not _one(match, version):
            return False
        at = match.end()
    return True


def _one(match: re.Match[str], version: Version) -> bool:
    """Tell whether one comparison allows a version; of what is left out each number is allowed (constraints.go of semver v3)."""
    sign, *written, before = match.groups()
    given = [int(each) for each in itertools.takewhile(lambda each: each is not None and each not in "xX*", written)]
    if version.before and not before:
        return False
    low = Version((*given, 0, 0, 0)[:3], tuple(before.split(".")) if before else ())  # type: ignore[arg-type]
    # The first version that is not one of those that are meant, such as 1.3.0 for 1.2.
    above = _next(given, len(given) - 1) if given else None
    same = _within(version, low, above) if len(given) < _NUMBERS else version == low
    below = above is None or version < above if len(given) < _NUMBERS else version <= low
    tilde = _next(given, min(1, len(given) - 1)) if given else None
    first = next((at for at, each in enumerate(given) if each), max(0, len(given) - 1))
    caret = _next(given, first) if given else None
    answers = {
        "": same,
        "=": same,
        "!=": not same,
        ">": version >= low and not same and not (given == [] or version == low),
        ">=": version >= low,
        "=>": version >= low,
        "<": version < low,
        "<=": below,
        "=<": below,
        "~": _within(version, low, tilde),
        "~>": _within(version, low, tilde),
        "^": _within(version, low, caret),
    }
    return answers[sign]


def _within(version: Version, low: Version, above: Version | None) -> bool:
    return version >= low and (above is None or version < above)


def _next(given: list[int], at: int) -> Version:
    """Return the first version in which a number is one higher."""
    numbers = (*given[:at], given[at] + 1, 0, 0, 0)[:3]
    return Version(numbers)  # type: ignore[arg-type]
