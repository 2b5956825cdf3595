"""What of the findings blocks a release: a policy says what may wait and until when, a baseline what was there before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Literal, TypeVar

import msgspec

from platform_e2e.errors import WrongUsage
from platform_e2e.finding import Finding
from platform_e2e.layer import yamlfile
from platform_e2e.layer.errors import LayerError
from platform_e2e.untrusted import typed
from platform_e2e.untrusted.documents import NoDocument

PAGE = "docs/validate.md"

T = TypeVar("T")


class Rule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One rule of a policy: the first that fits a finding decides.

    Attributes:
        action: whether what fits blocks a release, or may wait.
        promise: pattern of the promise, such as `dashboards`.
        cause: pattern of the id of the cause, such as `rule-*`.
        object: pattern of the object as findings name it, such as `service/* -n chat-*`.
        since: first day (UTC) on which the rule counts; from ever by default.
        until: last day (UTC) on which it counts; for ever by default.
        reason: why, for the report.
    """

    action: Literal["block", "wait"]
    promise: str = "*"
    cause: str = "*"
    object: str = "*"
    since: date | None = None
    until: date | None = None
    reason: str = ""

    def fits(self, finding: Finding, today: date) -> bool:
        """Tell whether the rule decides about a finding.

        Args:
            finding: at hand.
            today: the day, in UTC.
        """
        if (self.since and today < self.since) or (self.until and today > self.until):
            return False
        pairs = ((finding.promise, self.promise), (finding.cause.id, self.cause), (finding.object, self.object))
        return all(fnmatchcase(text, pattern) for text, pattern in pairs)


class Acceptance(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A promise that may be unknown.

    Attributes:
        promise: pattern of its name.
        reason: why, for the report.
    """

    promise: str
    reason: str


class Policy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What blocks a release.

    Attributes:
        rules: about findings; what none of them fits blocks.
        accept: promises that may be unknown.
    """

    rules: tuple[Rule, ...] = ()
    accept: tuple[Acceptance, ...] = ()


class Known(msgspec.Struct, frozen=True):
    """One finding of a baseline.

    Attributes:
        object: as findings name it.
        cause: of which the id counts.
        expires: last day (UTC) on which it is excused; for ever by default.
    """

    object: str
    cause: dict[str, Any]
    expires: date | None = None


class KnownCluster(msgspec.Struct, frozen=True):
    """The findings of one cluster.

    Attributes:
        cluster: its name, as the verdict has it.
        findings: that were there.
    """

    cluster: str
    findings: tuple[Known, ...] = ()


class Baseline(msgspec.Struct, frozen=True):
    """The findings of an earlier validation, as `--json` writes them.

    Attributes:
        clusters: that were validated.
        expires: last day (UTC) on which those that name none are excused; for ever by default.
    """

    clusters: tuple[KnownCluster, ...] = ()
    expires: date | None = None


@dataclass(frozen=True)
class Gate:
    """Sort findings into those that count and those that are excused.

    Attributes:
        policy: what may wait.
        baseline: what was there before.
        today: the day, in UTC.
    """

    policy: Policy
    baseline: Baseline
    today: date

    @classmethod
    def read(cls, policy: Path | None, baseline: Path | None) -> Gate:
        """Read the files that the user names.

        Args:
            policy: a YAML file, or None.
            baseline: a JSON file, or None.

        Raises:
            WrongUsage: a file cannot be read, or has another form.
        """
        return cls(
            _read(policy, Policy, "--policy") if policy else Policy(),
            _read(baseline, Baseline, "--baseline") if baseline else Baseline(),
            datetime.now(UTC).date(),
        )

    def sorted(self, findings: Sequence[Finding], cluster: str) -> tuple[list[Finding], list[tuple[Finding, str]]]:
        """Return the findings that count, and the excused ones with the reason of each.

        Args:
            findings: all of them.
            cluster: that they are about, as the verdict names it.
        """
        counted: list[Finding] = []
        excused: list[tuple[Finding, str]] = []
        for finding in findings:
            why = self._excuse(finding, cluster)
            if why:
                excused.append((finding, why))
            else:
                counted.append(finding)
        return counted, excused

    def accepted(self, promise: str) -> str:
        """Return why a promise may be unknown; an empty string where it may not.

        Args:
            promise: its name.
        """
        return next((each.reason for each in self.policy.accept if fnmatchcase(promise, each.promise)), "")

    def _excuse(self, finding: Finding, cluster: str) -> str:
        rule = next((rule for rule in self.policy.rules if rule.fits(finding, self.today)), None)
        if rule is not None:
            until = f", until {rule.until}" if rule.until else ""
            # What the policy says blocks does so also where it was there before.
            return (
                f"the policy lets it wait{until}: {rule.reason or 'no reason given'}" if rule.action == "wait" else ""
            )
        for known in (each for there in self.baseline.clusters if there.cluster == cluster for each in there.findings):
            if (known.object, known.cause.get("id")) == (finding.object, finding.cause.id):
                expires = known.expires or self.baseline.expires
                if expires is None or self.today <= expires:
                    return f"it is in the baseline{f', until {expires}' if expires else ''}"
        return ""


def _read(path: Path, form: type[T], option: str) -> T:
    try:
        found = yamlfile.read(path.resolve().parent, path.resolve())
        return typed.strict(found[0].data if found else {}, form)
    except OSError as error:
        raise WrongUsage(f"{option} must be a file, got {path}: {error.strerror}", "name one") from error
    except (LayerError, NoDocument) as error:
        problem = error.problem if isinstance(error, LayerError) else str(error)
        raise WrongUsage(f"{option} {path} cannot be used: {problem}", f"{PAGE} shows its form") from error
