"""The ways by which a text reaches a reader: each has its own door to the redactor, and is measured by itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import PurePosixPath

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from platform_e2e import redact
from platform_e2e.redact import layer_files, patches

MANIFESTS = frozenset({".yaml", ".yml", ".json"})


def text(_name: str, content: str) -> str:
    """Return what is left of a log, an event or an answer."""
    return redact.text(content)


def layer(name: str, content: str) -> str:
    """Return what is left of a file in `layer.tar.gz` and in the bundle."""
    return patches.file(name, content.encode())[0].decode()


def incident(name: str, content: str) -> str:
    """Return what is left of a file of the layer in an incident."""
    return layer_files.redacted({name: content.encode()})[0][name].decode()


def patch(name: str, content: str) -> str:
    """Return what is left of a new file in `uncommitted.patch`; where it is as it was, the file itself."""
    added = content.splitlines()
    head = (
        f"diff --git a/{name} b/{name}\nnew file mode 100644\n--- /dev/null\n+++ b/{name}\n@@ -0,0 +1,{len(added)} @@\n"
    )
    given = head + "".join(f"+{line}\n" for line in added)
    shown = patches.section(given)
    return content if shown == given else shown


def obj(name: str, content: str) -> str:
    """Return what is left of an object of the API server: the manifest, or a ConfigMap with the file; the file if it is as it was."""
    given: list[object] = [{"kind": "ConfigMap", "data": {name: content}}]
    if PurePosixPath(name).suffix in MANIFESTS:
        try:
            parsed = list(YAML(typ="safe", pure=True).load_all(content))
        except YAMLError:
            parsed = []
        given = parsed if parsed and all(isinstance(one, dict | list) for one in parsed) else given
    shown = redact.plain(given)
    return content if shown == given else repr(shown)


WAYS: Mapping[str, Callable[[str, str], str]] = {
    "text": text,
    "layer.tar.gz": layer,
    "incident": incident,
    "uncommitted.patch": patch,
    "objects": obj,
}
"""Each takes the name of a file and its text, and returns what a reader sees."""

MISSED: Mapping[str, frozenset[str]] = {way: frozenset() for way in WAYS}
"""The planted shapes that are known to be missed, each with the reason; there are none with the seed of the test."""

MOST_CHANGED = 0.01
"""Share of the innocuous texts that may be changed."""
