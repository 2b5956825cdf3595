"""Find the functions that can explain an object, by its kind, and ask them in the order in which they were written."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar

from platform_e2e.finding import Cause
from platform_e2e.kube.objects import Key, Object, key, kind_of
from platform_e2e.kube.read_api import ReadApi

Explainer = Callable[[Object, ReadApi], Cause | None]
"""Takes a live object and a view of the cluster; returns its cause where it applies."""

_EXPLAINERS: dict[str, list[Explainer]] = {}

_ASKED: ContextVar[frozenset[tuple[str, Key]]] = ContextVar("asked", default=frozenset())
"""What is being explained, from the first object that was asked about to the one that it led to."""


def explains(*kinds: str) -> Callable[[Explainer], Explainer]:
    """Register a function as an explanation of objects of the kinds, such as `v1/Service`.

    Within a kind the order of the code is the order of asking: what comes first in the chain of effects is written first.
    """

    def register(function: Explainer) -> Explainer:
        for kind in kinds:
            _EXPLAINERS.setdefault(kind, []).append(function)
        return function

    return register


def explain(obj: Object, view: ReadApi) -> Cause | None:
    """Return the first cause that holds the object, or None where none of the known ones does.

    Args:
        obj: the live object.
        view: where else to look.
    """
    kind = kind_of(obj)
    asked = (kind, key(obj))
    if asked in _ASKED.get():
        # An Application can be among its own objects, or two be each other's.
        return None
    token = _ASKED.set(_ASKED.get() | {asked})
    try:
        causes = (function(obj, view) for function in _EXPLAINERS.get(kind, ()))
        return next((cause for cause in causes if cause is not None), None)
    finally:
        _ASKED.reset(token)


def registered() -> Mapping[str, Sequence[Explainer]]:
    """Return every explanation by kind."""
    return {kind: tuple(functions) for kind, functions in _EXPLAINERS.items()}
