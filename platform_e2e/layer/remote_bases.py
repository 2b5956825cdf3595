"""What an entry of a kustomization names elsewhere: a directory of a Git repository, or one file (kustomize, api/internal/git)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePosixPath
from urllib.parse import parse_qs, urlsplit

_HOSTS = ("github.com", "gitlab.com", "bitbucket.org")
"""Hosts whose repositories are the first two parts of a path (GitLab's may be deeper, and then need `//` or `.git`)."""

_FILE = re.compile(r"\.(?:ya?ml|json)$|/(?:releases/download|raw|-/raw)/", re.IGNORECASE)
"""Paths of single files."""

_SCP = re.compile(r"(?P<host>[\w.-]+@[\w.-]+):(?P<path>.+)")


@dataclass(frozen=True)
class RemoteBase:
    """A directory of a Git repository.

    Attributes:
        url: of the repository.
        path: of the directory; `.` for the repository itself.
        revision: branch, tag or commit; HEAD where none is named.
    """

    url: str
    path: str
    revision: str


@dataclass(frozen=True)
class RemoteFile:
    """A file that is fetched as it is.

    Attributes:
        url: of the file.
    """

    url: str


def parse(entry: str) -> RemoteBase | RemoteFile | None:
    """Return what an entry of `resources`, `bases` or `components` names elsewhere, or None for a path of the same repository."""
    text = entry.strip().removeprefix("git::")
    place, _, query = text.partition("?")
    asked = parse_qs(query)
    revision = next((asked[key][0] for key in ("ref", "version") if key in asked), "HEAD")
    try:
        parts = urlsplit(place)
    except ValueError:
        return None
    if parts.scheme in {"http", "https", "ssh"} and parts.netloc:
        if parts.scheme != "ssh" and not query and _FILE.search(parts.path) and ".git/" not in parts.path:
            return RemoteFile(text)
        start, rest = f"{parts.scheme}://{parts.netloc}/", parts.path.lstrip("/")
        host = parts.netloc.rpartition("@")[2]
    elif (match := _SCP.fullmatch(place)) and "://" not in place:
        start, rest, host = f"{match['host']}:", match["path"], match["host"].rpartition("@")[2]
    elif place.split("/")[0] in _HOSTS:
        host = place.split("/")[0]
        start, rest = f"https://{host}/", place.partition("/")[2]
    else:
        return None
    repository, path = _divided(rest, usual=host in _HOSTS)
    if not repository or ".." in PurePosixPath(path).parts:
        return None
    return RemoteBase(start + repository, PurePosixPath(path.strip("/") or ".").as_posix(), revision)


def _divided(rest: str, *, usual: bool) -> tuple[str, str]:
    """Return the path of a repository on its host, and that of a directory in it."""
    if "//" in rest:
        repository, _, path = rest.partition("//")
        return repository, path
    at = rest.find(".git/")
    if at >= 0:
        return rest[: at + 4], rest[at + 5 :]
    if usual:
        names = rest.split("/")
        return "/".join(names[:2]), "/".join(names[2:])
    return rest, ""
