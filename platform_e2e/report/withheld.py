"""What of a layer's files may be kept: Secrets and what looks like one are taken out, what must be there to run it again stays."""

from __future__ import annotations

import base64
import re
from io import StringIO
from pathlib import PurePosixPath
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from platform_e2e.report import redact
from platform_e2e.report.redaction import documents

SECRET = re.compile(r"""["']?\bkind["']?\s*:\s*["']?Secret\b(?!\w)""")
"""Where a manifest, in YAML or JSON, is one of a Secret."""

SEALED = re.compile(r"""["']?\bkind["']?\s*:\s*["']?SealedSecret\b""")
"""Where it is one of a SealedSecret, whose values are encrypted and meant for Git."""

MANIFESTS = frozenset({".yaml", ".yml", ".json"})
"""Endings of files that may have manifests; a program in which the words stand is none."""

KEYSTORES = frozenset({".p12", ".pfx", ".jks", ".keystore", ".kdbx", ".gpg"})
"""Endings of files that hold private keys and are no text, so that nothing can be taken out of them."""

_LINE = re.compile(r"""^[-+ ]?\s*(?:-\s+)?["']?(?P<key>[\w./-]+)["']?\s*:(?:\s+(?P<value>\S.*?))?\s*$""")
"""A line of a mapping, in a file or in a patch."""

_PLAIN = re.compile(r"(?:true|false|null|~)(?:\s+#.*)?,?", re.IGNORECASE)
"""Values that are no secret, whatever the field is called: automountServiceAccountToken: false."""

_NAME = re.compile(r"""["']?[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?["']?(?:\s+#.*)?,?""")
"""The name of an object."""

_REFERENCE = re.compile(r"(?:existing\w*secret|pullsecrets?|secretname|secretref)$", re.IGNORECASE)
"""Fields that name a Secret and have none."""

_NAMING = re.compile(r"(?:name|ref)$", re.IGNORECASE)
"""Endings of fields that name something, and are no secret themselves."""

_ENCRYPTED = re.compile(r"""["']?Ag[A-Za-z0-9+/]{100,}={0,2}["']?,?""")
"""A value of a SealedSecret: two bytes of length, a session key, the ciphertext."""


def file(name: str, content: bytes) -> tuple[bytes, str]:
    """Return what may be kept of a file, and what was taken out: a few words, or nothing.

    Args:
        name: relative to the layer.
        content: of the file.
    """
    if is_keystore(name):
        return b"", "a store of keys"
    if b"\0" in content:
        return b"", "what is no text, so that nothing could be taken out of it"
    try:
        written = content.decode()
    except UnicodeDecodeError:
        # Every byte is a character of Latin-1, and comes back as it was.
        kept = lines(content.decode("latin-1")).encode("latin-1")
        return kept, "" if kept == content else "values that look like secrets"
    if SECRET.search(written) and PurePosixPath(name).suffix.lower() in MANIFESTS:
        emptied = _without_data(written)
        if emptied is not None:
            return emptied.encode(), "the values of its Secret"
    safe = lines(written)
    return safe.encode(), "" if safe == written else "values that look like secrets"


def is_keystore(name: str) -> bool:
    """Tell whether a file of that name holds keys and no text; Git puts names with other letters than ASCII between quotes."""
    return PurePosixPath(name.rstrip('"')).suffix.lower() in KEYSTORES


def lines(written: str) -> str:
    """Return a text without its secrets; a line that only reads like one of a secret stays.

    A layer in which `automountServiceAccountToken: false` or `existingSecret: NAME` is replaced is another layer. A value of
    a Secret's manifest never stays, whatever its key: `username: NAME` reads like a reference.
    """
    safe = redact.text(written)
    if safe == written:
        return safe
    before, after, emptied = (text.split("\n") for text in (written, safe, documents.manifests(written)))
    if not len(before) == len(after) == len(emptied):
        return safe
    sealed = bool(SEALED.search(written))
    return "\n".join(
        was if was != now and was == empty and _harmless(was, sealed=sealed) else now
        for was, now, empty in zip(before, after, emptied, strict=True)
    )


def section(patch: str) -> str:
    """Return what a patch says of one file without its secrets; only the name where it is a Secret's."""
    head = patch.partition("\n")[0]
    if SECRET.search(patch) and PurePosixPath(head).suffix.lower() in MANIFESTS:
        return f"{head}\n# {redact.HIDDEN}: the file has a Secret\n"
    if "\nGIT binary patch\n" in patch:
        return f"{head}\n# {redact.HIDDEN}: the file is no text\n"
    safe = redact.patch(patch)
    # A patch is given with whole files as context, so what says that it is a Secret is in it.
    return lines(patch) if "\n@@" in safe and safe != patch else safe


def _harmless(line: str, *, sealed: bool) -> bool:
    """Tell whether a line that was changed as one of a secret is none."""
    match = _LINE.match(line)
    if match is None:
        return False
    key, value = match["key"], match["value"] or ""
    if _PLAIN.fullmatch(value) or (sealed and _ENCRYPTED.fullmatch(value)):
        return True
    if _REFERENCE.search(key) and _NAME.fullmatch(value):
        return True
    # The line before may end with a name such as `secret:`, and this one was taken for its value.
    return bool(_NAMING.search(key) and _NAME.fullmatch(value)) and redact.text(line) == line


def _without_data(written: str) -> str | None:
    """Return manifests whose Secrets have their keys and no values, still a layer that Argo CD can apply; None without any.

    A field may say `kind: Secret` to refer to one.
    """
    yaml = YAML(typ="safe", pure=True)
    yaml.default_flow_style = False
    out = StringIO()
    try:
        given = list(yaml.load_all(written))
        if not any(_has_values(document) for document in given):
            return None
        yaml.dump_all([_emptied(redact.plain(document), document) for document in given], out)
    except (YAMLError, ValueError, LookupError, TypeError, RecursionError):
        # No YAML, or a Secret that no API server takes: data that is a list, a key that is a credential itself, a 13th month.
        return f"# {redact.HIDDEN}: the file has a Secret and cannot be read\n"
    return out.getvalue()


def _has_values(given: Any) -> bool:
    """Tell whether there is a Secret with values in a document."""
    if isinstance(given, list):
        return any(_has_values(one) for one in given)
    if not isinstance(given, dict):
        return False
    own = given.get("kind") == "Secret" and any(given.get(field) for field in ("data", "stringData"))
    return own or any(_has_values(one) for one in given.values())


def _emptied(safe: Any, given: Any) -> Any:
    """Put values that the API server takes in place of a Secret's."""
    if isinstance(given, list):
        return [_emptied(one, other) for one, other in zip(safe, given, strict=True)]
    if not isinstance(given, dict):
        return safe
    result = {key: _emptied(safe[key], value) for key, value in given.items()}
    if given.get("kind") == "Secret":
        hidden = base64.b64encode(redact.HIDDEN.encode()).decode()
        for field, stands in (("data", hidden), ("stringData", redact.HIDDEN)):
            if given.get(field):
                result[field] = dict.fromkeys(given[field], stands) if isinstance(given[field], dict) else {}
    return result
