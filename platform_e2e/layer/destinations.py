"""Which Applications are for the cluster under test, and which for another one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

IN_CLUSTER = ("in-cluster", "https://kubernetes.default.svc")
"""Name and server of the cluster that Argo CD itself runs on (util/argo and common/common.go of Argo CD)."""


@dataclass(frozen=True)
class Destination:
    """The cluster that an Application names.

    Attributes:
        server: its URL, or empty.
        name: its name, or empty.
    """

    server: str = ""
    name: str = ""

    def __str__(self) -> str:
        """Return what is written."""
        return self.server or self.name or "no cluster"

    @property
    def written(self) -> frozenset[str]:
        """Return server and name as they are compared."""
        return frozenset(_form(each) for each in (self.server, self.name) if each)


@dataclass(frozen=True)
class Aim:
    """Whether a destination is the cluster under test, and why, in one sentence."""

    here: bool
    why: str


def judge(destinations: Iterable[Destination], named: Sequence[str] = ()) -> dict[Destination, Aim]:
    """Tell of every destination whether it is the cluster under test.

    Args:
        destinations: of all Applications.
        named: servers and names that are this cluster, as the team says; by default that of Argo CD itself and, where every
            Application names one and the same other cluster, that one.
    """
    every = list(dict.fromkeys(destinations))
    if named:
        own = {_form(each) for each in named}
        told = ", ".join(named)
        return {
            each: Aim(True, f"{each} is this cluster: platform-e2e.yaml names {told}")
            if each.written & own
            else Aim(False, f"{each} is another cluster: platform-e2e.yaml names {told} as this one")
            for each in every
        }
    own = {_form(each) for each in IN_CLUSTER}
    others = [each for each in every if each.written and not each.written & own]
    if len(others) == 1 and len(others) == len([each for each in every if each.written]):
        (other,) = others
        return {each: Aim(True, f"{other} is taken for this cluster: all Applications name it") for each in every}
    names = ", ".join(str(each) for each in others)
    return {
        each: Aim(
            False,
            f"{each} is another cluster; to test it, write `destinations: [{each}]` into platform-e2e.yaml (others: {names})",
        )
        if each in others
        else Aim(True, f"{each} is the cluster that Argo CD runs on")
        for each in every
    }


def _form(text: str) -> str:
    return text.strip().rstrip("/").lower()
