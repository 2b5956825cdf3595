"""Errors of the API server, and of the way to it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from platform_e2e.errors import BrokenHarness, WrongUsage

REMEDIES = {
    400: "correct the object; the API server's message names the field",
    401: "use a kubeconfig whose certificate or token is still valid",
    403: "give the kubeconfig's user the permission that the message names, or check the admission rule that refused",
    404: "create the object first, or correct its name and namespace",
    405: "the kind does not offer this operation; see `kubectl api-resources -o wide`",
    409: "read the object again and repeat the change; for an apply, see which manager owns the field",
    422: "correct the field that the message names",
}
"""Remedies by status, for where the API server's message does not name one."""

STRANGE = "check that the kubeconfig's server is the API server itself, and that nothing on the way changes its answers"
"""Remedy for answers that an API server does not give: a redirection, a proxy's page."""

UNPERMITTED = re.compile(
    r'User "(?P<user>[^"]*)" cannot (?P<verb>\w+) resource "(?P<resource>[^"]+)" in API group "(?P<group>[^"]*)"'
    r'(?: in the namespace "(?P<namespace>[^"]+)")?'
)
"""The API server's message where RBAC forbids a request (apiserver, endpoints/handlers/responsewriters/errors.go)."""

TEMPORARY = frozenset({429, 500, 502, 503, 504})
"""Statuses after which a request is retried, as by client-go (rest/with_retry.go)."""

LONGEST = 2000
"""Characters of the API server's message that are kept; messages of RBAC and admission have a few hundred."""

BUSY_MOST = 10.0
"""Longest seconds to wait for a busy API server (429); it asks for one second itself."""

STARTING_MOST = 1.0
"""Longest seconds to wait after a 5xx: a starting API server asks for five, and is often ready after one."""


class ApiError(BrokenHarness):
    """The API server refused a request.

    Attributes:
        request: method and object.
        status: HTTP status; 0 when there was no answer.
        reason: Kubernetes' name for it: `NotFound`, `Invalid`, `Forbidden`, ...
        message: the API server's message.
        retry_after: seconds that the API server asks to wait, limited, or None.
    """

    def __init__(
        self,
        request: str,
        status: int,
        reason: str,
        message: str,
        *,
        remedy: str = "",
        retry_after: float | None = None,
    ) -> None:
        other = STRANGE if status >= 100 and status not in TEMPORARY else ""
        super().__init__(f"{request}: {status} {reason}: {message}", remedy or REMEDIES.get(status, other))
        self.request = request
        self.status = status
        self.reason = reason
        self.message = message
        self.retry_after = retry_after


class NotFound(ApiError):
    """The object, its namespace or its kind does not exist (404)."""


class Forbidden(ApiError):
    """The user is unknown or lacks a permission, or an admission rule refused the request (401, 403)."""


class Conflict(ApiError):
    """The object exists already, was changed in between, or another manager owns a field (409)."""


class Invalid(ApiError):
    """The object is invalid (400, 422)."""


class Expired(ApiError):
    """The API server has forgotten the resource version (410)."""


class Unavailable(ApiError):
    """The API server did not answer, or answered with a temporary error (429 and 5xx)."""


class BadAnswer(ApiError):
    """The API server's answer cannot be read: too large, not JSON, too deep, or of another shape than documented."""

    def __init__(self, request: str, message: str, remedy: str = "") -> None:
        super().__init__(request, 200, "BadAnswer", message, remedy=remedy)


class TooLarge(BadAnswer):
    """An answer exceeds the limit of bytes."""


class KindNotServed(ApiError):
    """The API server does not serve the kind: its CRD is absent, or has other versions."""

    def __init__(self, kind: str) -> None:
        super().__init__(
            f"kind {kind}",
            404,
            "KindNotServed",
            "the API server serves no such kind",
            remedy=f"install the CRD or the product that brings {kind}; `kubectl api-resources` lists the served kinds",
        )
        self.kind = kind


class KubeconfigError(WrongUsage):
    """A kubeconfig cannot be used."""


_UNTYPED = "failed to create typed patch object"
"""Message to a server-side apply of an object with a field that its schema does not have, which is answered with 500 nevertheless
(apiserver, pkg/endpoints/handlers/fieldmanager/structuredmerge.go)."""


def api_error(request: str, status: int, body: Mapping[str, Any] | str, *, secret: bool, retry: str | None) -> ApiError:
    """Return the error for an answer.

    Args:
        request: method and object.
        status: HTTP status.
        body: the `Status` object of the answer, or its text.
        secret: whether the request contained a Secret, since the API server's message may quote its values.
        retry: the answer's Retry-After header.
    """
    if isinstance(body, str):
        reason, message = "NoStatus", " ".join(body.split())[:500]
        fields: list[str] = []
    else:
        # What a proxy leads to may answer in a form of its own, such as Prometheus with `error`.
        said = body.get("message") or body.get("error") or ""
        reason, message = str(body.get("reason") or "Unknown")[:100], str(said)[:LONGEST]
        details = body.get("details")
        causes = details.get("causes") if isinstance(details, dict) else None
        causes = causes if isinstance(causes, list) else []
        fields = [str(cause["field"]) for cause in causes if isinstance(cause, dict) and cause.get("field")]
    wrong = status == 500 and _UNTYPED in message
    if secret and (wrong or status in {400, 422}):
        message = (
            f"the Secret is invalid ({', '.join(fields) or 'no field named'}); the full message may quote its values"
        )
    most = BUSY_MOST if status == 429 else STARTING_MOST
    seconds = min(float(retry), most) if retry and retry.isdecimal() else None
    kind = Invalid if wrong else _class(status)
    return kind(request, status, reason, message, remedy=_permission(message), retry_after=seconds)


def _permission(message: str) -> str:
    """Return the remedy where RBAC forbids a request: the missing permission, and the command that checks it."""
    found = UNPERMITTED.search(message)
    if found is None:
        return ""
    resource = f"{found['resource']}.{found['group']}" if found["group"] else found["resource"]
    where = f"in namespace {found['namespace']}" if found["namespace"] else "in the whole cluster"
    asked = f"-n {found['namespace']}" if found["namespace"] else "-A"
    return (
        f"give {found['user'] or 'the user'} the verb `{found['verb']}` on {resource} {where}, or use another kubeconfig; "
        f"`kubectl auth can-i {found['verb']} {resource} {asked}` checks it"
    )


def _class(status: int) -> type[ApiError]:
    """Return the class of error for a status."""
    if status in TEMPORARY:
        return Unavailable
    known = {400: Invalid, 401: Forbidden, 403: Forbidden, 404: NotFound, 409: Conflict, 410: Expired, 422: Invalid}
    return known.get(status, ApiError)
