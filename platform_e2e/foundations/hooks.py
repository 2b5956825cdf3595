"""Judge a chart's hooks, the Jobs and pods for which Helm waits while it installs: can they still end?"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

from platform_e2e.foundations import release_store
from platform_e2e.foundations.failure import ReleaseFailed, evidence, pod_troubles
from platform_e2e.foundations.manifests import Object
from platform_e2e.foundations.running import Pulling, Running, Still
from platform_e2e.kube.client import Kube
from platform_e2e.kube.errors import ApiError
from platform_e2e.kube.objects import described

PATIENCE = 3.0
"""Seconds after which the hooks are checked; a release without hooks is applied by then."""

ALONE_SECONDS = 180.0
"""Seconds that Helm may work without a hook: a hundred objects take 2 s; a busy API server delays some of its answers."""

REMEDY = "Mend the hook, its image or its values; Helm applies the rest of the release once it has ended."


class Hooks:
    """Watch Helm while it applies one release.

    Args:
        kube: the client.
        release: its name.
        namespace: the namespace of the release.
        tell: called with the hook that Helm waits for, each time it changes.
        still: returns the seconds since the last news in the cluster.
        pulling: returns the images that are being pulled.
        clock: returns monotonic seconds.
    """

    def __init__(
        self,
        kube: Kube,
        release: str,
        namespace: str,
        tell: Callable[[str], None],
        *,
        still: Still = lambda: 0.0,
        pulling: Pulling = lambda: (),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._kube = kube
        self._release = release
        self._namespace = namespace
        self._tell = tell
        self._pulling = pulling
        self._clock = clock
        self._since = clock()
        self._alone = self._since
        self._judges: dict[str, Running] = {}
        self._judge = partial(Running, clock, still, pulling)
        self._said = ""

    def __call__(self) -> None:
        """Judge the hook that Helm waits for.

        Raises:
            ReleaseFailed: the hook cannot end, or Helm does not end although it waits for none.
        """
        if self._clock() - self._since < PATIENCE:
            return
        try:
            hook = self._waited_for()
            pods = _pods(self._kube, hook) if hook else []
        except ApiError:
            # Helm itself reports an API server that does not answer.
            return
        if hook is None:
            if self._clock() - self._alone >= ALONE_SECONDS:
                why = f"Helm has not applied it within {ALONE_SECONDS:g} s, and waits for no hook"
                raise ReleaseFailed(self._release, "", why, "", "See whether the API server answers; run again.")
            return
        self._alone = self._clock()
        name = described(hook)
        judge = self._judges.setdefault(name, self._judge())
        over = judge.over(pods, "it has not ended")
        if over:
            raise ReleaseFailed(
                self._release, name, f"Helm waits for this hook: {over}", evidence(self._kube, hook), REMEDY, item=hook
            )
        on_the_way = [image for pod in pods for image in _images(pod) if image in self._pulling()]
        said = f"Helm waits for the hook {name}" + (f", whose image is pulled: {on_the_way[0]}" if on_the_way else "")
        said += "".join(f"; {line}" for pod in pods for line in list(pod_troubles(pod))[:1] if not on_the_way)
        if said != self._said:
            self._said = said
            self._tell(said)

    def failed(self) -> Object | None:
        """Return the hook that has failed, or None."""
        try:
            return next((hook for hook in self._existing() if _is(hook, "Failed")), None)
        except ApiError:
            return None

    def _waited_for(self) -> Object | None:
        """Return the hook that has not ended; Helm runs them in sequence."""
        return next((hook for hook in self._existing() if not (_is(hook, "Failed") or _is(hook, "Complete"))), None)

    def _existing(self) -> list[Object]:
        found = (
            self._kube.get(kind, name, self._namespace)
            for kind, name in release_store.hooks(self._kube, self._release, self._namespace)
        )
        return [hook for hook in found if hook is not None]


def _is(hook: Object, end: str) -> bool:
    """Tell whether a Job or a pod has ended that way."""
    status = hook.get("status") or {}
    if hook["kind"] == "Pod":
        return bool(status.get("phase") == {"Complete": "Succeeded"}.get(end, end))
    return any(
        condition.get("type") == end and condition.get("status") == "True"
        for condition in status.get("conditions") or ()
    )


def _pods(kube: Kube, hook: Object) -> list[Object]:
    """Return the pods of a hook."""
    if hook["kind"] == "Pod":
        return [hook]
    labels = ((hook.get("spec") or {}).get("selector") or {}).get("matchLabels")
    return kube.list("v1/Pod", hook["metadata"].get("namespace"), labels) if labels else []


def _images(pod: Object) -> list[str]:
    status = pod.get("status") or {}
    statuses = [*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())]
    return [str(status.get("image")) for status in statuses]
