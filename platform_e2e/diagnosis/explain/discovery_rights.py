"""Rights of a Prometheus to find targets: what it may not list gives no target, no error of a scrape, and no event.

The rules are those of Kubernetes 1.34 (pkg/registry/rbac/validation/rule.go, plugin/pkg/auth/authorizer/rbac); what is listed is
that of Prometheus 3 (discovery/kubernetes/kubernetes.go) by the role that prometheus-operator 0.88.0 writes (promcfg.go).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from platform_e2e.diagnosis.explain.monitors import MONITOR_KINDS, is_of_pods, namespaces_of, selected_by
from platform_e2e.diagnosis.objects import at, listed, name_of
from platform_e2e.diagnosis.registry import explains
from platform_e2e.finding import Cause
from platform_e2e.kube.errors import ApiError
from platform_e2e.kube.objects import Object, key
from platform_e2e.kube.read_api import ReadApi
from platform_e2e.layer.objects import described

RBAC = "rbac.authorization.k8s.io/v1"

VERBS = ("list", "watch")
"""What discovery does with each resource (client-go's informers)."""

_Resource = tuple[str, str]
"""API group and plural name."""

PODS: _Resource = ("", "pods")
SERVICES: _Resource = ("", "services")
ENDPOINTS: _Resource = ("", "endpoints")
SLICES: _Resource = ("discovery.k8s.io", "endpointslices")


@dataclass(frozen=True)
class Account:
    """A ServiceAccount, as bindings name it."""

    namespace: str
    name: str

    @classmethod
    def of(cls, prometheus: Object) -> Account:
        """Return the account that the pods of a Prometheus run as."""
        return cls(key(prometheus)[0], str(at(prometheus, "spec", "serviceAccountName") or "default"))

    def is_in(self, binding: Object) -> bool:
        """Tell whether a binding is for it: by its own name, as a user, or through a group."""
        user = f"system:serviceaccount:{self.namespace}:{self.name}"
        groups = {"system:serviceaccounts", f"system:serviceaccounts:{self.namespace}", "system:authenticated"}
        # A RoleBinding's subject without a namespace names nobody; the API server refuses it.
        return any(
            (each.get("kind"), each.get("namespace"), each.get("name")) == ("ServiceAccount", self.namespace, self.name)
            or (each.get("kind") == "User" and each.get("name") == user)
            or (each.get("kind") == "Group" and each.get("name") in groups)
            for each in binding.get("subjects") or ()
        )

    def __str__(self) -> str:
        """Name it in a sentence."""
        return described("ServiceAccount", self.name, self.namespace)


def rules_for(account: Account, namespace: str | None, view: ReadApi) -> Iterator[Mapping[str, Any]]:
    """Yield the rules that an account has in a namespace; None is every namespace, where only cluster-wide ones count."""
    for binding in view.list(f"{RBAC}/ClusterRoleBinding"):
        if account.is_in(binding):
            yield from _rules(binding, None, view)
    for binding in view.list(f"{RBAC}/RoleBinding", namespace) if namespace is not None else ():
        if account.is_in(binding):
            yield from _rules(binding, namespace, view)


def _rules(binding: Object, namespace: str | None, view: ReadApi) -> Sequence[Mapping[str, Any]]:
    kind, name = at(binding, "roleRef", "kind"), str(at(binding, "roleRef", "name"))
    role = view.get(f"{RBAC}/{kind}", name, namespace if kind == "Role" else None)
    return (role or {}).get("rules") or ()


def _grants(rule: Mapping[str, Any], verb: str, resource: _Resource) -> bool:
    """Tell whether a rule lets one list a resource; one for objects by their names does not let one list all."""
    wanted = (("verbs", verb), ("apiGroups", resource[0]), ("resources", resource[1]))
    return not rule.get("resourceNames") and all({"*", value} & set(rule.get(field) or ()) for field, value in wanted)


def missing_rights(account: Account, wanted: Sequence[_Resource], namespace: str | None, view: ReadApi) -> list[str]:
    """Return in words what an account may not do: `list, watch endpoints`.

    Args:
        account: of a Prometheus.
        wanted: resources that it must list and watch.
        namespace: where; None for all namespaces at once.
        view: of the cluster.
    """
    rules = list(rules_for(account, namespace, view))
    lacking = {
        resource[1]: [verb for verb in VERBS if not any(_grants(rule, verb, resource) for rule in rules)]
        for resource in wanted
    }
    return [f"{listed(verbs)} {name}" for name, verbs in lacking.items() if verbs]


@explains(*MONITOR_KINDS)
def forbidden(monitor: Object, view: ReadApi) -> Cause | None:
    """A Prometheus that takes it may not list what it selects."""
    try:
        if not view.list(f"{RBAC}/ClusterRoleBinding"):
            # Each cluster that asks roles has some; another authoriser, or a picture without them, tells nothing.
            return None
        causes = (_forbidden(monitor, taker, view) for taker in selected_by(monitor, view))
        return next((cause for cause in causes if cause is not None), None)
    except ApiError:
        # Who may not read roles cannot tell.
        return None


def _forbidden(monitor: Object, taker: Object, view: ReadApi) -> Cause | None:
    account, wanted = Account.of(taker), listed_by(taker, monitor)
    names = namespaces_of(monitor)
    for namespace in (None,) if names is None else names:
        lacking = missing_rights(account, wanted, namespace, view)
        if lacking:
            where = f"namespace {namespace}" if namespace else "all namespaces"
            kind = "a Role or ClusterRole" if namespace else "a ClusterRole, by a ClusterRoleBinding,"
            return Cause(
                "prometheus-forbidden",
                f"{name_of(taker)} finds nothing of {name_of(monitor)} in {where}: {account} may not {'; '.join(lacking)} there",
                f"bind {kind} with these rights to {account}",
                about=str(account),
            )
    return None


def listed_by(prometheus: Object, monitor: Object) -> tuple[_Resource, ...]:
    """Return what a Prometheus lists to find the targets of a monitor."""
    if is_of_pods(monitor):
        return (PODS,)
    role = at(monitor, "spec", "serviceDiscoveryRole") or at(prometheus, "spec", "serviceDiscoveryRole")
    return (SERVICES, SLICES if role == "EndpointSlice" else ENDPOINTS, PODS)
