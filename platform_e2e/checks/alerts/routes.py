"""The route tree of Alertmanager, read from the configuration that it has loaded, and evaluated as it does itself.

The semantics are those of Alertmanager 0.28: dispatch/route.go (Match), config/config.go (Route, InhibitRule), pkg/labels (Matcher: a
label that is not there has the empty value, a regular expression must match the whole value).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from platform_e2e.errors import BrokenPlatform
from platform_e2e.foundations.alertmanager_settings import INTEGRATIONS
from platform_e2e.layer import yamlfile
from platform_e2e.layer.argo_objects import mapping, mappings, sequence, text

_MATCHER = re.compile(
    r"""\s*(?P<name>"(?:[^"\\]|\\.)*"|[^\s"'`{}=!~,]+)\s*(?P<op>=~|!~|!=|=)\s*(?P<value>"(?:[^"\\]|\\.)*"|[^,"{}]*?)\s*(?:,|$)""",
    re.DOTALL,
)


class RoutesError(BrokenPlatform):
    """The configuration of Alertmanager has a part that cannot be read here."""


@dataclass(frozen=True)
class Matcher:
    """One condition on a label.

    Attributes:
        name: of the label.
        operator: `=`, `!=`, `=~` or `!~`.
        value: that it is compared with.
    """

    name: str
    operator: str
    value: str

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        try:
            # Alertmanager's dot takes line breaks (pkg/labels/matcher.go).
            return re.compile(f"(?:{self.value})", re.DOTALL)
        except re.error as error:
            raise RoutesError(
                f"a matcher of Alertmanager must be readable here, got `{self}`: {error}", "report this"
            ) from error

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Tell whether a set of labels meets it."""
        found = labels.get(self.name, "")
        same = bool(self._pattern.fullmatch(found)) if "~" in self.operator else found == self.value
        return same is not self.operator.startswith("!")

    def __str__(self) -> str:
        """Return it as Alertmanager writes it."""
        return f"{self.name}{self.operator}{json.dumps(self.value, ensure_ascii=False)}"


@dataclass(frozen=True)
class Route:
    """One route.

    Attributes:
        receiver: of it, or of the nearest route above that names one.
        matchers: all of which must be met.
        continues: whether the routes after it are tried, too.
        muted: names of its mute_time_intervals.
        routes: below it.
    """

    receiver: str
    matchers: tuple[Matcher, ...] = ()
    continues: bool = False
    muted: tuple[str, ...] = ()
    routes: tuple[Route, ...] = ()

    def taking(self, labels: Mapping[str, str]) -> list[Route]:
        """Return the routes that take an alert with such labels; none where this one does not match."""
        if not all(matcher.matches(labels) for matcher in self.matchers):
            return []
        taken: list[Route] = []
        for route in self.routes:
            found = route.taking(labels)
            taken += found
            if found and not route.continues:
                break
        return taken or [self]

    def all(self) -> Iterator[Route]:
        """Yield it and every route below it."""
        yield self
        for route in self.routes:
            yield from route.all()


@dataclass(frozen=True)
class Inhibition:
    """What keeps one alert back while another fires.

    Attributes:
        number: of it, from 0.
        source: conditions on the one that fires.
        target: conditions on the one that is kept back.
        equal: labels that both must have with one value, or both lack.
    """

    number: int
    source: tuple[Matcher, ...]
    target: tuple[Matcher, ...]
    equal: tuple[str, ...]

    def holds(self, firing: Mapping[str, str], labels: Mapping[str, str]) -> bool:
        """Tell whether an alert that fires keeps another one back."""
        if not all(matcher.matches(firing) for matcher in self.source):
            return False
        if not all(matcher.matches(labels) for matcher in self.target):
            return False
        return all(firing.get(name, "") == labels.get(name, "") for name in self.equal)


@dataclass(frozen=True)
class Routing:
    """What decides which receiver gets an alert.

    Attributes:
        root: the route that takes what no other takes.
        integrations: kinds of the integrations of each receiver, such as `webhook`, by its name.
        inhibitions: in their order.
        always: names of the time intervals that never end.
    """

    root: Route
    integrations: Mapping[str, Sequence[str]]
    inhibitions: Sequence[Inhibition] = ()
    always: frozenset[str] = field(default_factory=frozenset)

    @classmethod
    def parse(cls, config: str) -> Routing:
        """Read a configuration.

        Args:
            config: YAML, as /api/v2/status has it in config.original.

        Raises:
            RoutesError: a part of it cannot be read.
        """
        documents = yamlfile.parse(config, "the configuration of Alertmanager")
        data = mapping(documents[0].data) if documents else {}
        intervals = [*mappings(data.get("time_intervals")), *mappings(data.get("mute_time_intervals"))]
        return cls(
            _route(mapping(data.get("route")), ""),
            {text(each.get("name")): _integrations(each) for each in mappings(data.get("receivers"))},
            [_inhibition(number, each) for number, each in enumerate(mappings(data.get("inhibit_rules")))],
            frozenset(text(each.get("name")) for each in intervals if _endless(each)),
        )

    def receivers(self, labels: Mapping[str, str]) -> list[str]:
        """Return the receivers that get an alert, without those that have no integration."""
        return [route.receiver for route in self.root.taking(labels) if self.integrations.get(route.receiver)]


def _route(data: Mapping[str, Any], above: str) -> Route:
    receiver = text(data.get("receiver")) or above
    return Route(
        receiver,
        _conditions(data, "matchers", "match", "match_re"),
        data.get("continue") is True,
        tuple(str(each) for each in sequence(data.get("mute_time_intervals"))),
        tuple(_route(each, receiver) for each in mappings(data.get("routes"))),
    )


def _inhibition(number: int, data: Mapping[str, Any]) -> Inhibition:
    return Inhibition(
        number,
        _conditions(data, "source_matchers", "source_match", "source_match_re"),
        _conditions(data, "target_matchers", "target_match", "target_match_re"),
        tuple(sorted(str(each) for each in sequence(data.get("equal")))),
    )


def _conditions(data: Mapping[str, Any], new: str, equal: str, pattern: str) -> tuple[Matcher, ...]:
    """Return the conditions, sorted: Alertmanager writes them in another order than they are given."""
    found = [Matcher(str(name), "=", str(value)) for name, value in mapping(data.get(equal)).items()]
    found += [Matcher(str(name), "=~", str(value)) for name, value in mapping(data.get(pattern)).items()]
    found += [matcher for each in sequence(data.get(new)) for matcher in matchers(str(each))]
    return tuple(sorted(found, key=str))


def matchers(written: str) -> list[Matcher]:
    """Return the conditions of one text, such as `severity = critical` or `{team="a", namespace=~"b.*"}`.

    Raises:
        RoutesError: it cannot be read.
    """
    left = written.strip()
    if left.startswith("{") and left.endswith("}"):
        left = left[1:-1].rstrip().rstrip(",")
    found: list[Matcher] = []
    at = 0
    while at < len(left):
        match = _MATCHER.match(left, at)
        if match is None:
            raise RoutesError(
                f"a matcher of Alertmanager must be NAME OPERATOR VALUE, got `{written}`", "correct it, or report this"
            )
        found.append(Matcher(_unquoted(match["name"]), match["op"], _unquoted(match["value"])))
        at = match.end()
    return found


def _unquoted(written: str) -> str:
    if len(written) < 2 or not written.startswith('"'):
        return written
    return re.sub(r"\\(.)", lambda found: {"n": "\n"}.get(found[1], found[1]), written[1:-1], flags=re.DOTALL)


def _integrations(receiver: Mapping[str, Any]) -> list[str]:
    return [
        key.removesuffix(INTEGRATIONS)
        for key, value in receiver.items()
        if key.endswith(INTEGRATIONS)
        for _ in mappings(value)
    ]


_ALL = {
    "weekdays": ({"sunday:saturday", "0:6"},),
    "days_of_month": ({"1:31", "1:-1"},),
    "months": ({"1:12", "january:december"},),
}
"""Conditions of a time interval that hold always (timeinterval/timeinterval.go)."""


def _endless(named: Mapping[str, Any]) -> bool:
    """Tell whether a time interval is always now: one of its parts has no condition that ever fails."""
    return any(
        all(_holds_always(key, value) for key, value in each.items() if value and key != "location")
        for each in mappings(named.get("time_intervals"))
    )


def _holds_always(key: str, value: Any) -> bool:
    if key == "times":
        return any((each.get("start_time"), each.get("end_time")) == ("00:00", "24:00") for each in mappings(value))
    return any(str(each) in always for always in _ALL.get(key, ()) for each in sequence(value))
