"""Take secrets out of the columns of tables, and out of YAML's anchors: there the name stands apart from its value."""

from __future__ import annotations

from platform_e2e.redact.names import HIDDEN, PASSWORD_NAME, SECRET_NAME, harmless, is_secret_name, random_looking
from platform_e2e.regex import compiled

_CAPITALS = compiled(r"PASS|PWD|SECRET|TOKEN|CREDENTIAL|[_ -]KEY")
"""What the header of a table in capitals has, as kubectl prints it."""

_RULE_BELOW = compiled(r"\|[^\n]{0,1000}\n[ \t]*[|+-][-+|: \t]{2,1000}(?=\n)")
"""A bar in a header with a rule below it, as of Markdown, psql and MySQL."""

_LONGEST_HEADER = 2_000
"""Characters of a line that may be a header."""

_APART = compiled(r"[^ \t\n](?:[^ \t\n]|[ ](?![ ]))*+")
"""A cell where two blanks or a tab separate it from the next."""

_BETWEEN = {"|": compiled(r"[^|\n]*"), "\t": compiled(r"[^\t\n]*")}
"""A cell, which may be empty, where one sign separates it from the next."""

_RULE = compiled(r"[ \t]*[|+-][-+|: \t]*$")
_WORD = compiled(r"\S+")

_OBJECT = compiled(r"[a-z][a-z0-9]*+(?:[-.][a-z0-9]+)++$")
"""The name of an object of Kubernetes, with a suffix of kustomize or of a generated name."""

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
        at = end
        header = text[begin:end]
        sign = "|" if _bars(text, begin, end) else "\t" if "\t" in header else ""
        titles = _cells(header, sign)
        named = {place: title for place, _, title in titles if SECRET_NAME.search(title) and is_secret_name(title)}
        if not named or len(titles) < 2 or not (sign == "|" or header == header.upper()):
            continue
        while at < len(text):
            below = text.find("\n", at + 1)
            below = len(text) if below < 0 else below
            row = text[at + 1 : below]
            if not row.strip():
                break
            for place, start, value in [] if _RULE.match(row) else _cells(row, sign):
                if place in named and _hide(value, named[place]):
                    parts += [text[done : at + 1 + start], HIDDEN]
                    done = at + 1 + start + len(value)
            at = below
    return "".join([*parts, text[done:]]) if parts else text


def _bars(text: str, begin: int, end: int) -> bool:
    """Tell whether a line is a header with bars: a rule stands below it."""
    below = text.find("\n", end + 1)
    return "|" in text[begin:end] and _RULE.match(text[end + 1 : below if below >= 0 else len(text)]) is not None


def _cells(line: str, sign: str) -> list[tuple[int, int, str]]:
    """Return the cells of a line: its place, where it begins, and its text.

    Args:
        line: of a table.
        sign: what separates cells; their place is their number then, and else where they begin.
    """
    if not sign:
        return [(found.start(), found.start(), found[0].rstrip()) for found in _APART.finditer(line)]
    start = len(line) - len(line.lstrip()) if sign == "|" else 0
    start += line.startswith(sign, start) and sign == "|"
    cells, number = [], 0
    while start <= len(line):
        found = _BETWEEN[sign].match(line, start)
        whole = found[0] if found else ""
        cells.append((number, start + len(whole) - len(whole.lstrip()), whole.strip()))
        number, start = number + 1, start + len(whole) + 1
    return cells


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
    return PASSWORD_NAME.search(title) is not None or (random_looking(value, 8) and not _OBJECT.match(value))


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
