"""A small client of the Kubernetes API: plain objects, server-side apply, typed errors, watched sources.

    kube = Kube.from_kubeconfig(path)
    kube.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": "b"}, "data": {}})
    kube.get("apps/v1/Deployment", "chat", "chat-dev")                          # an object, or None
    eventually(kube.one("apps/v1/Deployment", "chat", "chat-dev"), rolled_out, timeout=60, what="chat is rolled out")

Kinds are written as in a manifest: `apps/v1/Deployment`, `v1/Service`, `argoproj.io/v1alpha1/Application`. Objects are plain
dictionaries, as in JSON. A client is thread-safe; share one, and its watch streams are shared too.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, Self

from platform_e2e.errors import WrongUsage
from platform_e2e.kube.errors import NotFound
from platform_e2e.kube.kubeconfig import load
from platform_e2e.kube.objects import Object, describe, described, key, kind_of
from platform_e2e.kube.reader import PATIENCE, Reader
from platform_e2e.kube.transport import Request

MANAGER = "platform-e2e"
"""Field manager of the harness's own changes."""

PATCH_TYPES = {
    "merge": "application/merge-patch+json",
    "json": "application/json-patch+json",
    "strategic": "application/strategic-merge-patch+json",
}
"""Content types of the patches."""


class Kube(Reader):
    """Read from and write to one API server, from any thread."""

    WRITES: ClassVar[bool] = True

    @classmethod
    def from_kubeconfig(cls, path: Path, *, context: str | None = None, patience: float = PATIENCE) -> Self:
        """Return a client for a kubeconfig's cluster; sends no request yet.

        Args:
            path: of the kubeconfig.
            context: its name, the current context by default.
            patience: seconds that a request is retried for while there is no answer or a 429 or 5xx.

        Raises:
            KubeconfigError: the file cannot be used.
        """
        return cls(load(path, context), patience=patience)

    def apply(
        self,
        obj: Object,
        *,
        manager: str = MANAGER,
        force: bool = True,
        dry_run: bool = False,
        patience: float | None = None,
    ) -> Object:
        """Create or change an object by server-side apply and return the resulting object.

        Args:
            obj: all fields that the manager wants; fields that it no longer names are removed, unless another manager owns them.
            manager: owner of the fields.
            force: take over fields that another manager owns, instead of raising `Conflict`.
            dry_run: let the API server validate and complete it without storing it.
            patience: seconds to retry for, the client's by default.

        Raises:
            KindNotServed: the API server does not serve the kind.
            Invalid, Forbidden, Conflict, ApiError: the API server refused.
        """
        namespace, name = key(obj)
        request = Request(
            "PATCH",
            self._discovery.require(kind_of(obj)).path(namespace, name),
            params={"fieldManager": manager, "force": force, "dryRun": "All" if dry_run else None},
            body=obj,
            content_type="application/apply-patch+yaml",
            what=described(obj),
            secret=_secret(kind_of(obj)),
            again=True,
        )
        return self._object(request, patience)

    def create(self, obj: Object, *, manager: str = MANAGER, dry_run: bool = False) -> Object:
        """Create an object and return it as the API server stored it; `generateName` works.

        Args:
            obj: the object.
            manager: owner of the fields.
            dry_run: let the API server validate and complete it without storing it.

        Raises:
            Conflict: it exists already.
            KindNotServed: the API server does not serve the kind.
            Invalid, Forbidden, ApiError: the API server refused.
        """
        namespace, _ = key(obj)
        resource = self._discovery.require(kind_of(obj))
        if resource.namespaced and not namespace:
            raise WrongUsage(
                f"{described(obj)} must have a metadata.namespace", f"{resource.kind} is namespaced: set it"
            )
        request = Request(
            "POST",
            resource.path(namespace),
            params={"fieldManager": manager, "dryRun": "All" if dry_run else None},
            body=obj,
            what=described(obj),
            secret=_secret(kind_of(obj)),
        )
        return self._object(request)

    def patch(
        self,
        kind: str,
        name: str,
        patch: Any,
        namespace: str | None = None,
        *,
        type: str = "merge",  # noqa: A002  kubectl's own word for it
        subresource: str | None = None,
        manager: str = MANAGER,
        dry_run: bool = False,
    ) -> Object:
        """Change an object and return the result.

        Args:
            kind: as in a manifest.
            name: of the object.
            patch: an object for `merge` and `strategic`, a list of operations for `json`.
            namespace: of the object.
            type: `merge`, `json` or `strategic` (kinds built into Kubernetes only).
            subresource: `status`, `scale`, ...
            manager: owner of the fields.
            dry_run: let the API server validate it without storing it.

        Raises:
            WrongUsage: the type of patch is unknown.
            NotFound: the object does not exist.
            Invalid, Forbidden, Conflict, ApiError: the API server refused.
        """
        if type not in PATCH_TYPES:
            raise WrongUsage(
                f"the type of a patch must be one of {', '.join(PATCH_TYPES)}, got {type!r}", "use one of these types"
            )
        request = Request(
            "PATCH",
            self._discovery.require(kind).path(namespace, name, subresource),
            params={"fieldManager": manager, "dryRun": "All" if dry_run else None},
            body=patch,
            content_type=PATCH_TYPES[type],
            what=describe(kind, name, namespace),
            secret=_secret(kind),
            again=type != "json",  # a list item may be added twice
        )
        return self._object(request)

    def delete(
        self,
        kind: str,
        name: str,
        namespace: str | None = None,
        *,
        propagation: str = "Background",
        grace: int | None = None,
        uid: str | None = None,
    ) -> bool:
        """Request an object's deletion and return whether it existed; `eventually_gone` waits until it is deleted.

        Args:
            kind: as in a manifest.
            name: of the object.
            namespace: of the object.
            propagation: how the objects that it owns are treated: `Background`, `Foreground`, `Orphan`.
            grace: seconds that pods get to end, by default as in their spec.
            uid: delete only the object with this uid, not a later one of the same name.

        Raises:
            Conflict: another object has this name now.
            ApiError: the API server refused.
        """
        resource = self._discovery.find(kind)
        if resource is None:
            return False
        options: Object = {"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": propagation}
        if grace is not None:
            options["gracePeriodSeconds"] = grace
        if uid:
            options["preconditions"] = {"uid": uid}
        try:
            path, what = resource.path(namespace, name), describe(kind, name, namespace)
            self._http.request(Request("DELETE", path, body=options, what=what))
        except NotFound:
            return False
        return True

    def _object(self, request: Request, patience: float | None = None) -> Object:
        """Send a request and return the object in its answer."""
        answer: Object = self._json(request, patience=patience)
        return answer


def _secret(kind: str) -> bool:
    """Tell whether errors about the kind must not quote values."""
    return kind.rsplit("/", 1)[-1] in {"Secret", "SealedSecret"}
