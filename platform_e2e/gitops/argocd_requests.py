"""Ask Argo CD's controllers to look at Git again, to sync, or to stop, and wait until they have.

Facts about Argo CD are those of 3.2.11, controller/appcontroller.go.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from time import monotonic
from typing import Any, TypeVar

from platform_e2e.finding import Cause
from platform_e2e.gitops import argocd
from platform_e2e.kube.client import Kube
from platform_e2e.kube.errors import ApiError, Forbidden
from platform_e2e.kube.expect import Expectation, Met, Pending, Refuted, StateSource, Verdict, eventually
from platform_e2e.kube.objects import Object
from platform_e2e.kube.wait import WaitError, WaitHistory

S = TypeVar("S")

LOST_SECONDS = 3.0
"""After which a refresh that was asked for counts as lost; one takes well below a second.

The application controller writes the answer to its own patch into its cache of Applications, over what has come meanwhile
(controller/appcontroller.go, writeBackToInformer). An Application that rests is not heard of again, and the request stays.
"""

REFRESH_SECONDS = 30.0
"""How long a refresh may take: a comparison of a small Application takes well below one second, a cold cache some."""


def ask_refresh(
    kube: Kube, name: str, *, hard: bool = False, namespace: str = argocd.NAMESPACE, again: bool = False
) -> None:
    """Ask for a comparison with what Git has now, without waiting for it.

    Args:
        kube: the cluster.
        name: of the Application.
        hard: render the manifests again even where the commit is the same.
        namespace: of the Application.
        again: the request before was lost (`LOST_SECONDS`).
    """
    wanted = "hard" if hard else "normal"
    # To write the same value makes no event, and without any the refresh would seem to be done. Every value but `hard` is a normal
    # one (Application.IsRefreshRequested).
    for value in ("again", wanted) if again else (wanted,):
        kube.patch(argocd.APPLICATION, name, {"metadata": {"annotations": {argocd.REFRESH: value}}}, namespace)


def ask_sync(kube: Kube, app: Object) -> None:
    """Ask for the sync that Argo CD itself would begin, of the commit that it has compared with, without waiting for it.

    Every object is applied, also one that is taken for Synced.

    Args:
        kube: the cluster.
        app: the Application, automated, without an operation: another one would be merged with this one.

    Raises:
        Conflict: the Application was changed meanwhile, perhaps by an operation.
    """
    policy = (app.get("spec") or {}).get("syncPolicy") or {}
    sync: dict[str, Any] = {
        "prune": (policy.get("automated") or {}).get("prune") is True,
        "syncOptions": [
            option for option in policy.get("syncOptions") or () if not option.startswith("ApplyOutOfSyncOnly=")
        ],
    }
    compared = (argocd.status(app).get("sync") or {}).keys() & {"revision", "revisions"}
    sync |= {name: argocd.status(app)["sync"][name] for name in compared}
    # As autoSync in controller/appcontroller.go has it.
    operation = {"initiatedBy": {"automated": True}, "retry": policy.get("retry") or {"limit": 5}, "sync": sync}
    metadata = app["metadata"]
    # Argo CD merges the new state into that of the operation before: a heal of single objects would leave its list of them,
    # and nothing but these is applied after the first wave (3.2.11, setOperationState; seen).
    forgotten = {"operationState": None}
    lock = {"resourceVersion": metadata.get("resourceVersion")}
    patch = {"metadata": lock, "operation": operation, "status": forgotten}
    kube.patch(argocd.APPLICATION, metadata["name"], patch, metadata["namespace"])


def refresh(
    kube: Kube, name: str, *, hard: bool = False, namespace: str = argocd.NAMESPACE, timeout: float = REFRESH_SECONDS
) -> Object:
    """Ask for a comparison with what Git has now, wait until it is done, and return the Application after it.

    Args:
        kube: the cluster.
        name: of the Application.
        hard: render the manifests again even where the commit is the same.
        namespace: of the Application.
        timeout: seconds.

    Raises:
        ApiError: the request could not be made the first time.
        Timeout: the application controller does not take the request.
        Unobserved: the Application could not be read.
    """
    ask_refresh(kube, name, hard=hard, namespace=namespace)
    app: Object = eventually_asked(
        kube.one(argocd.APPLICATION, name, namespace),
        _refreshed,
        lambda: ask_refresh(kube, name, hard=hard, namespace=namespace, again=True),
        every=LOST_SECONDS,
        timeout=timeout,
        what=f"Argo CD's application controller refreshes application/{name} -n {namespace}",
    )
    return app


def eventually_asked(
    source: StateSource[S],
    expectation: Expectation[S],
    ask: Callable[[], object],
    *,
    every: float,
    timeout: float,
    what: str,
    explain: Callable[[S], Cause | None] | None = None,
    progress: Callable[[str], None] | None = None,
) -> Any:
    """Wait as `eventually` does, and ask once more whenever that was in vain for a while; the caller has asked before.

    Args:
        source: what to read.
        expectation: judges each state.
        ask: asks Argo CD again.
        every: seconds after which it does.
        timeout: seconds in all.
        what: what is expected, as a sentence with the object's name.
        explain: works the cause out from the last state.
        progress: is given in words each state that differs from the one before.

    Raises:
        Timeout: it did not come in time.
        Refuted: the expectation returned `Failed`.
        Unobserved: nothing could be read at all in the last seconds.
        Forbidden: the user may not ask again.
    """
    ends, history = monotonic() + timeout, WaitHistory(progress)

    def step(words: str) -> None:
        # The first state of each round is most often the last one of the round before.
        if not history.steps or history.steps[-1].words != words:
            history.note(words)

    while True:
        left = max(ends - monotonic(), 0.0)
        last = left <= every
        try:
            return eventually(
                source,
                expectation,
                timeout=min(every, left),
                what=what,
                explain=explain if last else None,
                progress=step,
            )
        except WaitError as error:
            if last or isinstance(error, Refuted):
                raise _of_all_rounds(error, timeout, history) from None
        with passing_over():
            ask()


def _of_all_rounds(error: WaitError, timeout: float, history: WaitHistory) -> WaitError:
    """Return the error of the last round with all that was seen since the first one, and the seconds of all together."""
    outcome = f"failed after {history.waited:.2f} s" if isinstance(error, Refuted) else f"not within {timeout:g} s"
    return type(error)(replace(error.report, outcome=outcome, history=history.render()))


@contextlib.contextmanager
def passing_over() -> Iterator[None]:
    """Pass over that a request could not be made again: what is waited for says why, and it is made in the next round.

    The API server may be away, and an Application may be gone or have been changed meanwhile.

    Raises:
        Forbidden: the user may not make it, also later.
    """
    try:
        yield
    except Forbidden:
        raise
    except ApiError:
        return


def ask_applicationset_refresh(kube: Kube, name: str, *, namespace: str = argocd.NAMESPACE) -> None:
    """Request that an ApplicationSet's generators run again, without waiting for it."""
    annotations = {argocd.APPLICATIONSET_REFRESH: "true"}
    kube.patch(argocd.APPLICATIONSET, name, {"metadata": {"annotations": annotations}}, namespace)


def ask_stop(kube: Kube, app: Object) -> None:
    """Request that the operation of an Application stops, without waiting for it, as Argo CD's server does for `terminate-op`.

    One that ended meanwhile would be terminating without an end, since Argo CD has forgotten it: so the request is for the
    Application as it was read, as that of Argo CD's server is.

    Args:
        kube: the cluster.
        app: the Application as it was read last.

    Raises:
        Conflict: it has been changed since then.
    """
    metadata = app["metadata"]
    patch = {
        "metadata": {"resourceVersion": metadata.get("resourceVersion")},
        # An Application has no subresource for its status.
        "status": {"operationState": {"phase": "Terminating"}},
    }
    kube.patch(argocd.APPLICATION, metadata["name"], patch, metadata.get("namespace"))


def _refreshed(app: Object | None) -> Verdict:
    if app is None:
        return Pending("the Application does not exist")
    return Pending("the refresh was asked for and is not done") if argocd.refresh_asked(app) else Met(app)
