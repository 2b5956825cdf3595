"""Fields that Git states and ignoreDifferences covers, so that a change of them is not healed, whether they differ now or not."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from platform_e2e.checks.git_differences import SERVER_SET, escaped, keys_of
from platform_e2e.checks.helm_values import location_of
from platform_e2e.checks.ignore_differences import Rule, owns, rules, settings
from platform_e2e.diagnosis.explain.owners import REPLICAS, scaled, scaler_of
from platform_e2e.diagnosis.objects import at, listed
from platform_e2e.finding import Cause, Finding, Promise
from platform_e2e.kube.objects import Object
from platform_e2e.kube.read_api import ReadApi
from platform_e2e.layer import EXEMPT, Application, Layer, Rendered

IDENTITY = ("/apiVersion", "/kind", "/metadata/name", "/metadata/namespace")
"""What makes an object this object; it cannot differ."""

HANDS = re.compile(r"kubectl|argocd|helm|platform-e2e|before-first-apply|unknown|Mozilla|curl|k9s|lens", re.IGNORECASE)
"""Field managers that are people or who applies for them; any other one is taken for a controller that owns what it writes."""

NAMED = 3
"""How many fields a sentence names before it counts the rest."""


def check(application: Application, layer: Layer, view: ReadApi) -> list[Finding]:
    """Return a finding for each rule of ignoreDifferences that covers a field which Git says and no controller owns.

    Args:
        application: as Git has it.
        layer: whose autoscalers own replicas.
        view: of the cluster: the rules in argocd-cm, and who writes the fields.
    """
    if application.exempt(Promise.SELFHEAL):
        return []
    known = rules(application.manifest, settings(view))
    found = (_finding(application, rule, _hidden(application, rule, layer, view), layer) for rule in known)
    return [finding for finding in found if finding is not None]


def stated(obj: Object) -> Iterator[str]:
    """Yield JSON pointers of the values that an object of Git has; what the server sets and what is empty says nothing."""
    skipped = tuple("/" + "/".join(path) for path in SERVER_SET)
    for pointer in _leaves("", obj):
        if pointer not in IDENTITY and not any(
            pointer == field or pointer.startswith(f"{field}/") for field in skipped
        ):
            yield pointer


def _leaves(pointer: str, value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        for name, inside in value.items():
            yield from _leaves(f"{pointer}/{escaped(name)}", inside)
    elif isinstance(value, list):
        for index, inside in enumerate(value):
            yield from _leaves(f"{pointer}/{index}", inside)
    elif value not in (None, ""):
        yield pointer


def _hidden(application: Application, rule: Rule, layer: Layer, view: ReadApi) -> list[tuple[Rendered, list[str]]]:
    """Return the objects that a rule is about, each with the fields that it hides and no controller owns."""
    found = []
    for obj in application.objects:
        if not obj.kept or obj.exempt(Promise.SELFHEAL) or not rule.about(obj):
            continue
        fields = [pointer for pointer in stated(obj.object) if _covers(rule, pointer, obj.object)]
        if fields and (left := _without_owner(obj, fields, layer, view)):
            found.append((obj, left))
    return found


def _covers(rule: Rule, pointer: str, git: Object) -> bool:
    """Tell whether a rule surely covers a field."""
    if any(HANDS.search(str(manager)) for manager in rule.spec.get("managedFieldsManagers") or ()):
        return True
    return any(pointer == covered or pointer.startswith(f"{covered}/") for covered in rule.leads_to(git))


def _without_owner(rendered: Rendered, fields: Sequence[str], layer: Layer, view: ReadApi) -> list[str]:
    """Return the fields that no controller owns, as far as Git and the cluster tell."""
    live = view.get(rendered.api, rendered.name, rendered.namespace) or {}
    controllers = [
        entry.get("fieldsV1")
        for entry in at(live, "metadata", "managedFields") or ()
        if not HANDS.search(str(entry.get("manager") or "unknown")) and entry.get("subresource") != "status"
    ]
    autoscaled = REPLICAS in fields and (_is_scaled_in(layer, rendered) or scaler_of(rendered.object, view))
    return [
        pointer
        for pointer in fields
        # A CA is written into it by who serves the webhook, or by cert-manager.
        if not (autoscaled and pointer == REPLICAS)
        and not pointer.endswith("/caBundle")
        and not any(owns(fields, pointer) for fields in controllers)
    ]


def _is_scaled_in(layer: Layer, rendered: Rendered) -> bool:
    """Tell whether an autoscaler of the layer owns the replicas of an object, or of the same one in another environment.

    The Applications of one ApplicationSet have one rule for all of them, and some need no autoscaler.
    """
    siblings = {each.name: each.generated_by for each in layer.applications}
    for other in layer.rendered:
        for target in scaled([other.object]):
            same = (target.group, target.kind, target.name) == (rendered.identity[0], rendered.kind, rendered.name)
            made_alike = siblings.get(other.application) is not None and (
                siblings.get(other.application) == siblings.get(rendered.application)
            )
            if same and (target.namespace == rendered.namespace or made_alike):
                return True
    return False


def _in_values(rule: Rule, layer: Layer) -> str:
    """Return the file and line of a rule for all Applications, which Argo CD's release has in its values."""
    argocd = next((release for release in layer.releases if release.chart == "argo-cd"), None)
    return location_of(layer.directory, argocd, "configs", "cm", rule.key) if argocd else "configmap/argocd-cm"


def _finding(
    application: Application, rule: Rule, hidden: Sequence[tuple[Rendered, list[str]]], layer: Layer
) -> Finding | None:
    if not hidden:
        return None
    first, fields = hidden[0]
    rest = len(fields) - NAMED
    named = listed(fields[:NAMED]) + (f" and {rest} more fields" if rest > 0 else "")
    others = listed([str(rendered) for rendered, _ in hidden[1:]])
    also = f", {others} likewise" if len(hidden) > 1 else ""
    where = application.place("spec", "ignoreDifferences") if rule.own else _in_values(rule, layer)
    cause = Cause(
        "drift-ignored",
        f"{first} may differ from Git at {named}{also}: {rule.origin} ({rule.words}) lets it, so nothing heals a change there",
        f"remove the rule in {where}, narrow it to a field that a controller writes, or take the field out of {first.place(*keys_of(fields[0]))}; "
        f"or give the reason as {EXEMPT}{Promise.SELFHEAL} on the object",
    )
    details = {"hidden": {str(rendered): pointers for rendered, pointers in hidden}}
    return Finding(str(first), Promise.SELFHEAL, f"{fields[0]} is healed", "Argo CD ignores it", cause, details)
