"""Redact secrets in a text by its structure: in all YAML and JSON of a text, and in the files that a patch changes."""

from __future__ import annotations

import re
import threading
from bisect import bisect_right
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from platform_e2e.redact.data import taken
from platform_e2e.redact.names import HIDDEN, HIDDEN_IN_BASE64, STEM, placeholder
from platform_e2e.redact.reading import read
from platform_e2e.redact.yaml_nodes import Leaf, leaves

LARGEST = 12_000_000
"""Characters of a text whose structure is read; files of a layer and artifacts have fewer."""

_WORTH = tuple(
    (needle, re.compile(pattern, re.MULTILINE))
    for needle, pattern in {
        "kind": r"kind[\"'\\]{0,6}[ \t]*:",
        "secretGenerator": "secretGenerator",
        "tringData": "tringData",
        "/data": r"/data\b",
        "\\": r"\\[xu]00",
        "value": r"value[\"']?[ \t]*:",
        "credentials": r"credentials[\"']?[ \t]*:",
        "redentials": r"redentials\w{0,20}[\"']?[ \t]*:",
        "ecrets": r"ecrets[\"']?[ \t]*:",
        "asswords": r"asswords[\"']?[ \t]*:",
        "okens": r"okens[\"']?[ \t]*:",
        "ecret": r"ecret(?:Data|Env|Contents)?[\"']?[ \t]*:[ \t]*[\r\n{&!]",
        "Keys": r"[iI]Keys[\"']?[ \t]*:",
        "asic": r"asic_?[aA]uth\w{0,20}[\"']?[ \t]*:",
        "ecure": r"secure(?:JsonData|Settings)",
        "random_password": "random_password",
        "tls_private_key": "tls_private_key",
        "passwd": "chpasswd:",
        '"auth"': r'"auth" ?:',
        "redis-cli": "redis-cli",
    }.items()
)
"""Signs of a text in which structure finds more than names do: a needle, and a pattern that is tried where the needle is."""

_SECRET = ("secret", "stringdata", "pass", "pwd", "token", "cred", "auth", "key", "/data", "\\x00", "\\u00", "psk")
"""Every text with a secret has one of these in lower case; a pattern that ignores the case takes ten times as long."""
_CIPHERTEXT = re.compile(r"Ag[A-Za-z0-9+/]{8,}={0,2}\Z")
_ASIDE = re.compile(r"<sealed-\d+>")
_ENDS = re.compile(rf"{STEM}:$")
_PATCH = re.compile(r"^(?:@@ |diff --git |\+)", re.MULTILINE)
_HEAD = re.compile(r"(?:---|\+\+\+|diff --git|index|new file|deleted file|similarity|rename|@@|\\) ?")


@dataclass
class Marker:
    """Record the positions of the secrets in a text.

    Attributes:
        source: the text.
        spans: placeholder of each secret by its start and end.
        usable: whether the redacted text must still be a manifest that the API server accepts.
        sealed: start and end of public values.
        of_secret: whether values of a Secret are among the secrets.
        done: starts of the blocks that were read.
    """

    source: str
    usable: bool
    spans: dict[tuple[int, int], str] = field(default_factory=dict)
    sealed: list[tuple[int, int]] = field(default_factory=list)
    of_secret: bool = False
    done: set[int] = field(default_factory=set)

    def secret(self, value: Any, *, data: bool = False, owner: str = "", name: str = "") -> Any:
        """Record every scalar of a secret."""
        for leaf in leaves(value):
            if (
                name
                and not self.usable
                and _ENDS.search(f"{name.lower()}:")
                and name in self.source[max(0, leaf.start - len(name) - 8) : leaf.start]
            ):
                continue  # the name stands beside the value: `assigned` redacts it
            self._mark(leaf, HIDDEN_IN_BASE64 if data and self.usable else HIDDEN, owner)
        return value

    def pair(self, value: str) -> Any:
        """Record the part after the first equals sign."""
        _, equals, inner = value.partition("=")
        if isinstance(value, Leaf) and equals and inner.strip("'\"") not in {"", HIDDEN}:
            at = self.source.find("=", value.start, value.end) + 1
            if at:
                self.spans[(at, value.end)] = HIDDEN
        return value

    def text(self, value: str, *, of_secret: bool = False) -> Any:
        """Record the secrets of a text within the text."""
        if (
            isinstance(value, Leaf)
            and value.style in {"|", ">"}
            and value.body not in self.done
            and (of_secret or _worth(value))
        ):
            self.done.add(value.body)
            for root in read(self.source, value.body, value.end):
                taken(root, "", self, of_secret=of_secret)
        elif isinstance(value, Leaf) and value.style in {"'", '"'} and '{"' in value and _worth(value):
            for root in read(self.source, value.start, value.end):
                taken(root, "", self, of_secret=of_secret)
        return value

    def key(self, value: Any) -> Any:
        """Return the key unchanged."""
        return value

    def applied(self, value: Any) -> Any:
        """Record the secrets of an object that is the text of an annotation."""
        return self.text(value) if isinstance(value, Leaf) and "Secret" not in value else self.secret(value)

    def public(self, value: Any) -> Any:
        """Record the position of a public value."""
        self.sealed += [(leaf.start, leaf.end) for leaf in leaves(value)]
        return value

    def _mark(self, leaf: Leaf, shown: str, owner: str) -> None:
        bare = leaf.strip()
        if leaf.end <= leaf.start or (placeholder(bare) and not bare.startswith("$")) or bare.startswith("${"):
            return
        start = leaf.start
        if not leaf.style and self.source[leaf.start : leaf.end].startswith("{{"):
            return  # a template: its value is elsewhere
        if self.usable and leaf.style not in {'"', "'"} and shown == HIDDEN:
            shown = f'"{HIDDEN}"'
        self.of_secret = self.of_secret or bool(owner)
        self.spans[(start, leaf.end)] = shown


class _Empty(threading.local):
    """The last file of this thread without secrets in its structure, which need not be read again.

    Attributes:
        text: of the file. The structure has the same secrets whether or not the text must stay usable.
    """

    text = ""

    def has(self, text: str) -> bool:
        """Tell whether a text is that of the file."""
        return text == self.text


_EMPTY = _Empty()


def _worth(value: str) -> bool:
    for needle, pattern in _WORTH:
        if needle in value and pattern.search(value):
            lower = value.lower()
            return any(word in lower for word in _SECRET)
    return False


def hidden(text: str, *, usable: bool = False, of_secret: bool = False) -> str:
    """Return a text without the secrets that its structure shows.

    Args:
        text: of any kind; parts that are not YAML or JSON stay.
        usable: whether placeholders must be strings of YAML, and base64 where a Secret has base64.
        of_secret: whether the text is a patch of a Secret, as in a kustomization.
    """
    if not (of_secret or _worth(text)) or len(text) > LARGEST or (not of_secret and _EMPTY.has(text)):
        return text
    return _replaced(text, marked(text, usable=usable, of_secret=of_secret).spans)


def emptied(text: str, clean: Callable[[str], str], *, usable: bool) -> tuple[str, bool]:
    """Return a file's text without secrets, and whether values of a Secret were among it.

    Args:
        text: of the file.
        clean: redacts the secrets that structure does not show; ciphertext that is meant for Git is not passed to it.
        usable: as in `hidden`.
    """
    if not _worth(text) or len(text) > LARGEST:
        return clean(text), False
    marker = marked(text, usable=usable)
    if not marker.spans:
        _EMPTY.text = text
    aside = {
        span: f"<sealed-{number}>" for number, span in enumerate(marker.sealed) if _CIPHERTEXT.match(text[slice(*span)])
    }
    shown = clean(_replaced(text, marker.spans | aside))
    put_back = {word: text[slice(*span)] for span, word in aside.items()}
    return _ASIDE.sub(lambda found: put_back.get(found[0], found[0]), shown) if aside else shown, marker.of_secret


def marked(text: str, *, usable: bool = False, of_secret: bool = False) -> Marker:
    """Return the positions of the secrets of a text; in a patch those of the files before and after it."""
    marker = Marker(text, usable)
    for root in read(text):
        taken(root, "", marker, of_secret=of_secret)
    if _PATCH.search(text):
        for sign in "-+":
            view, places = _view(text, sign)
            if view:
                _of_view(view, places, marker)
    return marker


def has_secret(text: str) -> bool:
    """Tell whether a patch, or a manifest, has values of a Secret."""
    return _worth(text) and marked(text).of_secret


def each_side(text: str, clean: Callable[[str], str]) -> str:
    """Return a patch without the secrets of the files before and after it.

    Args:
        text: with the hunks of a patch.
        clean: redacts the text of a file.
    """
    lines = text.split("\n")
    for sign in "-+":
        numbers = [number for number, line in enumerate(lines) if _belongs(line, sign)]
        before = [lines[number][1:] if lines[number][:1] in {" ", sign} else "---" for number in numbers]
        after = clean("\n".join(before)).split("\n")
        if len(after) != len(before):
            continue  # a value of several lines: it was redacted in the patch as a whole
        for number, was, now in zip(numbers, before, after, strict=True):
            if was != now:
                lines[number] = lines[number][:1] + now
    return "\n".join(lines)


def _belongs(line: str, sign: str) -> bool:
    """Tell whether a line of a patch belongs to one of its two files, or begins a hunk."""
    if line.startswith(("@@", "diff --git")):
        return True
    return line[:1] in {" ", sign} and not (line[:4] in {"--- ", "+++ "} and line[4:6] in {"a/", "b/", "/d"})


def _of_view(view: str, places: list[tuple[int, int]], into: Marker) -> None:
    """Record in a patch the secrets of one of its two files."""
    marker = Marker(view, into.usable)
    for root in read(view):
        taken(root, "", marker)
    starts = [start for start, _ in places]
    into.of_secret = into.of_secret or marker.of_secret
    for (start, end), shown in marker.spans.items():
        at = start
        while at < end:
            number = bisect_right(starts, at) - 1
            newline = view.find("\n", at, end)
            stop = end if newline < 0 else newline
            first = at + len(view[at:stop]) - len(view[at:stop].lstrip(" ")) if at != start else at
            if first < stop:
                offset = places[number][1] - places[number][0]
                into.spans[(first + offset, stop + offset)] = shown if at == start else HIDDEN
            at = stop + 1


def _view(text: str, sign: str) -> tuple[str, list[tuple[int, int]]]:
    """Return the known lines of one file of a patch, and the position of each in the file and in the patch."""
    parts, places, length, at = [], [], 0, 0
    for line in text.split("\n"):
        if _belongs(line, sign):
            of_file = line[:1] in {" ", sign}
            places.append((length, at + of_file))
            parts.append(line[1:] if of_file else "---")
            length += len(parts[-1]) + 1
        at += len(line) + 1
    return "\n".join(parts), places


def _replaced(text: str, spans: Mapping[tuple[int, int], str]) -> str:
    parts, done = [], 0
    for (start, end), shown in sorted(spans.items(), key=lambda item: (item[0][0], -item[0][1])):
        if start >= done:
            parts += [text[done:start], shown]
            done = end
    return "".join([*parts, text[done:]]) if parts else text
