"""Drift that comes again and again is healed each time: after the pauses of Argo CD's backoff, and each heal counts.

Facts about Argo CD are those of 3.2.11 (controller/appcontroller.go, autoSync and selfHealRemainingBackoff): the heal with the
number n waits for the backoff's step n - 1 after the end of the operation before; the first one does not wait. Without pauses one
drift may be healed several times: the comparison after a heal may have the object as it was before (seen: three heals of one).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from platform_e2e.finding import Cause, Finding, Promise
from platform_e2e.gitops import argocd
from platform_e2e.kube.objects import Object
from platform_e2e.kube.read_api import ReadApi

SETTINGS = "argocd-cmd-params-cm"
"""ConfigMap with the application controller's options."""


@dataclass(frozen=True)
class Backoff:
    """The pauses between heals of one commit.

    Attributes:
        first: seconds before the second heal; 0 where there are no pauses.
        factor: by which each pause is longer.
        cap: seconds that none exceeds.
    """

    first: float = 2.0
    factor: float = 3.0
    cap: float = 300.0

    @classmethod
    def of(cls, view: ReadApi) -> Backoff:
        """Return what Argo CD is told, with its defaults for what it is not told (argocd_application_controller.go)."""
        found = view.get("v1/ConfigMap", SETTINGS, argocd.NAMESPACE) or {}
        data: Mapping[str, str] = found.get("data") or {}
        prefix = "controller.self.heal.backoff."

        def number(name: str, otherwise: float) -> float:
            return float(data.get(f"{prefix}{name}") or otherwise)

        return cls(number("timeout.seconds", cls.first), number("factor", cls.factor), number("cap.seconds", cls.cap))

    def pause(self, number: int) -> float:
        """Return the seconds between the operation before and a heal.

        Args:
            number: of the heal, from 1.
        """
        return min(self.first * self.factor ** (number - 2), self.cap) if number > 1 and self.first > 0 else 0.0


def heals(apps: Sequence[Object | None]) -> list[argocd.Operation]:
    """Return the heals that an Application's states tell of, after the first of these, each as it was seen last."""
    found: dict[int, argocd.Operation] = {}
    known = argocd.operation(apps[0] or {}).self_heal_attempts if apps else 0
    for app in apps:
        now = argocd.operation(app or {})
        if now.self_heal_attempts > known:
            found[now.self_heal_attempts] = now
    return list(found.values())


def counted(
    name: str, before: argocd.Operation, seen: Sequence[argocd.Operation], backoff: Backoff, drifts: int
) -> list[Finding]:
    """Return what is wrong with the heals of drift that came again and again on one commit.

    Args:
        name: of the Application, as findings have it.
        before: the operation before the first drift; a heal has its number.
        seen: the heals, in order.
        backoff: what Argo CD is told.
        drifts: how often it drifted.
    """
    first, numbers = before.self_heal_attempts, [heal.self_heal_attempts for heal in seen]
    problems = []
    if numbers != list(range(first + 1, first + 1 + len(numbers))) or len(numbers) < drifts:
        problems.append(f"the heals after number {first} have the numbers {numbers}")
    if backoff.first > 0 and len(numbers) > drifts:
        problems.append(f"there were {len(numbers)} heals")
    for earlier, heal in zip([before, *seen], seen, strict=False):
        if not heal.automated or heal.phase != "Succeeded" or not heal.resources:
            problems.append(
                f"heal {heal.self_heal_attempts} is {heal.phase}, of {list(heal.resources) or 'everything'}"
            )
        if earlier.finished and heal.started:
            waited, pause = (heal.started - earlier.finished).total_seconds(), backoff.pause(heal.self_heal_attempts)
            if waited < pause - argocd.GRAIN_SECONDS:
                problems.append(
                    f"heal {heal.self_heal_attempts} began after {waited:g} s, and the backoff says {pause:g} s"
                )
    if not problems:
        return []
    cause = Cause(
        "drift-not-counted",
        f"{drifts} drifts of one commit of {name} were not healed one by one: {problems[0]}",
        "look at the Application's operationState, and at configmap/argocd-cmd-params-cm (controller.self.heal)",
    )
    expected = f"{drifts} automated heals, counted one by one, after the pauses of the backoff"
    return [Finding(name, Promise.SELFHEAL, expected, "; ".join(problems), cause)]
