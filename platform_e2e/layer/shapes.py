"""Which form every field has that is read of a layer's objects, checked once: what reads them later need not ask.

The forms are those of the products' own schemas: the OpenAPI of Kubernetes 1.34, and the CRDs of Argo CD 3.2.11, MetalLB 0.15.3 and
prometheus-operator 0.88.0. What they take is taken here: null for a field that may be absent, a number or a name for a port.
Fields that nothing here reads are not looked at; the API server judges those.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from platform_e2e.layer import forms, manifests
from platform_e2e.layer.errors import OddShape
from platform_e2e.layer.field_locations import Keys, Written
from platform_e2e.layer.forms import Fields, Form, Items, Named, Scalar
from platform_e2e.layer.yamlfile import Document

DEEPEST = 150
"""Levels of an object; the schemas of the largest CRDs have some sixty. What reads an object calls itself for each level."""

_MORE = 5
"""How many further fields an error names."""


def _is_integer(value: Any) -> bool:
    whole = isinstance(value, int) or (isinstance(value, float) and value.is_integer())
    return whole and not isinstance(value, bool) and -(2**63) <= value < 2**63


def _is_port(value: Any) -> bool:
    return _is_integer(value) and 0 < value < 2**16


TEXT = Scalar("a text", lambda value: isinstance(value, str))
FLAG = Scalar("true or false", lambda value: isinstance(value, bool))
INTEGER = Scalar("an integer", _is_integer)
PORT = Scalar("a number from 1 to 65535", _is_port)
PORT_OR_NAME = Scalar("a text or an integer", lambda value: isinstance(value, str) or _is_integer(value))
OPERATOR = Scalar(
    "one of In, NotIn, Exists, DoesNotExist", lambda value: value in ("In", "NotIn", "Exists", "DoesNotExist")
)
TEXTS = Items(TEXT)
PAIRS = Named(TEXT)

METADATA = Fields(
    {
        "name": TEXT,
        "generateName": TEXT,
        "namespace": TEXT,
        # Argo CD itself refuses null here (gitops-engine reads them by unstructured.NestedStringMap).
        "labels": Named(TEXT, null=False),
        "annotations": Named(TEXT, null=False),
        "finalizers": TEXTS,
    }
)
OF_ITS_NAME = Fields(METADATA.of, ("name",))

SELECTOR = Fields(
    {
        "matchLabels": PAIRS,
        "matchExpressions": Items(
            Fields({"key": TEXT, "operator": OPERATOR, "values": TEXTS}, ("key", "operator")),
        ),
    }
)
CONTAINER = Fields(
    {
        "name": TEXT,
        "image": TEXT,
        "ports": Items(Fields({"name": TEXT, "containerPort": PORT, "protocol": TEXT}, ("containerPort",))),
    }
)
POD = Fields(
    {
        "containers": Items(CONTAINER),
        "initContainers": Items(CONTAINER),
        "volumes": Items(Fields({"name": TEXT})),
        "serviceAccountName": TEXT,
        "priorityClassName": TEXT,
        "runtimeClassName": TEXT,
    }
)
TEMPLATE = Fields({"metadata": METADATA, "spec": POD})
WORKLOAD = Fields({"replicas": INTEGER, "paused": FLAG, "selector": SELECTOR, "template": TEMPLATE})
JOB = Fields({"suspend": FLAG, "template": TEMPLATE})
SERVICE = Fields(
    {
        "type": TEXT,
        "selector": PAIRS,
        "loadBalancerIP": TEXT,
        "ports": Items(
            Fields({"name": TEXT, "port": PORT, "targetPort": PORT_OR_NAME, "protocol": TEXT}, ("port",)),
        ),
    }
)


def _monitor(entries: str, port: Mapping[str, Form]) -> Fields:
    reach = Fields({"any": FLAG, "matchNames": TEXTS})
    entry = Fields({"port": TEXT, "targetPort": PORT_OR_NAME, **port})
    return Fields({"selector": SELECTOR, "namespaceSelector": reach, entries: Items(entry)})


_CONTENT = Named()
"""Of a ConfigMap or Secret: its values may be anything here, and the API server takes texts alone."""

KINDS: Mapping[tuple[str | None, str], Fields] = {
    ("", "ConfigMap"): Fields({"data": _CONTENT, "immutable": FLAG}),
    ("", "Secret"): Fields({"data": _CONTENT, "stringData": _CONTENT, "type": TEXT}),
    ("", "Service"): Fields({"spec": SERVICE}),
    ("", "Pod"): Fields({"spec": POD}),
    **{("apps", kind): Fields({"spec": WORKLOAD}) for kind in ("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet")},
    ("argoproj.io", "Rollout"): Fields({"spec": WORKLOAD}),
    ("batch", "Job"): Fields({"spec": JOB}),
    ("batch", "CronJob"): Fields({"spec": Fields({"jobTemplate": Fields({"spec": JOB})})}),
    ("apiextensions.k8s.io", "CustomResourceDefinition"): Fields(
        {"spec": Fields({"group": TEXT, "scope": TEXT, "names": Fields({"kind": TEXT})})}
    ),
    ("bitnami.com", "SealedSecret"): Fields({"spec": Fields({"template": Fields({"metadata": METADATA})})}),
    ("metallb.io", "IPAddressPool"): Fields(
        {
            "spec": Fields(
                {
                    "addresses": TEXTS,
                    "autoAssign": FLAG,
                    "avoidBuggyIPs": FLAG,
                    "serviceAllocation": Fields(
                        {
                            "priority": INTEGER,
                            "namespaces": TEXTS,
                            "namespaceSelectors": Items(SELECTOR),
                            "serviceSelectors": Items(SELECTOR),
                        }
                    ),
                },
                ("addresses",),
            )
        },
        ("spec",),
    ),
    # Whatever its group: clouds have operators of their own with the same kinds.
    (None, "ServiceMonitor"): Fields({"spec": _monitor("endpoints", {})}),
    (None, "PodMonitor"): Fields({"spec": _monitor("podMetricsEndpoints", {"portNumber": PORT})}),
}
"""What Applications render, by group (None for any) and kind."""

SOURCE = Fields(
    {
        "repoURL": TEXT,
        "targetRevision": TEXT,
        "path": TEXT,
        "chart": TEXT,
        "ref": TEXT,
        "directory": Fields({"recurse": FLAG, "include": TEXT, "exclude": TEXT}),
    }
)
IGNORED = Fields({"name": TEXT, "jsonPointers": TEXTS, "jqPathExpressions": TEXTS})
APPLICATION = Fields(
    {
        "project": TEXT,
        "source": SOURCE,
        "sources": Items(SOURCE),
        "destination": Fields({"server": TEXT, "name": TEXT, "namespace": TEXT}),
        "syncPolicy": Fields(
            {
                "automated": Fields({"enabled": FLAG, "prune": FLAG, "selfHeal": FLAG}),
                "syncOptions": TEXTS,
                "retry": Fields(
                    {
                        "limit": INTEGER,
                        "backoff": Fields({"duration": TEXT, "factor": INTEGER, "maxDuration": TEXT}),
                    }
                ),
            }
        ),
        "ignoreDifferences": Items(
            Fields({**IGNORED.of, "group": TEXT, "kind": TEXT, "namespace": TEXT, "managedFieldsManagers": TEXTS})
        ),
    }
)
ARGO: Mapping[str, Fields] = {
    "Application": Fields({"metadata": OF_ITS_NAME, "spec": APPLICATION}, ("spec",)),
    "ApplicationSet": Fields(
        {
            "metadata": OF_ITS_NAME,
            "spec": Fields(
                {
                    "goTemplate": FLAG,
                    "generators": Items(Fields({"git": Fields({"repoURL": TEXT, "revision": TEXT})})),
                    "template": Fields({"metadata": METADATA, "spec": APPLICATION}),
                    "syncPolicy": Fields({"applicationsSync": TEXT}),
                    "ignoreApplicationDifferences": Items(IGNORED),
                },
                ("generators", "template"),
            ),
        },
        ("spec",),
    ),
    "AppProject": Fields(
        {
            "metadata": OF_ITS_NAME,
            "spec": Fields(
                {
                    "description": TEXT,
                    "sourceRepos": TEXTS,
                    "sourceNamespaces": TEXTS,
                    "destinations": Items(Fields({"server": TEXT, "name": TEXT, "namespace": TEXT})),
                }
            ),
        }
    ),
}
"""The objects by which Argo CD is told what to render, of the group argoproj.io."""


def rendered(data: Mapping[str, Any]) -> Fields:
    """Return the form of an object that an Application renders.

    Args:
        data: the object, with apiVersion and kind.
    """
    group, kind = str(data["apiVersion"]).rpartition("/")[0], data["kind"]
    known = KINDS.get((group, kind)) or KINDS.get((None, kind)) or Fields()
    return Fields({"metadata": METADATA, **known.of}, known.required)


def demand_argo(document: Document) -> None:
    """Refuse an Application, ApplicationSet or AppProject of which a field has another form.

    Args:
        document: with metadata; of a generated Application, with the file and line of its ApplicationSet.

    Raises:
        OddShape: a field has.
    """
    data, metadata = document.data, document.data["metadata"]
    subject = f"{data['kind'].lower()}/{manifests.name_of(metadata) or 'without a name'}"
    namespace = metadata.get("namespace")
    if isinstance(namespace, str) and namespace:
        subject += f" -n {namespace}"
    written = Written.of(document)
    demand(ARGO[data["kind"]], data, subject, lambda *keys: written.place(data, keys))


def demand(form: Fields, data: Any, subject: str, place: Callable[..., str]) -> None:
    """Refuse an object of which a field has another form.

    Args:
        form: of the object.
        data: the object.
        subject: its name, for the error.
        place: returns the file and line of the field that some keys lead to.

    Raises:
        OddShape: a field has; with the file and line of the first, and the places of the others.
    """
    if too_deep(data):
        raise _error(subject, place(), f"must have at most {DEEPEST} levels, got more", "nest it less deeply")
    found = list(form.odd(data))
    if found:
        (keys, problem), *others = found
        named = [f"{forms.path(each)} ({place(*each)})" for each, _ in others[:_MORE]]
        more = f"; so has {', '.join(named)} another form" if named else ""
        more += f", and {len(others) - _MORE} more" if len(others) > _MORE else ""
        raise _error(subject, place(*keys), f"{forms.path(keys)} {problem}{more}", _remedy(data, keys, problem))


_UNQUOTED = re.compile(r"must be a text, got (?:true|false|the number .*)")
_MAPS = ("annotations", "labels", "selector")
"""Fields below which there are names of anybody's, which the schema does not have."""


def _remedy(data: Mapping[str, Any], keys: Keys, problem: str) -> str:
    if _UNQUOTED.fullmatch(problem):
        return "put it between quotes"
    known = [key for key in keys if isinstance(key, str)]
    end = next((number for number, key in enumerate(known) if key in _MAPS), len(known))
    return f"correct it; kubectl explain {'.'.join([str(data['kind']).lower(), *known[: end + 1]])} tells its form"


def too_deep(data: Any) -> bool:
    """Tell whether a value has more levels than are read."""
    level = [data]
    for _ in range(DEEPEST):
        level = [
            inner
            for value in level
            if isinstance(value, dict | list)
            for inner in (value.values() if isinstance(value, dict) else value)
            if isinstance(inner, dict | list)
        ]
        if not level:
            return False
    return True


def _error(subject: str, place: str, problem: str, remedy: str) -> OddShape:
    file, _, line = place.rpartition(":")
    known = line.isdigit() and bool(file)
    return OddShape(file if known else place, int(line) if known else None, f"{subject}: {problem}", remedy)
