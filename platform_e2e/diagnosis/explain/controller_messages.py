"""Messages of controllers, where no explanation applies: the newest warning, or a condition that does not hold."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from dataclasses import replace

from platform_e2e import redact
from platform_e2e.diagnosis.causes import unexplained
from platform_e2e.diagnosis.objects import at, name_of, of_state
from platform_e2e.finding import Cause
from platform_e2e.gitops import argocd
from platform_e2e.kube.objects import Object, key, kind_of
from platform_e2e.kube.read_api import ReadApi

LONGEST = 300
"""Characters of a sentence that are quoted."""

ASKED = 50
"""How many objects of an Application are asked what is said of them."""

GOOD = frozenset({"True", "Unknown", ""})
"""Statuses of a condition that say nothing against an object."""


def own_words(obj: Object, view: ReadApi) -> str:
    """Return the newest warning about the current state of an object: who, reason, sentence; an empty text where nothing was.

    A warning from before the object got ready, or about earlier content of it, is of a fault that is mended.

    Args:
        obj: the live object.
        view: of the cluster.
    """
    namespace, name = key(obj)
    kind = kind_of(obj)
    told = [event for event in view.events(kind, name, namespace or None) if event.get("type") == "Warning"]
    latest = of_state(told, obj)
    if latest:
        event = latest[-1]
        who = at(event, "source", "component") or event.get("reportingComponent") or "an event"
        return f"{who} says {event.get('reason')}: {_short(event.get('message'))}"
    for condition in at(obj, "status", "conditions") or ():
        if condition.get("message") and str(condition.get("status", "")) not in GOOD:
            return f"its condition {condition.get('type')} is {condition.get('status')}: {_short(condition['message'])}"
    return ""


def _short(message: object) -> str:
    return textwrap.shorten(redact.text(str(message)), LONGEST, placeholder=" ...")


def unexplained_of(obj: Object, view: ReadApi, what: str) -> Cause:
    """Return the cause of what no explanation covers, with what is said of the object, or of one that an Application has.

    Args:
        obj: the live object.
        view: of the cluster.
        what: what was seen last.
    """
    cause = unexplained(what)
    for part in (obj, *_objects(obj, view)):
        said = own_words(part, view)
        if said:
            through = "" if part is obj else name_of(part)
            about = f"of {through}, " if through else ""
            return replace(cause, sentence=f"{cause.sentence}; {about}{said}", through=through)
    return cause


def _objects(obj: Object, view: ReadApi) -> Iterator[Object]:
    """Yield the objects of an Application that may not be as they should, those that it says so of first."""
    if kind_of(obj) != argocd.APPLICATION:
        return
    entries = [resource for resource in argocd.resources(obj) if resource.health not in {"Healthy", "Suspended"}]
    for entry in sorted(entries, key=lambda resource: (not resource.health, resource.status == "Synced"))[:ASKED]:
        found = view.get(entry.api, entry.name, entry.namespace or None)
        if found is not None:
            yield found
