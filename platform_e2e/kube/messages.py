"""What a shared stream tells the waits that listen to it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from platform_e2e.kube.objects import Key, Object


@dataclass(frozen=True)
class Changed:
    """One change of one object.

    Attributes:
        key: of the object.
        revision: of the change.
        obj: what it is now, or None when it was deleted.
        size: bytes that it takes in memory, about.
    """

    key: Key
    revision: int
    obj: Object | None
    size: int = 0


@dataclass(frozen=True)
class Listed:
    """All objects as they were at one revision.

    Attributes:
        revision: of the list.
        objects: by key.
        fresh: whether it was requested after the wait asked for one.
        relisted: whether the stream begins anew from here, so that changes before it may never be told.
        restored: whether the revisions went backwards: the API server's store was replaced by an older one.
    """

    revision: int
    objects: Mapping[Key, Object]
    fresh: bool = True
    relisted: bool = False
    restored: bool = False


@dataclass(frozen=True)
class NotServed:
    """The API server serves no such kind.

    Attributes:
        fresh: whether it said so after the wait asked.
    """

    fresh: bool = True


@dataclass(frozen=True)
class Trouble:
    """The stream cannot be read, and why; an empty text says that it can again."""

    words: str
