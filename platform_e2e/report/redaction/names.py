"""Which names say that a value is a secret, and which values are none whatever their name says."""

from __future__ import annotations

import re

HIDDEN = "[redacted]"
"""What stands in a secret's place."""

SECRET_NAME = re.compile(
    r"(?:^|[^a-z])(?:pass(?:word|wd|phrase|code)?|pwd|secret|token|credential|cookie|authorization|"
    r"(?:api|access|private|signing|encryption|auth|account|secret|license)[-_ ]?key|connection[-_ ]?string|webhook[-_ ]?url)s?"
    r"(?:$|[^a-z])|(?:password|passwd|passphrase|secret|token|apikey|accesskey|privatekey|secretkey|accountkey|"
    r"credentials?|client-key-data|bindpw)$",
    re.IGNORECASE,
)
"""Names of environment variables, fields and query parameters whose value is a secret."""

REFERENCE_NAME = re.compile(
    r"(?:name|names|ref|path|file|class|type|namespace|keyref|id|ttl|mount|mtime|version|count|enabled|url(?<!webhook_url)"
    r"(?<!webhookurl)|review|policy|audiences?|expiration(?:seconds)?|seconds|(?:sealed|external|existing|pull)[-_ ]?secrets?)$",
    re.IGNORECASE,
)
"""Endings that turn such a name into a reference to a secret, or a word about it, which a reader needs: secretName."""

PASSWORD_NAME = re.compile(r"pass|pwd|pw$", re.IGNORECASE)
"""Names whose value is a secret even where it is a word or a short number."""

LISTS_OF_NAMES = frozenset({"secrets", "imagePullSecrets", "configSecrets"})
"""Fields that list names of Secrets: of a ServiceAccount (core/v1), of a Prometheus and an Alertmanager (monitoring/v1)."""

CORE = (
    r"(?:pass(?:word|wd|phrase|code|(?==))|pwd|bind[-_]?pw|(?<!sealed)(?<!sealed[-_ ])(?<!external)(?<!external[-_ ])(?<!existing)(?<!existing_)secrets?|tokens?|credentials?|"
    r"(?:api|access|secret|private|signing|encryption|auth|account|license)[-_. ]?keys?|"
    r"shared[-_]?access[-_]?(?:key|signature)|client[-_]key[-_]data|connection[-_]?string|webhook[-_]?url|session[-_]?id)"
)
"""The end of such a name in a text in lower case; what comes before it does not matter."""

_WORDS = frozenset(
    [
        "true",
        "false",
        "yes",
        "no",
        "on",
        "off",
        "null",
        "none",
        "nil",
        "undefined",
        "unset",
        "empty",
        "redacted",
        "hidden",
        "masked",
        "disabled",
        "enabled",
        "optional",
        "required",
        "default",
        "string",
        "str",
        "int",
        "bool",
        "path",
        "any",
        "bytes",
        "object",
        "file",
        "env",
        "auto",
        "active",
        "inactive",
        "expired",
        "invalid",
        "missing",
        "revoked",
        "valid",
        "unknown",
    ]
)
"""Values that say something about a secret and are none."""

_HARMLESS = re.compile(
    r"\[redacted\]|[*x.•#<>_~-]+$|<[\w -]+>$|\$\([^)]*\)$|\$\{[^}]*\}$|\{\{.*\}\}$|%[sdvq]$|!(?:vault|reference)\b|\.\.\.",
    re.IGNORECASE,
)
"""What stands in the place of a value: a mask, a reference to a variable, a template."""

_PATH = re.compile(r"(?:\.{0,2}|~)(?:/[\w.@+-]+){2,}/?$")
"""A file that has the secret; two parts at least, for base64 has slashes too."""

_CODE = re.compile(
    r"(?:[a-z_]+\.)*[a-z_]+(?:\(|\[\S)|[a-z_]+(?:\.[a-z_]+)+[,)\]}]*$|[A-Z][a-z]+\[|[\w./-]+\.(?:key|pem|crt|ya?ml|json|txt)$"
)
"""An expression of a program, as tracebacks quote them, or the name of a file."""

_SEALED = re.compile(r"Ag[A-D][A-Za-z0-9+/]{300,}={0,2}$")
"""Ciphertext of a SealedSecret: two bytes of length, 512 for the 4096 bits of its RSA key, before it (sealed-secrets, crypto.go)."""

_OBJECT = re.compile(r"[a-z0-9][a-z0-9.-]*/[a-z0-9][a-z0-9.-]*$|[a-z]+(?:-[a-z]+)+$")
"""Namespace and name, or a name of several words, as controllers log a Secret."""


def is_secret_name(name: str) -> bool:
    """Tell whether a field, variable or parameter of that name has a secret as its value."""
    own = name.rpartition("/")[2]
    spread = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", own)
    return bool(SECRET_NAME.search(spread)) and not REFERENCE_NAME.search(own)


def harmless(value: str, name: str = "") -> bool:
    """Tell whether a value is no secret although its name says so: a word, a mask, a reference, a file, ciphertext."""
    bare = value.strip()
    if not bare or bare.lower() in _WORDS or _HARMLESS.match(bare):
        return True
    if _SEALED.match(bare):
        return True
    if PASSWORD_NAME.search(name):
        return False
    if bare.isdigit() and len(bare) < 6:
        return True
    if name.lower() in {"secret", "secrets"} and _OBJECT.match(bare):
        return True
    return bool(_PATH.match(bare) or _CODE.match(bare))
