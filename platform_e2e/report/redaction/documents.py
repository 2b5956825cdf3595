"""Take out of a text what belongs together over several lines: private keys, and the data of Secrets in YAML and JSON."""

from __future__ import annotations

import re
from bisect import bisect_left

from platform_e2e.report.redaction.names import HIDDEN

SECRET_MANIFEST = re.compile(
    r"""^[-+ ]?[ \t]{0,80}(?:- ){0,3}(?:\{.*)?['"]?kind['"]?:[ \t]*['"]?Secret['"]?[ \t]*(?:[,}].*|\#.*)?\r?$""",
    re.MULTILINE,
)
"""A line that makes a manifest a Secret's, also in a patch."""

_KEY_BEGIN = re.compile(r"-----BEGIN (?P<what>[A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?)-----")
_KEY_END = re.compile(r"-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----")
_KEY_LINES = re.compile(
    r"(?:(?:\\r)?\\n|[\s\"'+>|])*(?:Proc-Type:[^\n\\]*|DEK-Info:[^\n\\]*|Version:[^\n\\]*|[A-Za-z0-9+/=.-]+)?"
    r"(?:(?:(?:\\r)?\\n|[ \t\"'+>|\r\n])+(?:Proc-Type:[^\n\\]*|DEK-Info:[^\n\\]*|[A-Za-z0-9+/=]{16,}))*+"
)
"""What follows the beginning of a key that is cut off: lines of base64."""
_KEY_CHARACTERS = 24_000
"""How far the end of a private key is looked for: one of RSA with 16384 bits has 13,000 characters, more where escaped."""

_PUTTY = re.compile(r"Private-Lines: \d+[^\n]*(?:\n[ \t]*[A-Za-z0-9+/=]+[ \t\r]*(?=\n|\Z))*+")
"""The private part of PuTTY's key files."""

_YAML_DATA = re.compile(r"(?P<indent> *)(?P<items>(?:- )*)['\"]?(?:data|stringData)['\"]?:[ \t]*(?P<rest>[^\n]*)$")
_YAML_LINE = re.compile(r"(?P<indent> *)(?P<key>['\"]?[\w.@/-]+['\"]?:)?")
_KIND = re.compile(r"(?P<indent> *)(?P<items>(?:- )*)['\"]?kind['\"]?: *['\"]?Secret['\"]? *(?:#.*)?\r?$")
_GENERATED = re.compile(r"^(?P<head>[-+ ]?[ \t]*- +['\"]?[\w.-]+=)(?P<value>[^\n]*?)(?P<tail>['\"]?[ \t\r]*)$")

_FLAT = re.compile(r"(?P<head>\bkind: Secret [^\n]{0,2000}?\b(?:stringData|data): )(?P<rest>[^\n]+)")
_FLAT_VALUE = re.compile(r"(?P<head>[\w.-]{1,250}: )[^\s]+")
"""A manifest in one line, as messages have it."""

_JSON_KIND = re.compile(r"\\*\"kind\\*\"\s{0,20}:\s{0,20}\\*\"Secret\\*\"")
_JSON_DATA = re.compile(r"\\*\"(?:data|stringData)\\*\"\s{0,20}:\s{0,20}\{[^{}]*+\}?")
_JSON_VALUE = re.compile(r"(?P<head>:\s{0,20}(?P<quote>\\*\"))(?P<value>(?:(?!(?P=quote)).)*+)", re.DOTALL)


def private_keys(text: str) -> str:
    """Return a text without private keys, whole or cut off at either end, whatever ends their lines."""
    parts, done = [], 0
    ends = [found.end() for found in _KEY_END.finditer(text)]
    for found in _KEY_BEGIN.finditer(text):
        if found.start() < done:
            continue
        following = bisect_left(ends, found.end())
        if following < len(ends) and ends[following] - found.end() <= _KEY_CHARACTERS:
            end = ends[following]
        else:
            rest = _KEY_LINES.match(text, found.end())
            end = rest.end() if rest else found.end()
        parts += [text[done : found.start()], f"{HIDDEN} private key"]
        done = end
    text = "".join([*parts, text[done:]]) if parts else text
    return _endings(text)


def _endings(text: str) -> str:
    """Return a text without the lines before the end of a private key whose beginning it does not have."""
    parts, done = [], 0
    for found in _KEY_END.finditer(text):
        low = max(done, found.start() - _KEY_CHARACTERS)
        start = found.start()
        # Line by line backwards, so that each is looked at once.
        while start > low:
            line = text.rfind("\n", low, start - 1) + 1 or low
            if not re.fullmatch(r"[ \t+>|\"']*[A-Za-z0-9+/=]{2,100}[ \t\"',\r]*\n?", text[line:start]):
                break
            start = line
        parts += [text[done:start], f"{HIDDEN} private key"]
        done = found.end()
    return "".join([*parts, text[done:]]) if parts else text


def putty(text: str) -> str:
    """Return a text without the private parts of PuTTY's key files."""
    return _PUTTY.sub(f"{HIDDEN} private key", text)


def manifests(text: str) -> str:
    """Return a text in which the Secrets among its manifests, as YAML or JSON, keep their keys only."""
    if '"Secret' in text and _JSON_KIND.search(text):
        text = _JSON_DATA.sub(_json_data, text)
    if "Secret" in text and SECRET_MANIFEST.search(text):
        text = "\n---".join(map(_yaml, text.split("\n---")))
    if "kind: Secret " in text:
        text = _FLAT.sub(lambda one: one["head"] + _FLAT_VALUE.sub(rf"\g<head>{HIDDEN}", one["rest"]), text)
    return _literals(text) if "secretGenerator" in text else text


def _json_data(found: re.Match[str]) -> str:
    return _JSON_VALUE.sub(lambda one: one[0] if one["value"] == HIDDEN else f"{one['head']}{HIDDEN}", found[0])


def _yaml(document: str) -> str:
    """Return one document; in what has a Secret's indent the values below data and stringData are taken out."""
    lines = document.split("\n")
    # A difference has a sign in the first column of each line.
    column = 1 if any(line[:1] in {"+", "-"} and _KIND.match(line[1:]) for line in lines) else 0
    indents = {_depth(found) for line in lines if (found := _KIND.match(line[column:]))}
    if not indents:
        return document
    kept: list[str] = []
    within, children = -1, -1
    for whole in lines:
        sign, line = whole[:column], whole[column:]
        found = _YAML_LINE.match(line)
        depth = len(found["indent"]) if found else 0
        if within >= 0 and (not line.strip() or depth > within):
            children = depth if children < 0 and line.strip() else children
            if not line.strip():
                kept.append(whole)
            elif found and found["key"] and depth == children:
                kept.append(f"{sign}{found[0]} {HIDDEN}" + ("\r" if line.endswith("\r") else ""))
            continue
        within = children = -1
        data = _YAML_DATA.match(line)
        rest = data["rest"].strip() if data and _depth(data) in indents else "-"
        if not rest or rest.startswith("#"):
            within = _depth(data) if data else -1
        elif data and rest.startswith("{") and rest not in {"{}", f"{{{HIDDEN}}}"}:
            whole = f"{sign}{line[: data.start('rest')]}{{{HIDDEN}}}"  # noqa: PLW2901 - what is kept of it
        kept.append(whole)
    return "\n".join(kept)


def _depth(found: re.Match[str]) -> int:
    return len(found["indent"]) + len(found["items"])


def _literals(text: str) -> str:
    """Return a kustomization in which the literals of its generators keep their keys only."""
    lines = text.split("\n")
    within = -1
    for number, line in enumerate(lines):
        bare = line.lstrip(" +")
        if bare.startswith(("literals:", "- literals:")):
            within = len(line) - len(bare)
        elif within >= 0 and bare:
            indent = len(line) - len(bare)
            item = _GENERATED.match(line) if indent >= within else None
            if item:
                lines[number] = f"{item['head']}{HIDDEN}{item['tail']}"
            elif not bare.startswith("- ") or indent < within:
                within = -1
    return "\n".join(lines)
