"""Drift that is not healed because of ignoreDifferences: a field that differs from Git, or may, while Argo CD says Synced.

The rules are those of Argo CD 3.2.11: spec.ignoreDifferences of an Application (util/argo/normalizers), and
`resource.customizations.ignoreDifferences.GROUP_KIND` or `.all` in the ConfigMap argocd-cm.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from platform_e2e.checks.git_differences import Difference, keys_of
from platform_e2e.checks.jqpath import reached
from platform_e2e.diagnosis.explain.owners import REPLICAS, scaler_of
from platform_e2e.diagnosis.objects import at, listed
from platform_e2e.finding import Cause, Finding, Promise
from platform_e2e.gitops import argocd
from platform_e2e.kube.objects import Object, key
from platform_e2e.kube.read_api import ReadApi
from platform_e2e.layer import Rendered

SYSTEM = "resource.customizations.ignoreDifferences."
"""Prefix of the keys in argocd-cm."""


@dataclass(frozen=True)
class Rule:
    """One entry of ignoreDifferences.

    Attributes:
        origin: where it is written, in words.
        spec: the entry.
        own: whether it is the Application's own, and not one for all of them.
        key: of argocd-cm that one for all has; empty for another one.
    """

    origin: str
    spec: Mapping[str, Any]
    own: bool = False
    key: str = ""

    @property
    def words(self) -> str:
        """Return what it is about and covers, in the words of the file."""
        parts = [f"{name} {self.spec[name]}" for name in ("group", "kind", "name", "namespace") if self.spec.get(name)]
        for name in ("jsonPointers", "jqPathExpressions", "managedFieldsManagers"):
            parts += [f"{name} {listed([str(entry) for entry in self.spec[name]])}"] if self.spec.get(name) else []
        return ", ".join(parts)

    def leads_to(self, obj: Object) -> list[str]:
        """Return JSON pointers of what it surely covers in an object: of a jq path only where all of it is understood."""
        found = [str(pointer) for pointer in self.spec.get("jsonPointers") or () if pointer]
        for expression in map(str, self.spec.get("jqPathExpressions") or ()):
            led = reached(expression, obj)
            found += [pointer for pointer in led.pointers if pointer] if led.exact else []
        return found

    def about(self, rendered: Rendered) -> bool:
        """Tell whether it is about an object; group and kind may have wildcards."""
        group = rendered.identity[0]
        return (
            fnmatch.fnmatchcase(group, str(self.spec.get("group") or ""))
            and fnmatch.fnmatchcase(rendered.kind, str(self.spec.get("kind") or ""))
            and self.spec.get("name") in {None, "", rendered.name}
            and self.spec.get("namespace") in {None, "", rendered.namespace}
        )

    def covers(self, path: str, live: Object) -> bool:
        """Tell whether it lets a field differ.

        Args:
            path: JSON pointer of the field.
            live: the object, for who manages the field, and where a jq path leads.
        """
        pointers = [str(pointer) for pointer in self.spec.get("jsonPointers") or ()]
        if any(_within(path, pointer) for pointer in pointers):
            return True
        expressions = map(str, self.spec.get("jqPathExpressions") or ())
        if any(_within(path, pointer) for expression in expressions for pointer in reached(expression, live).pointers):
            return True
        managers = set(map(str, self.spec.get("managedFieldsManagers") or ()))
        return any(
            str(entry.get("manager")) in managers and owns(entry.get("fieldsV1"), path)
            for entry in at(live, "metadata", "managedFields") or ()
        )


def rules(application: Object, settings: Object | None) -> list[Rule]:
    """Return what Argo CD is told to look away from.

    Args:
        application: as the cluster has it.
        settings: the ConfigMap argocd-cm, or None.
    """
    own = f"spec.ignoreDifferences of application/{key(application)[1]}"
    found = [Rule(own, entry, own=True) for entry in at(application, "spec", "ignoreDifferences") or ()]
    for name, text in (at(settings, "data") or {}).items():
        if not name.startswith(SYSTEM):
            continue
        group, _, kind = name.removeprefix(SYSTEM).rpartition("_")
        about = {"group": "*", "kind": "*"} if kind == "all" and not group else {"group": group, "kind": kind}
        entry = _yaml(str(text))
        if isinstance(entry, dict):
            found.append(Rule(f"{name} in configmap/argocd-cm", {**entry, **about}, key=name))
    return found


def rules_for(rendered: Rendered, application: Object, view: ReadApi) -> list[Rule]:
    """Return the rules that let fields of one object differ, and one for the replicas that an autoscaler owns.

    Args:
        rendered: the object.
        application: that heals it, as the cluster has it.
        view: of the cluster.
    """
    found = [rule for rule in rules(application, settings(view)) if rule.about(rendered)]
    if scaler_of(rendered.object, view) is not None:
        about = {"group": rendered.identity[0], "kind": rendered.kind, "name": rendered.name}
        found.append(Rule("an autoscaler", {**about, "jsonPointers": [REPLICAS]}))
    return found


def settings(view: ReadApi) -> Object | None:
    """Return the ConfigMap in which Argo CD is told what holds for every Application."""
    return view.get("v1/ConfigMap", "argocd-cm", argocd.NAMESPACE)


def check(
    rendered: Rendered, live: Object, different: Sequence[Difference], status: str, known: Sequence[Rule]
) -> list[Finding]:
    """Return the finding that an object differs from Git where Argo CD looks away.

    Args:
        rendered: as Git has it.
        live: as the cluster has it.
        different: the fields in which they differ, redacted.
        status: of the object as its Application tells it: Synced or OutOfSync.
        known: the rules that hold for its Application.
    """
    if status != "Synced":
        return []
    about = [rule for rule in known if rule.about(rendered)]
    fields = [each for each in different if any(rule.covers(each.path, live) for rule in about)]
    if not fields:
        return []
    origins = sorted({rule.origin for rule in about for each in fields if rule.covers(each.path, live)})
    first = fields[0]
    cause = Cause(
        "drift-ignored",
        f"{rendered} is not as in Git at {listed([each.path for each in fields])}, and application/{rendered.application} says Synced: "
        f"{listed(origins)} lets it differ",
        f"if something else is to write the field, take it out of {rendered.place(*keys_of(first.path))}; else remove the rule, and Argo CD heals it",
    )
    expected = f"{first.path} is {first.expected!r} as in Git"
    details = {"differences": [asdict(each) for each in fields]}
    return [Finding(str(rendered), Promise.SELFHEAL, expected, f"it is {first.observed!r}", cause, details)]


def _within(path: str, pointer: str) -> bool:
    """Tell whether one of two pointers leads into the other: a difference may be told at the object or list above."""
    return bool(pointer) and (path == pointer or path.startswith(f"{pointer}/") or pointer.startswith(f"{path}/"))


def owns(fields: Any, path: str) -> bool:
    """Tell whether managed fields (fieldsV1) have a field; items of lists are known by keys, so a list counts as a whole."""
    for part in path.split("/")[1:]:
        if not isinstance(fields, Mapping) or any(str(name).startswith("k:") for name in fields):
            return isinstance(fields, Mapping) and part.isdecimal()
        name = "f:" + part.replace("~1", "/").replace("~0", "~")
        if name not in fields:
            return False
        fields = fields[name]
    return True


def _yaml(text: str) -> Any:
    try:
        return YAML(typ="safe", pure=True).load(text)
    except YAMLError:
        return None


def statuses(application: Object) -> Iterator[tuple[tuple[str, str, str, str], str]]:
    """Yield group, kind, namespace and name of each object of an Application, and what it says about it."""
    for entry in at(application, "status", "resources") or ():
        names = [str(entry.get(name) or "") for name in ("group", "kind", "namespace", "name")]
        yield (names[0], names[1], names[2], names[3]), str(entry.get("status") or "")
