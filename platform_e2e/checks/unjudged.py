"""Live objects that something which is not judged has made: Git has them, though no file that could be rendered says so."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from platform_e2e.diagnosis.objects import annotations_of, labels_of, name_of
from platform_e2e.gitops import argocd
from platform_e2e.gitops.leftovers import DEFAULT_LABEL, TRACKING, instance
from platform_e2e.kube.objects import Object, key
from platform_e2e.kube.read_api import ReadApi
from platform_e2e.layer import NotJudged
from platform_e2e.layer.objects import described


class Makers:
    """The live Applications that are not judged, with those that they and ApplicationSets which are not judged have made.

    Args:
        not_judged: objects of the layer.
        live: all Applications of the cluster.

    Attributes:
        applications: their names, as findings have them.
    """

    def __init__(self, not_judged: Sequence[NotJudged], live: Iterable[Object]) -> None:
        objects = {each.object for each in not_judged}
        self.applications: set[str] = set()
        self._instances: set[str] = set()
        left = list(live) if objects else []
        while more := [app for app in left if name_of(app) in objects or _maker(app) in objects or self.made(app)]:
            self.applications |= set(map(name_of, more))
            self._instances |= set(map(instance, more))
            left = [app for app in left if app not in more]

    @classmethod
    def read(cls, not_judged: Sequence[NotJudged], view: ReadApi) -> Makers:
        """Return those of a cluster, which is asked only where something is not judged."""
        return cls(not_judged, view.list(argocd.APPLICATION) if not_judged else ())

    def made(self, obj: Object) -> bool:
        """Tell whether Argo CD marks an object as one of theirs."""
        return instance_of(obj) in self._instances


def _maker(app: Object) -> str:
    """Return the ApplicationSet that has generated an Application, as findings name it; empty where none has."""
    owner = argocd.generated_by(app)
    return described("ApplicationSet", owner, key(app)[0]) if owner else ""


def instance_of(obj: Object) -> str:
    """Return the Application that Argo CD marks an object with; empty where there is none."""
    marked = annotations_of(obj).get(TRACKING, "")
    return marked.partition(":")[0] if marked else labels_of(obj).get(DEFAULT_LABEL, "")
