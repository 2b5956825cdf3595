"""A read-only client that lists each kind once: what is asked for by name comes from that list.

To get a thousand objects one by one would be a thousand requests; a list is one for each page of 500.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from platform_e2e.diagnosis.objects import labels_of
from platform_e2e.kube.answers import OURS, Limits
from platform_e2e.kube.errors import ApiError, Forbidden
from platform_e2e.kube.kubeconfig import Endpoint
from platform_e2e.kube.labels import LabelSelector
from platform_e2e.kube.objects import Object, Objects, key
from platform_e2e.kube.reader import PATIENCE, Reader

SECRET = "v1/Secret"  # noqa: S105 - a kind
"""Of no object of this kind anything is read: no promise is worth the right to read Secrets."""

EVENT = "v1/Event"

NAME = "metadata.name"
"""The field selector that every kind has; other ones are the API server's to know."""


class ListingReader(Reader):
    """Read each kind at most once; what is not there yet when it is first asked for is not there for this client.

    It takes the arguments of `Reader`.
    """

    def __init__(
        self, endpoint: Endpoint, *, patience: float = PATIENCE, limits: Limits = OURS, ends: float = math.inf
    ) -> None:
        super().__init__(endpoint, patience=patience, limits=limits, ends=ends)
        self._known: dict[tuple[str, str | None], Objects | ApiError] = {}
        self._answers: dict[tuple[Any, ...], bytes] = {}

    def get(self, kind: str, name: str, namespace: str | None = None) -> Object | None:
        """Return an object out of the list of its kind, or None when that has none of the name.

        Raises:
            Forbidden: the kind may not be listed, or is Secret.
            ApiError: the API server refused.
        """
        return next((obj for obj in self.list(kind) if key(obj) == (namespace or "", name)), None)

    def whole(self, kind: str, name: str, namespace: str | None = None) -> Object | None:
        """Return an object by itself, with the fields that each manager owns, which no list has.

        Raises:
            ApiError: the API server refused.
        """
        return super().get(kind, name, namespace)

    def list(
        self,
        kind: str,
        namespace: str | None = None,
        labels: str | Mapping[str, str] | None = None,
        fields: str | Mapping[str, str] | None = None,
        *,
        patience: float | None = None,
    ) -> Objects:
        """Return the objects of a kind as they were when they were first listed.

        Args:
            kind: as in a manifest.
            namespace: None for all.
            labels: as for `Reader.list`.
            fields: as for `Reader.list`.
            patience: seconds to retry for, the client's by default.

        Raises:
            Forbidden: the kind may not be listed, or is Secret.
            ApiError: the API server refused.
        """
        if kind == SECRET:
            raise Forbidden("list v1/Secret", 403, "Forbidden", "Secrets are not read by a validation")
        if fields is not None and not (isinstance(fields, Mapping) and fields.keys() == {NAME}):
            return super().list(kind, namespace, labels, fields, patience=patience)
        # Of events there may be too many to list those of all namespaces.
        asked = (kind, namespace if kind == EVENT else None)
        if asked not in self._known:
            try:
                self._known[asked] = super().list(*asked, patience=patience)
            except ApiError as error:
                # It is refused again without a request.
                self._known[asked] = error
        found = self._known[asked]
        if isinstance(found, ApiError):
            raise found
        selector = LabelSelector.parse(labels)
        return [
            obj
            for obj in found
            if namespace in (None, key(obj)[0])
            and selector.matches(labels_of(obj))
            and (fields is None or key(obj)[1] == fields[NAME])
        ]

    def proxy(  # noqa: PLR0917  in the order of an address
        self,
        namespace: str,
        service: str,
        port: str | int,
        path: str,
        params: Mapping[str, Any] | None = None,
        scheme: str = "http",
        *,
        of: str = "services",
    ) -> bytes:
        """Return what a Service or a pod answered when it was first asked this; the arguments are those of `Reader.proxy`.

        Raises:
            ApiError: it refused, which is asked again the next time.
        """
        asked = (namespace, service, str(port), path, scheme, of, *sorted((params or {}).items()))
        if asked not in self._answers:
            self._answers[asked] = super().proxy(namespace, service, port, path, params, scheme, of=of)
        return self._answers[asked]
