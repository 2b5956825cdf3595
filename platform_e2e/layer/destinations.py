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
        return frozenset(form(each) for each in (self.server, self.name) if each)


@dataclass(frozen=True)
class Aim:
    """Whether a destination is the cluster under test, and why, in one sentence."""

    here: bool
    why: str


def judge(
    destinations: Iterable[Destination], named: Sequence[str] = (), by: str = "platform-e2e.yaml"
) -> dict[Destination, Aim]:
    """Tell of every destination whether it is the cluster under test.

    Args:
        destinations: of all Applications.
        named: servers and names that are this cluster, as the team says; by default that of Argo CD itself and, where every
            Application names one and the same other cluster, that one.
        by: what names them.
    """
    every = list(dict.fromkeys(destinations))
    if named:
        own = {form(each) for each in named}
        # One that is named by its name or its server is both.
        own |= {form(each) for each in IN_CLUSTER} if own & {form(each) for each in IN_CLUSTER} else set()
        told = ", ".join(named)
        return {
            each: Aim(True, f"{each} is this cluster: {by} names {told}")
            if each.written & own
            else Aim(False, f"{each} is another cluster: {by} names {told} as this one")
            for each in every
        }
    own = {form(each) for each in IN_CLUSTER}
    others = [each for each in every if each.written and not each.written & own]
    if len(others) == 1 and len(others) == len([each for each in every if each.written]):
        (other,) = others
        return {each: Aim(True, f"{other} is taken for this cluster: all Applications name it") for each in every}
    names = ", ".join(str(each) for each in others)
    return {
        each: Aim(
            False,
            f"{each} is another cluster; to test it, say --destination {each}, or write `destinations: [{each}]` into platform-e2e.yaml (others: {names})",
        )
        if each in others
        else Aim(True, f"{each} is the cluster that Argo CD runs on")
        for each in every
    }


def others(one: Destination, two: Destination) -> bool:
    """Tell whether two destinations are written as two clusters; the one that Argo CD runs on has a name and a server."""
    own = {form(each) for each in IN_CLUSTER}
    both = [each.written | own if each.written & own or not each.written else each.written for each in (one, two)]
    return not both[0] & both[1]


def form(text: str) -> str:
    """Return a server or name as it is compared."""
    return text.strip().rstrip("/").lower()
