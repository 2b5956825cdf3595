"""Redact the secrets that were committed to a layer's files, so that the result can still be deployed as a layer."""

from __future__ import annotations

from collections.abc import Mapping

from platform_e2e.redact import patches
from platform_e2e.redact.names import HIDDEN_IN_BASE64

NO_VALUE = HIDDEN_IN_BASE64
"""The placeholder in the data of a Secret, which must be base64."""


def redacted(files: Mapping[str, bytes]) -> tuple[dict[str, bytes], list[str]]:
    """Return the files without secrets, and the names of the files that had some.

    The rules are those of a run's own copy of the layer.

    Args:
        files: of a layer, by name.
    """
    safe = {name: patches.file(name, content)[0] for name, content in files.items()}
    return safe, [name for name, content in files.items() if safe[name] != content]
