"""The marker `each`: one case of a test for each object of a kind that the layer renders."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

import pytest

from platform_e2e.errors import ExitCode, WrongUsage

if TYPE_CHECKING:
    from platform_e2e.layer import Layer
    from platform_e2e.layer.objects import Rendered

EACH = "each"
"""The argument of a test that the marker of that name runs once for each object."""

ATTRIBUTES: Mapping[str, Callable[[Rendered], str]] = {
    "application": lambda rendered: rendered.application,
    "namespace": lambda rendered: rendered.namespace or "",
    "name": lambda rendered: rendered.name,
}
"""What a keyword argument of the marker compares its pattern with; `labels` compares one with each label that it names."""

LABELS = "labels"

AT_FAULT = "exit_code"
"""Attribute of the report of a file that cannot be collected: the run's exit status, where the harness is not at fault."""

SHOWN = 10
"""How many objects of a kind an error lists."""


class Misused(pytest.Collector.CollectError):
    """A marker or the layer cannot be used as it is: pytest shows its text without a traceback, as the error of one file."""


def blame(report: pytest.CollectReport) -> None:
    """Note in the report of a file whose marker cannot be used that the caller is at fault; a worker hands that on."""
    call = getattr(report, "call", None)
    if call is not None and call.excinfo is not None and isinstance(call.excinfo.value, Misused):
        setattr(report, AT_FAULT, ExitCode.WRONG_USAGE)


def refuse(report: pytest.CollectReport) -> None:
    """End the session where the layer or an option is refused while a file of tests is read: every other file would say the same.

    Raises:
        pytest.exit.Exception: with the refusal, and the exit status of wrong usage.
    """
    call = getattr(report, "call", None)
    error = call.excinfo.value if call is not None and call.excinfo is not None else None
    if isinstance(error, pytest.UsageError):
        pytest.exit(str(error), returncode=ExitCode.WRONG_USAGE)


def parametrize(metafunc: pytest.Metafunc) -> None:
    """Run a test with the marker `each` once for each object of its kinds that the layer renders.

    An object that the annotation `platform-e2e/exempt-PROMISE` takes out of the test's promise has no case.
    """
    markers = list(metafunc.definition.iter_markers(EACH))
    if not markers:
        return
    if EACH not in metafunc.fixturenames:
        raise Misused(f"{metafunc.definition.nodeid}: with @pytest.mark.each it must have the argument `{EACH}`")
    from platform_e2e.pytest_plugin.layer import layer_of

    promise = metafunc.definition.get_closest_marker("promise")
    try:
        layer = layer_of(metafunc.config)
        found = [case for marker in markers for case in chosen(marker.args, marker.kwargs, layer)]
    except pytest.UsageError as error:
        raise Misused(str(error)) from error
    except WrongUsage as error:
        raise Misused(f"{metafunc.definition.nodeid}: {error}") from error
    cases = [case for case in found if promise is None or not case.exempt(str(promise.args[0]))]
    metafunc.parametrize(EACH, cases, ids=["/".join(filter(None, (case.namespace, case.name))) for case in cases])


def chosen(kinds: Sequence[Any], patterns: Mapping[str, Any], layer: Layer) -> list[Rendered]:
    """Return the objects of the layer that a marker is about.

    A kind that the layer does not have gives none: the promise is then not judged. What is restricted names what must be there.

    Args:
        kinds: each alone or with group and version, as `ConfigMap` or `v1/ConfigMap`.
        patterns: `application`, `namespace` and `name`, each as a shell writes patterns (`chat-*`), and `labels`, a mapping of
            names to such patterns.
        layer: that renders them.

    Raises:
        WrongUsage: the marker names no kind, a keyword that it does not have or a value that is no text, or nothing is left.
    """
    if not kinds:
        raise WrongUsage("@pytest.mark.each must name a kind, got none", 'write @pytest.mark.each("v1/ConfigMap")')
    _demand_patterns(patterns)
    found = [rendered for kind in kinds for rendered in layer.of_kind(str(kind))]
    left = [rendered for rendered in found if _fits(rendered, patterns)]
    if patterns and not left:
        raise _nothing_left(kinds, patterns, found)
    return left


def _demand_patterns(patterns: Mapping[str, Any]) -> None:
    known = (*ATTRIBUTES, LABELS)
    for keyword, pattern in patterns.items():
        if keyword not in known:
            near = get_close_matches(keyword, known, 1)
            raise WrongUsage(
                f"a keyword of @pytest.mark.each must be one of {', '.join(known)}, got {keyword}",
                f"write {near[0]}=" if near else "remove it",
            )
        labels = keyword == LABELS
        texts = [*pattern, *pattern.values()] if labels and isinstance(pattern, Mapping) else [pattern]
        if not all(isinstance(text, str) for text in texts) or (labels and not isinstance(pattern, Mapping)):
            what, example = ("a mapping of texts", '{"app": "chat"}') if labels else ("a text", '"chat-*"')
            raise WrongUsage(
                f"{keyword}= of @pytest.mark.each must be {what}, got {pattern!r}", f"write {keyword}={example}"
            )


def _fits(rendered: Rendered, patterns: Mapping[str, Any]) -> bool:
    """Tell whether an object has all that a marker asks for."""
    for keyword, pattern in patterns.items():
        if keyword == LABELS:
            labels = rendered.labels
            if not all(name in labels and fnmatchcase(str(labels[name]), text) for name, text in pattern.items()):
                return False
        elif not fnmatchcase(ATTRIBUTES[keyword](rendered), pattern):
            return False
    return True


def _nothing_left(kinds: Sequence[Any], patterns: Mapping[str, Any], found: Sequence[Rendered]) -> WrongUsage:
    """Return the error that the layer has no such object, with those of the kind that it has."""
    kind = " or ".join(map(str, kinds))
    asked = ", ".join(f"{keyword}={pattern!r}" for keyword, pattern in patterns.items())
    problem = f"@pytest.mark.each must leave at least one {kind} of the layer, got none with {asked}"
    if not found:
        return WrongUsage(problem, "correct the kind, which the layer does not render, or remove the test")
    listed = [f"{rendered} of application {rendered.application}" for rendered in found[:SHOWN]]
    more = f", and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
    return WrongUsage(problem, f"correct the pattern; the layer has {', '.join(listed)}{more}")
