"""Each commit is taken or refused, reverted, and must leave nothing behind."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

import pytest

from benchmarks.reverts.changes import Change, base, changes
from platform_e2e.testing import Promises, eventually
from platform_e2e.testing.checks import ProbeResult, Sandbox, argocd, fits, request_loop, rollback, sandbox_objects

pytestmark = pytest.mark.promise("rollback")

TAKEN_SECONDS = 60.0
"""For Argo CD to apply a commit, or to give it up after two attempts."""

RETRY = {"limit": 1, "refresh": True, "backoff": {"duration": "1s", "factor": 1}}

NAMES = [change.name for change in changes("image")]


def _taken(sha: str) -> Callable[[object], bool]:
    def judge(app: object) -> bool:
        live = app if isinstance(app, dict) else {}
        broken = "ComparisonError" in dict(argocd.conditions(live))
        operation = argocd.operation(live)
        return broken or (operation.revisions == (sha,) and not operation.running and argocd.revisions(live) == (sha,))

    return judge


@pytest.mark.parametrize("number", range(len(NAMES)), ids=[name.replace(" ", "-") for name in NAMES])
def test_revert_leaves_nothing_behind(
    number: int,
    sandbox: Sandbox,
    answering: Mapping[str, Callable[[], ProbeResult]],
    rows: list[tuple[str, ...]],
    promises: Promises,
) -> None:
    """The live state is equal to the one before, and no address of the layer missed a request."""
    image = sandbox_objects.image_of_the_cluster(sandbox.kube)
    change: Change = changes(image)[number]
    sha = sandbox.commit(*base(image).values(), why="Add the base")
    sandbox.deploy(retry=RETRY)
    sandbox.converge(sha)
    before = sandbox.objects()
    with request_loop.asking(answering) as answers:
        bad = sandbox.commit(*change.write, drop=change.drop, files=change.files, why=f"Change {change.name}")
        taken = fits(_taken(bad), lambda app: argocd.operation(app or {}).message or "nothing has begun")
        eventually(sandbox.source, taken, timeout=TAKEN_SECONDS, what=f"{change.name}: the commit is taken or given up")
        touched = len(rollback.equal(before, sandbox.objects()))
        good, began = sandbox.revert(bad), time.monotonic()
        sandbox.converge(good, by_operation=False)
        seconds = time.monotonic() - began
    different, asked = rollback.equal(before, sandbox.objects()), request_loop.figures(answers)
    assert bool(touched) == change.taken, f"the commit has changed {touched} objects"
    state = "DIFFERENT" if different else "equal"
    figures = (f"{seconds:.2f}", str(asked["requests"]), str(asked["failed requests"]))
    rows.append((change.name, str(touched) if change.taken else "none, it is refused", state, *figures))
    promises.report(
        different + request_loop.check(answers, "a rollback"), figures={"rollback_seconds": seconds, **asked}
    )
