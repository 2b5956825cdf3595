"""Recognise the names of secrets, and values under such names that are not secrets."""

from __future__ import annotations

import re
from functools import lru_cache

HIDDEN = "[redacted]"
"""The placeholder of a secret."""

HIDDEN_IN_BASE64 = "W3JlZGFjdGVkXQ=="
"""The same placeholder in base64."""

_SPECIFIC = (
    r"(?:api|access|secret|private|signing|encryption|auth|account|license|master|unseal|pre[-_ ]?shared|shared|deploy|ssh|"
    r"subscription|hmac|fernet|cipher)"
)
_VAGUE = r"(?:app|admin|user|service|routing|integration|session|storage|jwt|project|instance)"
"""Keys that may be names of columns, routes or entries: only values that look random are secrets."""

NAMED = (
    r"(?:pass(?:word|wd|phrase|code)s?|(?<!by)(?<!com)(?<!tres)(?<!sur)(?<!over)(?<!under)(?<!im)pass|pwd|psk"
    r"|(?:bind|root|admin|user|ldap|db|mysql|smtp|ftp)[-_]?pw"
    r"|(?<!sealed)(?<!sealed[-_ ])(?<!external)(?<!external[-_ ])(?<!existing)(?<!existing_)secrets?|tokens?|credentials?"
    rf"|{_SPECIFIC}[-_. ]?keys?(?:[-_]?(?:base|private|b64|base64|hex)|[ ]\d{{1,2}})?"
    r"|erlang[-_]?cookie|_salt|x-honeycomb-team"
    r"|shared[-_]?access[-_]?(?:key|signature)|client[-_]key[-_]data|connection[-_]?string|webhook[-_]?url|session[-_]?id)"
)
"""The end of a name of a secret in any text."""

_SIGN = r"(?=\\*[\"']?\]?[ \t]*(?:[=:]|%3[ad]))"
STEM = (
    rf"(?:pass(?:word|wd|phrase|code)s?|pass{_SIGN}|pwd|psk|pw{_SIGN}|secret[-_]?id{_SIGN}|secrets?|tokens?|credentials?"
    r"|keys?(?:[-_]?(?:base|private|b64|base64|hex)|[-_]data|[ ]\d{1,2})?|erlang[-_]?cookie|x-honeycomb-team"
    rf"|(?:salt|seed){_SIGN}|shared[-_]?access[-_]?signature|connection[-_]?string|webhook[-_]?url|session[-_]?id)"
)
"""The end of a name in a text in lower case, quick to search for; `qualified` decides whether it is the name of a secret."""

_BEFORE_KEY = re.compile(rf"(?:{_SPECIFIC}|{_VAGUE}|client)[-_. ]?\Z")
_BEFORE_PW = re.compile(r"(?:bind|root|admin|user|ldap|db|mysql|smtp|ftp)[-_]?\Z")
_NOT_PASS = ("by", "com", "tres", "sur", "over", "under", "im")
_OWN_SECRET = re.compile(
    r"(?:client|app|shared|oauth2?|jwt|api|consumer|hmac|cookie|session|webhook|token|totp|access|auth|signing)[-_]?\Z",
    re.IGNORECASE,
)
"""Words before `secret` in the name of a secret; other names, such as `tlsSecret`, as often have the name of an object as value."""

_NOT_SECRET = re.compile(r"(?:sealed|external|existing|imagepull|superuser)[-_ ]?\Z")


def qualified(stem: str, before: str) -> str:  # noqa: PLR0911 - one for each stem
    """Return the name that ends with a stem, as far as it matters; an empty string where it is not the name of a secret.

    Args:
        stem: what `STEM` has found.
        before: the characters before it, in lower case; 20 are enough.
    """
    apart = not before[-1:].isalnum()
    if stem.startswith("key"):
        found = _BEFORE_KEY.search(before)
        if found is not None:
            return "" if found[0].startswith("client") and not stem.endswith("data") else found[0] + stem
        return stem if apart and stem in {"key", "keys"} and not before.rstrip("-_ ").endswith("public") else ""
    if stem == "pw":
        found = _BEFORE_PW.search(before)
        return found[0] + stem if found else stem if apart else ""
    if stem == "pass":
        return "" if before.endswith(_NOT_PASS) else stem
    if stem.startswith("secret") and stem.endswith("id"):
        return stem if apart else ""
    if stem in {"secret", "secrets"}:
        own = _OWN_SECRET.search(before)
        return "" if _NOT_SECRET.search(before) else f"{own[0]}{stem}" if own else stem
    if stem == "seed":
        return stem if apart else ""
    if stem == "salt":
        return stem if apart and before[-1:] in {"_", "-"} else ""
    return stem


SECRET_NAME = re.compile(
    r"(?:^|[^a-z])(?:pass(?:word|wd|phrase|code)?|pwd|psk|pw|secret|token|credential|cookie|authorization|"
    rf"{_SPECIFIC}[-_. ]?key(?:[-_](?:base|private|b64|base64|hex))?|connection[-_]?string|webhook[-_]?url)s?"
    r"(?:$|[^a-z])|(?:password|passwd|passphrase|(?<!by)(?<!com)(?<!sur)pass|secret|token|apikey|accesskey|privatekey|secretkey|"
    r"accountkey|servicekey|presharedkey|psk|credentials?|client-key-data|bindpw|rootpw|pwd)$",
    re.IGNORECASE,
)
"""Names of environment variables, fields and query parameters with a secret as value."""

VAGUE_NAME = re.compile(
    rf"(?:^|[^a-z])(?:{_VAGUE}[-_. ]?keys?|secret[-_]id)$|^_?(?:keys?|seed|secret[-_]?id)$|(?:^|[^a-z])salt$|^x-honeycomb-team$",
    re.IGNORECASE,
)
"""Names with a secret as value where the value looks random."""

REFERENCE_NAME = re.compile(
    r"(?:name|names|ref|refs|path|file|files|dir|class|type|namespace|keyref|(?<!secret[-_])(?<!secret)id|ids|ttl|mount|mtime|version|"
    r"count|enabled|url(?<!webhook_url)(?<!webhookurl)|review|policy|audiences?|expiration(?:seconds)?|seconds|length|size|min|max|"
    r"limit|arn|format|spec|config|provider|store|manager|mode|helper|source|encryption|hash(?:ed)?|algorithm|(?:issued|expires|created|updated|changed|rotated)[-_]?(?:at|on)|"
    r"(?:password|passwd|token|username)[-_]?key|(?:sealed|external|existing|pull)[-_ ]?secrets?|"
    r"(?:existing\w*|pull|tls|superuser)[-_]?secrets?|\.(?:ya?ml|json|toml|ini|conf|cfg|properties|xml|sh|py|tpl|tmpl|md))$",
    re.IGNORECASE,
)
"""Endings that make such a name a reference to a secret or a word about it, which stays: secretName."""

_SUM = re.compile(
    r"(?:checksum|(?<![a-z])(?:hash|digest|sha\d{1,3}|md5|fingerprint))[/._-]|integrity|[-_.](?:checksum|digest|sha256)$",
    re.IGNORECASE,
)
"""Names of checksums, which are not secrets themselves."""

PASSWORD_NAME = re.compile(r"pass|pwd|pw$|psk$", re.IGNORECASE)
"""Names with a secret as value even where the value is a word or a short number."""

_USER = re.compile(
    r"(?:user(?:name)?|login|host|port|server|domain|bucket|region|endpoint|database|url|email|create|use\w*|enabled)$",
    re.IGNORECASE,
)
"""Fields beside credentials that are not credentials."""

LISTS_OF_NAMES = frozenset({"secrets", "imagePullSecrets", "configSecrets"})
"""Fields that list names of Secrets: of a ServiceAccount (core/v1), of a Prometheus and an Alertmanager (monitoring/v1)."""

CONTAINERS = frozenset(
    {
        "credentials", "creds", "secrets", "passwords", "tokens", "apiKeys", "api_keys", "basicAuth", "basic_auth", "basicAuthUsers",
        "basic_auth_users", "secureJsonData", "secureSettings", "secretData", "secret", "secretEnv", "envSecrets", "extraSecrets",
        "secretContents",
    }
)  # fmt: skip
"""Fields of charts and programs with secrets under any names: each value in them that looks random is a secret."""

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
"""Words about a secret that are not secrets."""

PLACEHOLDER = re.compile(
    r"\[redacted\]|(?:[*x.•#<>_~-]|\+{4})+$|[*•+]{4,}(?=[\s,;\"'])|</?[\w .:/#-]+>$|\$\(|`|\$\{|\$[A-Z_][A-Z0-9_]*(?![A-Za-z0-9])|\$[a-z_]+(?:[.-][A-Za-z_][\w-]*)*$|\$arg_\w+$|"
    r"\{\{|\$\{\{|%[sdvq]$|%\{|%\([\w.]+\)s|!(?:vault|reference)\b|\.\.\.|ENC\[[A-Z0-9_]+,|vault:[\w./-]+#|ref\+\w+://|arn:aws|W3JlZGFjdGVkXQ==$|"
    r"(?:sha(?:1|224|256|384|512)|md5|h1|zh)[-:=][A-Za-z0-9+/=]+$|\d+ (?:bytes|B)$|\d{4}-\d\d-\d\d(?:[T ][\d:.]+(?:Z|[+-]\d\d:?\d\d)?)?$",
    re.IGNORECASE,
)
"""Placeholders of values: a mask, a reference to a variable, a template, a checksum, a time, a size."""

_VARIABLE = re.compile(r"\$[A-Z_][A-Z0-9_]*$|\$[a-z_]+(?:[.-][A-Za-z_][\w-]*)*$")

_PATH = re.compile(r"(?:\.{0,2}|~)(?:/[\w.@+-]+){2,}/?$")
"""The path of a file with the secret; at least two parts, as base64 has slashes, too."""

_CODE = re.compile(
    r"(?:[a-z_]+\.)*[a-z_]+(?:\(|\[\S)|[a-z_]+(?:\.[a-z_]+|\.[A-Z][A-Za-z]+)+[,)\]}]*$|[A-Z][a-z]+\[|[\w./-]+\.(?:key|pem|crt|ya?ml|json|txt)$|\(|"
    r"https?://[^\s@?]+$"
)
"""An expression of a program, as in tracebacks, the name of a file, an address without credentials."""

_CALL = re.compile(
    r"(?:[A-Za-z_]\w*\.)*[A-Za-z_]\w*\([^()\n]*\)?|(?:var|local|data|module|each|self|this|os|process|env|config|settings|args|opts|"
    r"options|request|req|ctx|secrets|values)(?:\.[A-Za-z_]\w*)+(?:\[[^\]\n]*\]?)?[,;)]*$|os\.environ\b",
)
"""A call or an attribute that a program assigns to a password."""

_SEALED = re.compile(r"Ag[A-D][A-Za-z0-9+/]{300,}={0,2}$")
"""Ciphertext of a SealedSecret: two bytes of length, 512 for the 4096 bits of its RSA key, before it (sealed-secrets, crypto.go)."""

_SPOKEN = re.compile(r"(?:[a-z]{1,6}|[A-Z]{1,6}|[A-Z][a-z]{1,9})[.,;)]*$")
"""A short word: a state, a mode, a type."""

_OBJECT = re.compile(r"(?=[a-z0-9.-]{0,60}[a-z]{3})[a-z][a-z0-9]{0,20}(?:[-.][a-z0-9]{1,20})+$")
_NAMESPACED = re.compile(r"[a-z][a-z0-9-]*/[a-z][a-z0-9.-]*$")
_LOWER_PATH = re.compile(r"\.{0,2}/[a-z0-9._/-]+$")
_NAME = re.compile(
    r"[a-z]+[0-9]{0,4}(?:[-_./:][a-z]+[0-9]{0,4}|[-_./:]v?[0-9]{1,4})*$|[A-Z]?[a-z]+(?:[A-Z][a-z]+)*[0-9]{0,4}$"
)
"""Words with signs between them, and numbers after them."""

_TOKEN = re.compile(r"[A-Za-z0-9+/_=.,~!@#$%^&*;:-]+$")
_HEX = re.compile(r"[0-9a-fA-F]{32,}$|[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}$")
_CLASSES = re.compile(r"[a-z]+|[A-Z]+|[0-9]+|[^a-zA-Z0-9]+")


@lru_cache(maxsize=8192)
def is_secret_name(name: str) -> bool:
    """Tell whether a field, variable or parameter with a name has a secret as its value."""
    if len(name) > 100 or "=" in name or name.count(" ") > 2 or _SUM.search(name):
        return False
    own = name.rpartition("/")[2]
    spread = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", own)
    return bool(SECRET_NAME.search(spread) or VAGUE_NAME.search(spread)) and not REFERENCE_NAME.search(own)


def refers(name: str) -> bool:
    """Tell whether a field beside credentials has a name or a place as its value."""
    return bool(REFERENCE_NAME.search(name) or _USER.search(name) or _SUM.search(name))


def random_looking(value: str, shortest: int = 16) -> bool:
    """Tell whether a value is neither a word nor a name: digits, capitals and small letters alternate often.

    Args:
        value: as it stands there.
        shortest: characters that it must have.
    """
    bare = value.strip()
    if len(bare) < shortest or PLACEHOLDER.match(bare):
        return False
    if _HEX.match(bare):
        return True
    if " " in bare:
        return any(random_looking(word, shortest) for word in bare.split()[:10])
    if (
        not _TOKEN.match(bare)
        or _LOWER_PATH.match(bare)
        or bare.startswith(("http://", "https://", "AAAA", "MII", "LS0tLS1CRUdJTiBDRVJU"))
    ):
        return False
    has = [any(c.isdigit() for c in bare), any(c.isupper() for c in bare), any(c.islower() for c in bare)]
    if shortest < 16 and has[0] and (has[1] or has[2]):
        return not _NAME.match(bare)
    return sum(has) >= 2 and not _NAME.match(bare) and _mixed(bare)


def _mixed(value: str) -> bool:
    """Tell whether the sort of characters changes at least at every fifth character."""
    return len(_CLASSES.findall(value)) >= max(3, len(value) * 0.2)


def harmless(value: str, name: str = "") -> bool:  # noqa: PLR0911 - one for each sort of value
    """Tell whether a value under the name of a secret is not a secret: a word, a mask, a reference, a file, ciphertext."""
    bare = value.strip()
    if len(bare) < 2 or bare.lower() in _WORDS or placeholder(bare):
        return True
    if _SEALED.match(bare) or _CALL.match(bare):
        return True
    if bare.lower() in {"password", "passwd", "token", "secret"} or (
        bare.isupper() and bare.isalpha() and is_secret_name(bare)
    ):
        return True  # usage: [--password PASSWORD]
    if PASSWORD_NAME.search(name):
        return name.lower().strip("_") == "pass" and bool(re.match(r"\d{1,6}(?!\S)", bare))
    if bare.isdigit() and (len(bare) < 6 or name.lower().endswith("tokens")):
        return True
    if _vague(name):
        return not random_looking(bare)
    if (
        _SPOKEN.match(bare)
        or (len(bare) < 24 and bare.replace("_", "").isalpha() and is_secret_name(bare))
        or (name.lower().endswith(("secret", "secrets")) and _NAMESPACED.match(bare))
    ):
        return True
    if _may_refer(name) and _OBJECT.match(bare) and not random_looking(bare):
        return True
    words = bare.split()
    if len(words) >= 3 and sum(word.strip(".,;:()").isalpha() for word in words) >= len(words) - 1:
        return True
    return bool((_PATH.match(bare) and not any(map(_encoded, bare.split("/")))) or _CODE.match(bare))


def _encoded(part: str) -> bool:
    """Tell whether a part of a path is base64, which has slashes, too."""
    return (
        len(part) >= 12 and any(map(str.isupper, part)) and any(map(str.isdigit, part)) and any(map(str.islower, part))
    )


@lru_cache(maxsize=1024)
def _may_refer(name: str) -> bool:
    """Tell whether a field may have the name of a Secret as its value: `secret`, `tlsSecret`."""
    head, found, _ = re.sub(r"s$", "", name).lower().rpartition("secret")
    return (
        bool(found)
        and name.lower().rstrip("s").endswith("secret")
        and not name.isupper()
        and not _OWN_SECRET.search(head)
    )


@lru_cache(maxsize=1024)
def _vague(name: str) -> bool:
    spread = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name.rpartition("/")[2])
    return bool(VAGUE_NAME.search(spread)) and not SECRET_NAME.search(spread)


def placeholder(value: str) -> bool:
    """Tell whether a text is a placeholder of a value."""
    found = PLACEHOLDER.match(value)
    if found is None:
        return False
    return not value.startswith("$") or value.startswith(("$(", "${", "$arg_")) or bool(_VARIABLE.match(value))
