"""The rights that a validation needs, by promise, and which of them would help where one is missing."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from platform_e2e.finding import Promise

NAME = "platform-e2e-validate"

FORBIDDEN = re.compile(
    r'cannot (?P<verb>\w+) resource "(?P<resource>[\w/-]+)" in API group "(?P<group>[\w.-]*)"(?: in the namespace "(?P<namespace>[\w.-]+)")?'
)
"""What the API server says of a missing right (k8s.io/apiserver 0.34, pkg/endpoints/handlers/responsewriters/errors.go)."""


@dataclass(frozen=True)
class Right:
    """One rule of a role.

    Attributes:
        group: API group; empty for the core.
        resources: plurals.
        promises: that are unknown without it.
        verbs: of the rule; an object that was changed by hand is read by itself, with its managed fields.
        names: the only objects that it is about; empty for all.
    """

    group: str
    resources: tuple[str, ...]
    promises: tuple[Promise, ...]
    verbs: tuple[str, ...] = ("get", "list", "watch")
    names: tuple[str, ...] = ()

    @property
    def rule(self) -> dict[str, Any]:
        """Return it as a role has it."""
        named = {"resourceNames": list(self.names)} if self.names else {}
        return {"apiGroups": [self.group], "resources": list(self.resources), "verbs": list(self.verbs), **named}


EVERY = tuple(Promise)
_OBJECTS = (Promise.APPLICATIONS, Promise.SELFHEAL)
_ADDRESSES = (Promise.LOADBALANCER,)
_METRICS = (Promise.MONITORING, Promise.ALERTS)

RIGHTS: tuple[Right, ...] = (
    Right("argoproj.io", ("applications",), EVERY),
    Right("argoproj.io", ("appprojects", "applicationsets"), _OBJECTS),
    Right("apps", ("deployments", "statefulsets", "daemonsets", "replicasets"), (*_OBJECTS, *_METRICS)),
    Right("", ("configmaps",), _OBJECTS),
    Right("", ("services", "pods", "namespaces"), (*_OBJECTS, *_ADDRESSES, *_METRICS)),
    Right("", ("events",), _OBJECTS),
    Right("", ("nodes",), (*_ADDRESSES, *_METRICS)),
    Right("", ("persistentvolumeclaims", "serviceaccounts"), _OBJECTS),
    Right("batch", ("jobs", "cronjobs"), _OBJECTS),
    Right("networking.k8s.io", ("ingresses",), _OBJECTS),
    Right("networking.k8s.io", ("networkpolicies",), (*_OBJECTS, *_ADDRESSES, *_METRICS)),
    Right("policy", ("poddisruptionbudgets",), _OBJECTS),
    Right("autoscaling", ("horizontalpodautoscalers",), (*_OBJECTS, *_METRICS)),
    Right("bitnami.com", ("sealedsecrets",), _OBJECTS),
    Right("discovery.k8s.io", ("endpointslices",), (*_ADDRESSES, *_METRICS)),
    Right("metallb.io", ("ipaddresspools", "l2advertisements", "bgpadvertisements", "servicel2statuses"), _ADDRESSES),
    Right(
        "monitoring.coreos.com",
        (
            "alertmanagerconfigs",
            "alertmanagers",
            "podmonitors",
            "probes",
            "prometheusagents",
            "prometheuses",
            "prometheusrules",
            "scrapeconfigs",
            "servicemonitors",
        ),
        _METRICS,
    ),
    Right("admissionregistration.k8s.io", ("validatingwebhookconfigurations",), (Promise.RULES,)),
    Right("", ("services/proxy",), _METRICS, verbs=("get",), names=("prometheus-operated:9090",)),
    Right("", ("services/proxy",), (Promise.ALERTS,), verbs=("get",), names=("alertmanager-operated:9093",)),
)
"""All rules; none is about Secrets: releases are known by labels, SealedSecrets by their status."""


def role(promises: Iterable[str] = (), namespaces: Sequence[str] = ()) -> list[dict[str, Any]]:
    """Return the smallest role for some promises: a ClusterRole, or a Role for each namespace.

    Args:
        promises: their names; all by default.
        namespaces: to which the rights are limited; none for the whole cluster.
    """
    wanted = set(promises) or set(EVERY)
    rules = [right.rule for right in RIGHTS if wanted & set(right.promises)]
    if not namespaces:
        return [_object("ClusterRole", {"name": NAME}, rules)]
    return [_object("Role", {"name": NAME, "namespace": namespace}, rules) for namespace in namespaces]


def manifests(promises: Iterable[str] = (), namespaces: Sequence[str] = ()) -> str:
    """Return the same as YAML for kubectl."""
    text: str = yaml.safe_dump_all(role(promises, namespaces), sort_keys=False)
    return text


def _object(kind: str, metadata: Mapping[str, str], rules: list[dict[str, Any]]) -> dict[str, Any]:
    return {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": kind, "metadata": dict(metadata), "rules": rules}


def helps(message: str) -> str:
    """Return the rule of a role that would help where a right is missing; an empty string where the message names none.

    Args:
        message: of the API server.
    """
    found = FORBIDDEN.search(message)
    if found is None:
        return ""
    where = f" in namespace {found['namespace']}" if found["namespace"] else ""
    return f'a rule with apiGroups: ["{found["group"]}"], resources: [{found["resource"]}], verbs: [{found["verb"]}]{where}'
