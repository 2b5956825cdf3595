"""Take secrets out of the columns of tables, and out of YAML's anchors: there the name stands apart from its value."""

from __future__ import annotations

import re

from platform_e2e.possessive import compiled
from platform_e2e.redact.names import HIDDEN, PASSWORD_NAME, SECRET_NAME, harmless, is_secret_name, random_looking

MOST_ROWS = 500
"""Lines below a header that are taken for its table."""

_HEADER = compiled(
    r"^[^\n]{0,1000}(?:PASS|PWD|SECRET|TOKEN|CREDENTIAL|_KEY|-KEY| KEY)[^\n]{0,1000}$"
    r"|^[^\n]{0,1000}\|[^\n]{0,1000}(?=\n[ \t]*[|+-][-+|: \t]{3,1000}$)",
    re.MULTILINE,
)
"""A header in capitals, as kubectl prints it, or one with bars above a rule, as of Markdown, psql and MySQL."""

_APART = compiled(r"[^ \t\n](?:[^ \t\n]|[ ](?![ ]))*+")
"""A cell where two blanks or a tab separate it from the next."""

_BARS = compiled(r"[^|\n]+")
_RULE = compiled(r"[ \t]*[|+-][-+|: \t]*$")
_WORD = compiled(r"\S+")

_ANCHOR = compiled(
    r"(?P<head>[:-][ \t]{1,9}&(?P<anchor>[\w-]{1,60})[ \t]{1,9}(?P<quote>['\"]?))(?P<value>[^\s'\"#{\[|>&*!][^\n'\"#]{0,500})(?=(?P=quote))",
)
_ALIAS = compiled(r"(?P<name>[\w.-]{1,80})['\"]?[ \t]{0,9}:[ \t]{1,9}\*(?P<anchor>[\w-]{1,60})")


def columns(text: str) -> str:
    """Return a text without the values in columns whose header says that they are secrets."""
    parts, done = [], 0
    at = 0
    while (header := _HEADER.search(text, at)) is not None:
        at = header.end()
        bars = "|" in header[0]
        cell = _BARS if bars else _APART
        titles = [(found.start(), found[0].strip()) for found in cell.finditer(header[0])]
        named = {
            number: title
            for number, (_, title) in enumerate(titles)
            if SECRET_NAME.search(title) and is_secret_name(title)
        }
        if not named or len(titles) < 2 or not (bars or header[0] == header[0].upper()):
            continue
        starts = {titles[number][0]: number for number in named}
        for _ in range(MOST_ROWS):
            end = text.find("\n", at + 1)
            end = len(text) if end < 0 else end
            row = text[at + 1 : end]
            if at >= len(text) or not row.strip():
                break
            if not _RULE.match(row):
                for number, found in enumerate(cell.finditer(row)):
                    column = number if bars else starts.get(found.start(), -1)
                    value = found[0].strip()
                    if column in named and _hide(value, named[column]):
                        start = at + 1 + found.start() + found[0].index(value)
                        parts += [text[done:start], HIDDEN]
                        done = start + len(value)
            at = end
    return "".join([*parts, text[done:]]) if parts else text


def _hide(value: str, title: str) -> bool:
    """Tell whether the value of such a column is a secret: one word, and not the name of an object or of a key."""
    if len(_WORD.findall(value)) != 1 or harmless(value, title):
        return False
    return PASSWORD_NAME.search(title) is not None or random_looking(value, 8)


def anchors(text: str) -> str:
    """Return a text without the values of YAML's anchors that a field with the name of a secret refers to."""
    if "&" not in text or "*" not in text:
        return text
    meant = {found["anchor"] for found in _ALIAS.finditer(text) if is_secret_name(found["name"])}
    if not meant:
        return text
    return _ANCHOR.sub(
        lambda found: (
            found["head"] + HIDDEN
            if found["anchor"] in meant and not harmless(found["value"], "password")
            else found[0]
        ),
        text,
    )
