"""A layer's files without the secrets that were committed: what travels in an archive must still be a layer."""

from __future__ import annotations

from collections.abc import Mapping

from platform_e2e.redact import patches
from platform_e2e.redact.names import HIDDEN_IN_BASE64

NO_VALUE = HIDDEN_IN_BASE64
"""What stands in a Secret's data, which must be base64."""


def redacted(files: Mapping[str, bytes]) -> tuple[dict[str, bytes], list[str]]:
    """Return the files without secrets, and the names of those that had some.

    What may be kept of a file is what a run's own copy of the layer keeps.

    Args:
        files: of a layer, by name.
    """
    safe = {name: patches.file(name, content)[0] for name, content in files.items()}
    return safe, [name for name, content in files.items() if safe[name] != content]
