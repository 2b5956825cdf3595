"""The marker `each`: one case of a test for each object of a kind that the layer renders."""

from __future__ import annotations

import pytest

EACH = "each"
"""The argument of a test that the marker of that name runs once for each object."""


def parametrize(metafunc: pytest.Metafunc) -> None:
    """Run a test with the marker `each` once for each object of its kinds that the layer renders.

    An object that the annotation `platform-e2e/exempt-PROMISE` takes out of the test's promise has no case.
    """
    kinds = [str(kind) for marker in metafunc.definition.iter_markers("each") for kind in marker.args]
    if not kinds:
        return
    if EACH not in metafunc.fixturenames:
        raise pytest.UsageError(
            f"{metafunc.definition.nodeid}: with @pytest.mark.each it must have the argument `{EACH}`"
        )
    from platform_e2e.errors import ExitCode
    from platform_e2e.pytest_plugin.layer import layer_of

    promise = metafunc.definition.get_closest_marker("promise")
    try:
        layer = layer_of(metafunc.config)
    except pytest.UsageError as error:
        # Raised here it would become the error of one file, with its traceback, and the status of a broken harness.
        pytest.exit(str(error), returncode=ExitCode.WRONG_USAGE)
    found = [rendered for kind in kinds for rendered in layer.of_kind(kind)]
    cases = [case for case in found if promise is None or not case.exempt(str(promise.args[0]))]
    metafunc.parametrize(EACH, cases, ids=["/".join(filter(None, (case.namespace, case.name))) for case in cases])
