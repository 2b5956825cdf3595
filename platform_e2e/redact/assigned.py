r"""Redact in a text the values with names of secrets, in every usual notation of such a pair.

`name=value`, `name: value`, `"name": "value"`, the same inside JSON that is a string (`\"name\":\"value\"`), `--name value`,
`["--name", "value"]`, `name: NAME` with `value: VALUE` after it as in a container's environment, YAML's block scalars.

A text is read once: after a name its value is skipped, so the time is linear in the length of any text.
"""

from __future__ import annotations

import re
from functools import lru_cache

from platform_e2e.redact.names import HIDDEN, PASSWORD_NAME, STEM, harmless, qualified, random_looking
from platform_e2e.regex import compiled

_NAME = compiled(
    rf"(?P<name>{STEM})(?:[-_]?v?\d{{1,2}})?(?P<close>\\*[\"']?\]?)"
    r"(?:(?P<sep>[ \t]*(?:%3[ad]|:=|=>|==?|:)[ \t]*)"
    r"|(?P<entry>,?[\s+-]{0,200}\\*[\"']?value\\*[\"']?[ \t]*[:=][ \t]*)"
    r"|(?P<flag>[ \t]+|[ \t]*,\s{0,80}|\s{0,80}\n[ \t+]{0,80}-[ \t]+))"
)
"""The end of a name, in lower case, and the separator between name and value."""

_LOWER = {upper: upper + 32 for upper in range(ord("A"), ord("Z") + 1)}
"""Letters of ASCII only: other letters may have more characters in lower case."""

_VALUE_BELOW = compiled(r"\n[\s+-]{0,200}value[ \t]*:")
_NAME_CHARACTERS = 40
"""Characters of the longest name that is searched for at the end of a line."""

_HEAD_CHARACTERS = 160
"""Characters before a name within which the start of its line is searched for."""

_APART = compiled(r"[\s\"'\[,(]")
"""Separators of the words of a command line."""

_ENTRY = compiled(r"(?:name|key)\\*[\"']?[ \t]*[:=][ \t]*\\*[\"']?[A-Za-z0-9_./-]*$", re.IGNORECASE)
"""Text before a name that is itself a value, as in a container's environment."""

_SUM = compiled(r"(?:checksum|(?<![A-Za-z])(?:hash|digest|sha\d{1,3}|md5))[/._-][\w.-]{0,40}$", re.IGNORECASE)
"""Text before a name where the value is the checksum of a secret."""

_VARIABLE = compiled(r"\$\{\w*$")
"""Text before a name in a variable with a default: ${TOKEN:-}."""

_PROSE = compiled(
    r"[-+ \t]*(?:#|//|[A-Za-z][^\n=:{}\"']{0,80}[a-z,] [a-z][^\n=:{}\"']{0,60}[a-z,] )[^\n=:{}\"']{0,60}$|[^\n]{0,100}[ \t]#[^\n=:{}\"']{0,60}$"
)
"""Text between the start of a line and a name in a comment, or in the middle of a sentence."""

_LINE = compiled(
    r"[+ -]?[ \t]{0,64}(?:- ){0,3}(?:export |set |declare -x |setenv |ENV |ARG |env )?(?P<quote>['\"]?)[\w.$/-]{0,80}$"
)
"""Text between the start of a line and a name where the whole line is the pair."""

_DOUBLE = compiled(r'"[^"\\\n]*+(?:\\.[^"\\\n]*+)*+"?')
_SINGLE = compiled(r"'[^'\n]*+(?:''[^'\n]*+)*+'?")
_LONG_DOUBLE = compiled(r'"[^"\\]{0,8000}+(?:\\.[^"\\]{0,8000}+){0,400}+"')
_LONG_SINGLE = compiled(r"'[^']{0,16000}+'")
_ESCAPED = compiled(r"(\\+)([\"'])")
_WHOLE = compiled(r"[^\n]+")
_WORD = compiled(r"[^\s\"'`,;&)}\]<>\\]+")
_TEMPLATE = compiled(r"\{\{[^{}\n]{0,200}\}\}")
_UNTIL = {'"': compiled(r'[^"\n]+'), "'": compiled(r"[^'\n]+")}
_LIST = compiled(r"\[[^\]\n]*+\]?")
_BLOCK = compiled(r"[|>][+-]?\d?[+-]?[ \t]*(?:#[^\n]*)?\r?(?=\n)")
_ESCAPED_BLOCK = compiled(
    r"[|>][+-]?(?:\\r)?(?P<end>\\+n)(?P<indent> +)(?:[^\"\\\n]|\\(?!n))*+(?:(?P=end)(?:(?P=indent)(?:[^\"\\\n]|\\(?!n))*+|(?=\\+n)))*+"
)
_FLAT_BLOCK = compiled(r"[|>][+-]? +(?P<value>(?![\w.-]+: )[^\s]+(?: (?![\w.-]+: )[^\s]+)*+)")
_BELOW = compiled(
    r"(?:\r?\n[+ -]?[ \t]*(?=\r?\n)){0,3}\r?\n[+ -]?(?P<indent>[ ]{1,64})(?P<value>[^\s:#{\[|>&*!-][^\s:]*)[ \t]*\r?(?=\n|\Z)"
)
_BRACED = compiled(r"\{[^{}=:\n]{1,200}\}")
_COMMENT = compiled(r"[ \t]+#[^\n]*$")

_ESCAPED_CHARACTERS = 8000
"""Characters within which a quoted value inside a quoted text must end; else the rest of the line counts as the value."""


def values(text: str) -> str:
    """Return a text without the values of names of secrets."""
    lower = text.lower()
    if len(lower) != len(text):
        lower = text.translate(_LOWER)
    parts, done, at = [], 0, 0
    # In lower case: a search that ignores the case takes ten times as long.
    while (found := _NAME.search(lower, at)) is not None:
        name = qualified(found["name"], lower[max(0, found.start() - 20) : found.start()])
        if text[found.start() : found.end("name")].isupper():
            name = name.upper()
        if not name or not _is_pair(text, found):
            at = found.end("name")
            continue
        start, end, shown = _value(text, found, name)
        at = max(end, found.end("name"))
        if shown is not None and start >= done:
            parts += [text[done:start], shown]
            done = end
            if end < len(text) and text[end] == "\n" and _VALUE_BELOW.match(lower, end):
                # A line that is hidden as a whole may end with the name of the value in the next line.
                at = max(found.end("name"), end - _NAME_CHARACTERS)
    return "".join([*parts, text[done:]]) if parts else text


def _is_pair(text: str, found: re.Match[str]) -> bool:
    """Tell whether a match is a name with a value."""
    if (
        found["name"].lower() == "pass"
        and text[found.start() : found.end("name")] == "PASS"
        and found["sep"] is not None
    ):
        # The result of a test: "--- PASS: TestIt". A variable has another word before it, as DB_PASS or SSHPASS.
        before = text[found.start() - 1 : found.start()]
        return before == "_" or ("=" in found["sep"] and (not before or before.isalpha()))
    if found["sep"] is not None:
        before = text[max(0, found.start() - 60) : found.start()]
        return _SUM.search(before) is None and not (found["sep"] == ":" and _VARIABLE.search(before))
    before = text[max(0, found.start() - 60) : found.start()]
    if found["entry"] is not None:
        return bool(_ENTRY.search(before))
    dash = before.rfind("-")
    # An option: a word that begins with a dash and ends with the name.
    word = _APART.split(before)[-1]
    return dash >= 0 and _APART.search(before, dash) is None and word.startswith("-") and "=" not in word


def _value(text: str, found: re.Match[str], name: str) -> tuple[int, int, str | None]:
    """Return where a value begins and ends, and its placeholder, None where it is not a secret."""
    name, start = _exact(text, found, name), found.end()
    line = _line(text, found.start())
    whole = found["sep"] is not None and line is not None and _LINE.match(text[line : found.start()]) is not None
    following = text[start : start + 1]
    if found["sep"] is not None and ":" in found["sep"]:
        if whole and line is not None and following in {"|", ">"} and (block := _BLOCK.match(text, start)) is not None:
            return _block(text, line, block, name)
        if following in {"|", ">"} and (inner := _ESCAPED_BLOCK.match(text, start)) is not None:
            shown = f"|{inner['end']}{inner['indent']}{HIDDEN}"
            return start, inner.end(), None if inner[0] == shown else shown
        if following in {"|", ">"} and (flat := _FLAT_BLOCK.match(text, start)) is not None:
            return flat.start("value"), flat.end("value"), None if flat["value"].strip() == HIDDEN else HIDDEN
        if following in {"\n", "\r"} and (below := _BELOW.match(text, start)) is not None:
            deeper = whole and line is not None and len(below["indent"]) > _indent(text[line : found.start()])
            hide = deeper and not harmless(below["value"], name)
            return below.start("value"), below.end("value"), HIDDEN if hide else None
    if found["flag"] is not None and following == "-":
        word = _WORD.match(text, start)
        hide = word is not None and text[start + 1 : start + 2] != "-" and random_looking(word[0], 24)
        return start, word.end() if word and hide else start, HIDDEN if hide else None
    return _inline(text, found, start, name, whole=whole)


def _line(text: str, at: int) -> int | None:
    """Return where the line of a position begins; None if that is too far away."""
    low = max(0, at - _HEAD_CHARACTERS)
    found = text.rfind("\n", low, at)
    return found + 1 if found >= 0 else 0 if low == 0 else None


def _inline(text: str, found: re.Match[str], start: int, name: str, *, whole: bool) -> tuple[int, int, str | None]:  # noqa: C901, PLR0911 - one for each way to write it
    """Return begin, end and placeholder of a value in the line of its name."""
    following = text[start : start + 1]
    if text.startswith(HIDDEN, start):
        return start, start + len(HIDDEN), None
    if (template := _TEMPLATE.match(text, start)) is not None:
        return start, template.end(), None
    if following in {'"', "'"}:
        return _quoted(text, name, start, long=whole and "=" in (found["sep"] or ""))
    if (escaped := _ESCAPED.match(text, start)) is not None:
        return _escaped(text, name, escaped)
    if following == "[" and (several := _LIST.match(text, start)):
        words = re.findall(r"[^\s,\[\]\"']+", several[0])
        hide = name.lower() != "secrets" and any(not harmless(word, name) for word in words)
        return start, several.end(), f"[{HIDDEN}]" if hide else None
    if whole and not found["close"] and (quote := _open_quote(text, found)):
        # "--name=value": the quote was opened before the name.
        pattern = _UNTIL[quote]
    else:
        pattern = _WHOLE if whole and found["close"] in {"", '"', "'"} and following not in {"{", "["} else _WORD
    if (
        following == "{"
        and "=" in (found["sep"] or "")
        and PASSWORD_NAME.search(name)
        and (braced := _BRACED.match(text, start))
    ):
        return start, braced.end(), None if harmless(braced[0], name) or braced[0][1:-1] == HIDDEN else f"{{{HIDDEN}}}"
    value = pattern.match(text, start)
    if value is None or (following == "{" and not value[0].startswith("{{")):
        return start, start, None
    said, end = value[0], value.end()
    if pattern is _WHOLE:
        said = _COMMENT.sub("", said.rstrip("\r")) if len(said) < 2000 else said.rstrip("\r")
        said = said.rstrip(" \t,")
        end = start + len(said)
    if _innocent(said, name, found["sep"] or "=", whole=whole) or (not whole and _spoken_of(text, found, start)):
        return start, end, None
    return start, end, HIDDEN


def _spoken_of(text: str, found: re.Match[str], start: int) -> bool:
    """Tell whether the name is part of a sentence: `# password: taken from the Secret`."""
    line = _line(text, found.start())
    if found["sep"] is None or ":" not in found["sep"] or line is None or not _PROSE.match(text[line : found.start()]):
        return False
    end = text.find("\n", start, start + 400)
    words = text[start : end if end >= 0 else start + 400].split()
    return len(words) >= 3 and sum(word.strip(".,;:()`'").isalpha() for word in words) >= len(words) - 1


def _open_quote(text: str, found: re.Match[str]) -> str:
    """Return the quote at the start of the line before the name; empty without one."""
    line = _line(text, found.start())
    head = _LINE.match(text[line : found.start()]) if line is not None else None
    return head["quote"] if head else ""


def _exact(text: str, found: re.Match[str], name: str) -> str:
    """Return the name that was found, marked if it is only the end of a longer name."""
    start = found.end("name") - len(name)
    before = text[start - 1 : start] if start > 0 else ""
    return f"_{name}" if before.isalnum() or before in {"_", "-", "."} else name


def _innocent(said: str, name: str, sep: str, *, whole: bool) -> bool:
    """Tell whether an unquoted value need not be hidden."""
    if harmless(said, name):
        return True
    if ":" not in sep or PASSWORD_NAME.search(name):
        return False
    if not sep.endswith((" ", "\t")) and sep.lower() != "%3a":
        # Go's `%+v`, or an address such as secret:argocd/argocd-secret.
        return len(said) < 8 or not any(c.isdigit() for c in said) or said.startswith("/")
    # "invalid token: signature mismatch": a sentence, not a pair.
    first = said.split(None, 1)[0]
    return (not whole or " " in said) and first.strip(".,;").isalpha() and first.islower()


def _quoted(text: str, name: str, start: int, *, long: bool) -> tuple[int, int, str | None]:
    """Return where a quoted value begins and ends, without its quotes."""
    double = text[start] == '"'
    found = (_DOUBLE if double else _SINGLE).match(text, start)
    if found is None:  # never: one quote is enough for it
        return start, start, None
    closed = len(found[0]) > 1 and found[0].endswith(text[start])
    if long and not closed and (several := (_LONG_DOUBLE if double else _LONG_SINGLE).match(text, start)):
        found, closed = several, True
    said = found[0][1:-1] if closed else found[0][1:]
    return start + 1, found.end() - closed, None if harmless(said, name) else HIDDEN


def _escaped(text: str, name: str, quote: re.Match[str]) -> tuple[int, int, str | None]:
    """Return where a value between escaped quotes begins and ends."""
    start = quote.end()
    end = text.find(quote[0], start, start + _ESCAPED_CHARACTERS)
    if end < 0:
        rest = _WHOLE.match(text, start)
        end = rest.end() if rest else start
    return start, end, None if harmless(text[start:end], name) else HIDDEN


def _indent(before: str) -> int:
    """Return the indentation of a key; the first column counts where it is the sign of a patch."""
    bare = before[1:] if before[:1] in {"+", "-"} and before[1:2] != " " else before
    return len(bare) - len(bare.lstrip(" -"))


def _block(text: str, line: int, block: re.Match[str], name: str) -> tuple[int, int, str | None]:
    """Return where a block scalar begins and ends: it has all lines that are indented further than its key."""
    head = re.match(r"(?P<sign>[+-]?)(?P<indent> *)(?P<items>(?:- )*)", text[line : block.start()])
    sign, indent = (head["sign"], len(head["indent"])) if head else ("", 0)
    if sign == "-" and text[line + 1 : line + 2] == " " and head and not head["items"] and indent == 1:
        sign, indent = "", 0  # `- key: |` in the first column is an item of a list and not a line that a patch removes
    lines = _deeper(indent + 1, patch=bool(sign) or text[line : line + 1] == " ").match(text, block.end())
    if lines is None or not lines[0].strip():
        return block.end(), block.end(), None
    if lines[0].strip(" +-\r\n") == HIDDEN or harmless(lines[0], name):
        return block.end(), lines.end(), None
    return block.end(), lines.end(), f"\n{sign}{' ' * (indent + 2)}{HIDDEN}"


@lru_cache(maxsize=128)
def _deeper(indent: int, *, patch: bool) -> re.Pattern[str]:
    """Return a pattern of all following lines with at least an indentation, and of blank lines between them."""
    sign = "[+-]?" if patch else ""
    return compiled(rf"(?:\r?\n{sign}(?:[ ]{{{indent},}}[^\n]*|\t[^\n]*|[ \t\r]*(?=\n)))*+")
