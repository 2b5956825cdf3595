"""What a check returns: one statement about one object that does not keep one promise."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any


class Promise(StrEnum):
    """What a layer cannot drop silently; the names are those of the verdict's table and of breaks/."""

    LOADBALANCER = "loadbalancer"
    MONITORING = "monitoring"
    SELFHEAL = "selfheal"
    APPLICATIONS = "applications"
    ENVIRONMENTS = "environments"


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
    """

    id: str
    sentence: str
    remedy: str
    about: str = ""
    through: str = ""


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
    promise: Promise
    expected: str
    observed: str
    cause: Cause
    details: dict[str, Any] = field(default_factory=dict)

    def render(self) -> str:
        """Return the five lines a person reads first: object, expected, observed, cause, remedy."""
        return "\n".join(
            (
                f"{self.object} breaks the promise '{self.promise}'",
                f"  expected: {self.expected}",
                f"  observed: {self.observed}",
                f"  cause:    {self.cause.sentence} [{self.cause.id}]",
                f"  remedy:   {self.cause.remedy}",
            )
        )

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Finding:
        """Return the finding that `as_json` has written."""
        return cls(**{**data, "promise": Promise(data["promise"]), "cause": Cause(**data["cause"])})

    def as_json(self) -> dict[str, Any]:
        """Return it as plain data for run.json and JUnit properties."""
        return asdict(self)
