"""What the API server, or the way to it, may answer instead of an object."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from platform_e2e.errors import BrokenHarness, WrongUsage

REMEDIES = {
    400: "correct the object; the API server's sentence names the field",
    401: "use a kubeconfig whose certificate or token is still valid",
    403: "give the kubeconfig's user the permission that the sentence names, or look at the admission rule that refused",
    404: "create the object first, or correct its name and namespace",
    405: "the kind does not offer this operation; see `kubectl api-resources -o wide`",
    409: "read the object again and repeat the change; for an apply, see which manager owns the field",
    422: "correct the field that the sentence names",
}
"""What a reader can do about a status, where the sentence of the API server does not say it."""

STRANGE = (
    "see that the server of the kubeconfig is the API server itself, and that nothing on the way changes its answers"
)
"""The same for what no API server answers: a redirection, the page of a proxy."""

UNPERMITTED = re.compile(
    r'User "(?P<user>[^"]*)" cannot (?P<verb>\w+) resource "(?P<resource>[^"]+)" in API group "(?P<group>[^"]*)"'
    r'(?: in the namespace "(?P<namespace>[^"]+)")?'
)
"""How the API server says that RBAC does not allow something (apiserver, endpoints/handlers/responsewriters/errors.go)."""

TEMPORARY = frozenset({429, 500, 502, 503, 504})
"""Statuses that the same request may get over: client-go retries the same ones (rest/with_retry.go)."""

LONGEST = 2000
"""Characters of the API server's own sentence that are kept; those of RBAC and of admission have a few hundred."""

BUSY_MOST = 10.0
"""Most seconds that a busy API server (429) makes us wait; it asks for one second itself."""

STARTING_MOST = 1.0
"""Most seconds that a 5xx makes us wait: an API server that starts asks for five, and is often there after one."""


class ApiError(BrokenHarness):
    """The API server refused a request.

    Attributes:
        status: HTTP status; 0 when there was no answer at all.
        reason: Kubernetes' word for it: `NotFound`, `Invalid`, `Forbidden`, ...
        message: the API server's sentence.
        retry_after: seconds to wait as the API server asks, within reason, or None.
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
    """The user is not known or may not do this, or an admission rule refused it (401, 403)."""


class Conflict(ApiError):
    """The object exists already, was changed meanwhile, or another manager owns a field (409)."""


class Invalid(ApiError):
    """The object is not valid (400, 422)."""


class Expired(ApiError):
    """The resource version is older than what the API server still knows (410)."""


class Unavailable(ApiError):
    """The API server did not answer, or answered with an error that passes (429 and 5xx)."""


class BadAnswer(ApiError):
    """The API server answered with what cannot be read: too large, no JSON, too deep, or of another shape than documented."""

    def __init__(self, request: str, message: str, remedy: str = "") -> None:
        super().__init__(request, 200, "BadAnswer", message, remedy=remedy)


class TooLarge(BadAnswer):
    """An answer has more bytes than one may have."""


class KindNotServed(ApiError):
    """The API server serves no such kind: its CRD is absent, or the version is another one."""

    def __init__(self, kind: str) -> None:
        super().__init__(
            f"kind {kind}",
            404,
            "KindNotServed",
            "the API server serves no such kind",
            remedy=f"install the CRD or the product that brings {kind}; `kubectl api-resources` lists what is served",
        )
        self.kind = kind


class KubeconfigError(WrongUsage):
    """A kubeconfig cannot be used."""


def api_error(request: str, status: int, body: Mapping[str, Any] | str, *, secret: bool, retry: str | None) -> ApiError:
    """Return the error for an answer.

    Args:
        request: method and object, for the text.
        status: HTTP status.
        body: the `Status` object of the answer, or its text.
        secret: whether the request carried a Secret, whose values the API server may quote in its sentence.
        retry: the answer's Retry-After header.
    """
    if isinstance(body, str):
        reason, message = "NoStatus", " ".join(body.split())[:500]
        fields: list[str] = []
    else:
        reason, message = str(body.get("reason") or "Unknown")[:100], str(body.get("message") or "")[:LONGEST]
        details = body.get("details")
        causes = details.get("causes") if isinstance(details, dict) else None
        several = causes if isinstance(causes, list) else []
        fields = [str(cause["field"]) for cause in several if isinstance(cause, dict) and cause.get("field")]
    if secret and status in {400, 422}:
        message = f"the Secret is not valid ({', '.join(fields) or 'no field named'}; the sentence may quote values)"
    most = BUSY_MOST if status == 429 else STARTING_MOST
    seconds = min(float(retry), most) if retry and retry.isdecimal() else None
    return _class(status)(request, status, reason, message, remedy=_permission(message), retry_after=seconds)


def _permission(message: str) -> str:
    """Return the remedy for what RBAC does not allow: who lacks which verb on which resource, and what tells more."""
    found = UNPERMITTED.search(message)
    if found is None:
        return ""
    resource = f"{found['resource']}.{found['group']}" if found["group"] else found["resource"]
    where = f"in namespace {found['namespace']}" if found["namespace"] else "in the whole cluster"
    asked = f"-n {found['namespace']}" if found["namespace"] else "-A"
    return (
        f"give {found['user'] or 'the user'} the verb `{found['verb']}` on {resource} {where}, or use another kubeconfig; "
        f"`kubectl auth can-i {found['verb']} {resource} {asked}` asks for it"
    )


def _class(status: int) -> type[ApiError]:
    """Return which error stands for a status."""
    if status in TEMPORARY:
        return Unavailable
    known = {400: Invalid, 401: Forbidden, 403: Forbidden, 404: NotFound, 409: Conflict, 410: Expired, 422: Invalid}
    return known.get(status, ApiError)
