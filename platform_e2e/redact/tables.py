"""Take secrets out of the columns of tables, and out of YAML's anchors: there the name stands apart from its value."""

from __future__ import annotations

from platform_e2e.possessive import compiled
from platform_e2e.redact.names import HIDDEN, PASSWORD_NAME, SECRET_NAME, harmless, is_secret_name, random_looking

MOST_ROWS = 500
"""Lines below a header that are taken for its table."""

_CAPITALS = compiled(r"PASS|PWD|SECRET|TOKEN|CREDENTIAL|[_ -]KEY")
"""What the header of a table in capitals has, as kubectl prints it."""

_RULE_BELOW = compiled(r"\|[^\n]{0,1000}\n[ \t]*[|+-][-+|: \t]{2,1000}(?=\n)")
"""A bar in a header with a rule below it, as of Markdown, psql and MySQL."""

_LONGEST_HEADER = 2_000
"""Characters of a line that may be a header."""

_APART = compiled(r"[^ \t\n](?:[^ \t\n]|[ ](?![ ]))*+")
"""A cell where two blanks or a tab separate it from the next."""

_BARS = compiled(r"[^|\n]+")
_RULE = compiled(r"[ \t]*[|+-][-+|: \t]*$")
_WORD = compiled(r"\S+")

_ANCHOR = compiled(
    r"(?P<head>[:-][ \t]{1,9}&(?P<anchor>[\w-]{1,60})[ \t]{1,9}(?P<quote>['\"]?))(?P<value>[^\s'\"#{\[|>&*!][^\n'\"#]{0,500})(?=(?P=quote))",
)
_ALIAS = compiled(r":[ \t]{1,9}\*(?P<anchor>[\w-]{1,60})")
_NAME = compiled(r"[\w.-]{1,80}(?=['\"]?[ \t]{0,9}$)")
"""What stands before it."""


def columns(text: str) -> str:
    """Return a text without the values in columns whose header says that they are secrets."""
    parts, done, at = [], 0, 0
    for begin, end in _headers(text):
        if begin < at:
            continue
        header, at = text[begin:end], end
        bars = "|" in header
        cell = _BARS if bars else _APART
        titles = [(found.start(), found[0].strip()) for found in cell.finditer(header)]
        named = {
            number: title
            for number, (_, title) in enumerate(titles)
            if SECRET_NAME.search(title) and is_secret_name(title)
        }
        if not named or len(titles) < 2 or not (bars or header == header.upper()):
            continue
        starts = {titles[number][0]: number for number in named}
        for _ in range(MOST_ROWS):
            below = text.find("\n", at + 1)
            below = len(text) if below < 0 else below
            row = text[at + 1 : below]
            if not row.strip():
                break
            if not _RULE.match(row):
                for number, found in enumerate(cell.finditer(row)):
                    column = number if bars else starts.get(found.start(), -1)
                    value = found[0].strip()
                    if column in named and _hide(value, named[column]):
                        start = at + 1 + found.start() + found[0].index(value)
                        parts += [text[done:start], HIDDEN]
                        done = start + len(value)
            at = below
    return "".join([*parts, text[done:]]) if parts else text


def _headers(text: str) -> list[tuple[int, int]]:
    """Return where the lines that may be headers begin and end, in their order."""
    found = {_line(text, match.start()) for match in _CAPITALS.finditer(text)}
    if "|" in text:
        found |= {_line(text, match.start()) for match in _RULE_BELOW.finditer(text)}
    return sorted(line for line in found if line[1] - line[0] <= _LONGEST_HEADER)


def _line(text: str, at: int) -> tuple[int, int]:
    """Return where the line of a position begins and ends; what is too long to be a header is cut."""
    begin = text.rfind("\n", max(0, at - _LONGEST_HEADER), at)
    end = text.find("\n", at, at + _LONGEST_HEADER)
    return begin + 1 if begin >= 0 else max(0, at - _LONGEST_HEADER - 1), end if end >= 0 else min(
        len(text), at + _LONGEST_HEADER
    )


def _hide(value: str, title: str) -> bool:
    """Tell whether the value of such a column is a secret: one word, and not the name of an object or of a key."""
    if len(_WORD.findall(value)) != 1 or harmless(value, title):
        return False
    return PASSWORD_NAME.search(title) is not None or random_looking(value, 8)


def anchors(text: str) -> str:
    """Return a text without the values of YAML's anchors that a field with the name of a secret refers to."""
    if "&" not in text or "*" not in text:
        return text
    meant = {
        found["anchor"]
        for found in _ALIAS.finditer(text)
        if (name := _NAME.search(text[max(0, found.start() - 80) : found.start()])) and is_secret_name(name[0])
    }
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
