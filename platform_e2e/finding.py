"""What a check returns: one statement about one object that does not keep one promise."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import asdict, dataclass, field, replace
from difflib import get_close_matches
from enum import StrEnum
from typing import Any

import msgspec

PROMISE_NAME = re.compile(r"[a-z][a-z0-9-]{0,40}")
"""What a promise may be called: it is part of annotations (`platform-e2e/exempt-NAME`) and of file names."""


class Promise(StrEnum):
    """The promises that this package proves; a test of a team's own may have any name that `PROMISE_NAME` matches."""

    LOADBALANCER = "loadbalancer"
    MONITORING = "monitoring"
    RULES = "rules"
    ALERTS = "alerts"
    DASHBOARDS = "dashboards"
    SECRETS = "secrets"
    SELFHEAL = "selfheal"
    PRUNE = "prune"
    RETRY = "retry"
    WAVES = "waves"
    ROLLBACK = "rollback"
    AUDIT = "audit"
    APPLICATIONS = "applications"
    ENVIRONMENTS = "environments"


PROVEN: ContextVar[str] = ContextVar("proven", default="")
"""The promise that the test at hand proves, an empty string where it proves none."""


def promise_name(text: str) -> str:
    """Return the name of a promise, one of ours or of a team's own.

    Raises:
        ValueError: it cannot be one, or is one of ours misspelt.
    """
    if text in set(Promise):
        return text
    meant = get_close_matches(text, list(Promise), 1)
    if meant or not PROMISE_NAME.fullmatch(text):
        instead = (
            f"`{meant[0]}`" if meant else f"one of {', '.join(Promise)}, or one that a test's marker `promise` names"
        )
        raise ValueError(f"promise must be {instead}, got `{text}`")
    return text


@dataclass(frozen=True)
class Cause:
    """Why an object does not do what it should.

    Attributes:
        id: stable, lower case, hyphens; breaks/ and JUnit properties refer to it.
        sentence: one sentence with the names of the objects involved.
        remedy: what to change, and where.
        about: `kind/name -n namespace` of what is to be changed, where it is not what is broken, or another name of it, such as
            `image NAME`; what has the same is mended together.
        through: `kind/name -n namespace` of the object of an Application that led to it, such as the Deployment of a pod.
        field: the keys of the field that must change in that object, such as `("spec", "ports", 0, "targetPort")`; an item of a
            list by its number or its `name`. It is for the file and line in the remedy, and is stored nowhere.
    """

    id: str
    sentence: str
    remedy: str
    about: str = ""
    through: str = ""
    field: tuple[str | int, ...] = field(default=(), compare=False)

    def located(self, location: str) -> Cause:
        """Return the cause with a file and line in its remedy; unchanged where the location is empty."""
        return replace(self, remedy=f"{self.remedy} ({location})") if location else self


@dataclass(frozen=True)
class Finding:
    """One broken promise of one object.

    Attributes:
        object: `kind/name -n namespace` of what is broken.
        promise: which promise it breaks.
        expected: what must be true, from the layer.
        observed: what is true.
        cause: why, as far as it could be worked out.
        details: figures for the report (addresses, targets, seconds).
    """

    object: str
    promise: str
    expected: str
    observed: str
    cause: Cause
    details: dict[str, Any] = field(default_factory=dict)

    @property
    def headline(self) -> str:
        """Return which promise of which object is broken."""
        return f"{self.object} breaks the promise '{self.promise}'"

    def render(self) -> str:
        """Return the five lines a person reads first: object, expected, observed, cause, remedy."""
        return "\n".join(
            (
                self.headline,
                f"  expected: {self.expected}",
                f"  observed: {self.observed}",
                f"  cause:    {self.cause.sentence} [{self.cause.id}]",
                f"  remedy:   {self.cause.remedy}",
            )
        )

    @classmethod
    def from_json(cls, data: Any) -> Finding:
        """Return the finding that `as_json` has written.

        Raises:
            ValueError: it lacks a field, or a field has another type.
        """
        return msgspec.convert(data, cls)

    def markdown(self, cell: Callable[[Any], str], test: str = "") -> str:
        """Return the same lines for a page that reads Markdown.

        Args:
            cell: escapes a text for it.
            test: that has found it, in a form for the page; nothing where it is not to be named.
        """
        cause = self.cause
        return "\n".join(
            (
                f"**{cell(self.object)}** breaks the promise {cell(self.promise)}{test}",
                f"- expected: {cell(self.expected)}",
                f"- observed: {cell(self.observed)}",
                f"- cause: {cell(cause.sentence)} `{cause.id}`",
                f"- remedy: {cell(cause.remedy)}",
            )
        )

    @classmethod
    def several(cls, text: str) -> tuple[Finding, ...]:
        """Return the findings of a property of a test: a JSON list of what `as_json` returns, or an empty text."""
        return tuple(map(cls.from_json, json.loads(text or "[]")))

    def as_json(self) -> dict[str, Any]:
        """Return it as plain data for run.json and JUnit properties."""
        data = asdict(self)
        del data["cause"]["field"]
        return data
