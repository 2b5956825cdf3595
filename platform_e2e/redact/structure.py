"""Take secrets out of a text by its structure: whatever YAML or JSON is in it, or in what a patch changes, keeps all but them."""

from __future__ import annotations

import re
import threading
from bisect import bisect_right
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from platform_e2e.redact.data import taken
from platform_e2e.redact.names import HIDDEN, HIDDEN_IN_BASE64, STEM, placeholder
from platform_e2e.redact.nodes import Leaf, leaves
from platform_e2e.redact.reading import read

LARGEST = 12_000_000
"""Characters of a text whose structure is looked at: more than any file of a layer or any artifact has."""

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
"""What a text has in which the structure says more than the names in its lines; the first is looked for before the second."""

_SECRET = ("secret", "stringdata", "pass", "pwd", "token", "cred", "auth", "key", "/data", "\\x00", "\\u00", "psk")
"""In lower case, one of these is in every text that has one: a tenth of the time that a pattern takes which ignores the case."""
_CIPHERTEXT = re.compile(r"Ag[A-Za-z0-9+/]{8,}={0,2}\Z")
_ASIDE = re.compile(r"<sealed-\d+>")
_ENDS = re.compile(rf"{STEM}:$")
_PATCH = re.compile(r"^(?:@@ |diff --git |\+)", re.MULTILINE)
_HEAD = re.compile(r"(?:---|\+\+\+|diff --git|index|new file|deleted file|similarity|rename|@@|\\) ?")


@dataclass
class Marker:
    """Remember where secrets stand in a text.

    Attributes:
        source: what was read.
        spans: of each, its start, its end and what stands there instead.
        usable: the text must still be one of the same format, as the API server takes it.
        sealed: where values stand that everybody may read.
        of_secret: there are values of a Secret among them.
        done: blocks that were looked into.
    """

    source: str
    usable: bool
    spans: dict[tuple[int, int], str] = field(default_factory=dict)
    sealed: list[tuple[int, int]] = field(default_factory=list)
    of_secret: bool = False
    done: set[int] = field(default_factory=set)

    def secret(self, value: Any, *, data: bool = False, whose: str = "", name: str = "") -> Any:
        """Mark every scalar in it."""
        for leaf in leaves(value):
            if (
                name
                and not self.usable
                and _ENDS.search(f"{name.lower()}:")
                and name in self.source[max(0, leaf.start - len(name) - 8) : leaf.start]
            ):
                continue  # the name stands beside it: `assigned` takes it
            self._mark(leaf, HIDDEN_IN_BASE64 if data and self.usable else HIDDEN, whose)
        return value

    def pair(self, value: str) -> Any:
        """Mark what comes after the first equals sign."""
        _, equals, inner = value.partition("=")
        if isinstance(value, Leaf) and equals and inner.strip("'\"") not in {"", HIDDEN}:
            at = self.source.find("=", value.start, value.end) + 1
            if at:
                self.spans[(at, value.end)] = HIDDEN
        return value

    def text(self, value: str, *, of_secret: bool = False) -> Any:
        """Look at the structure of a text in the text."""
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
        """Leave it."""
        return value

    def applied(self, value: Any) -> Any:
        """Look at the structure of it."""
        return self.text(value) if isinstance(value, Leaf) and "Secret" not in value else self.secret(value)

    def public(self, value: Any) -> Any:
        """Remember that it may stay."""
        self.sealed += [(leaf.start, leaf.end) for leaf in leaves(value)]
        return value

    def _mark(self, leaf: Leaf, shown: str, whose: str) -> None:
        bare = leaf.strip()
        if leaf.end <= leaf.start or (placeholder(bare) and not bare.startswith("$")) or bare.startswith("${"):
            return
        start = leaf.start
        if not leaf.style and self.source[leaf.start : leaf.end].startswith("{{"):
            return  # a template: what it is filled with is elsewhere
        if self.usable and leaf.style not in {'"', "'"} and shown == HIDDEN:
            shown = f'"{HIDDEN}"'
        self.of_secret = self.of_secret or bool(whose)
        self.spans[(start, leaf.end)] = shown


class _Empty(threading.local):
    """The file in whose structure this thread has last found nothing: what cleans its text by other means need not look again.

    Attributes:
        text: of the file. What is found where a text need not stay usable is found where it must, too.
    """

    text = ""

    def has(self, text: str) -> bool:
        """Tell whether it is that text."""
        return text == self.text


_EMPTY = _Empty()


def _worth(value: str) -> bool:
    for needle, pattern in _WORTH:
        if needle in value and pattern.search(value):
            lower = value.lower()
            return any(word in lower for word in _SECRET)
    return False


def hidden(text: str, *, usable: bool = False, of_secret: bool = False) -> str:
    """Return a text without the values that its structure says are secrets.

    Args:
        text: of any kind; what is no YAML and no JSON stays.
        usable: what stands in their place is a string of YAML, and base64 where a Secret has base64.
        of_secret: it is a patch of a Secret, as a kustomization has them.
    """
    if not (of_secret or _worth(text)) or len(text) > LARGEST or (not of_secret and _EMPTY.has(text)):
        return text
    return _replaced(text, marked(text, usable=usable, of_secret=of_secret).spans)


def emptied(text: str, clean: Callable[[str], str], *, usable: bool) -> tuple[str, bool]:
    """Return a file's text without secrets, and whether values of a Secret were among it.

    Args:
        text: of the file.
        clean: takes the secrets out of what no structure has told of; ciphertext that is meant for Git is kept from it.
        usable: as `hidden` has it.
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
    """Return where the secrets of a text stand; in a patch those of the file before and of the file after it."""
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
    """Return a patch in which the lines of the file before and of the file after it have no secrets.

    Args:
        text: with the hunks of a patch.
        clean: takes the secrets out of a file's text.
    """
    lines = text.split("\n")
    for sign in "-+":
        numbers = [number for number, line in enumerate(lines) if _belongs(line, sign)]
        before = [lines[number][1:] if lines[number][:1] in {" ", sign} else "---" for number in numbers]
        after = clean("\n".join(before)).split("\n")
        if len(after) != len(before):
            continue  # a value of several lines: what knows of the signs takes it out
        for number, was, now in zip(numbers, before, after, strict=True):
            if was != now:
                lines[number] = lines[number][:1] + now
    return "\n".join(lines)


def _belongs(line: str, sign: str) -> bool:
    """Tell whether a line of a patch is one of a file, or where a hunk begins."""
    if line.startswith(("@@", "diff --git")):
        return True
    return line[:1] in {" ", sign} and not (line[:4] in {"--- ", "+++ "} and line[4:6] in {"a/", "b/", "/d"})


def _of_view(view: str, places: list[tuple[int, int]], into: Marker) -> None:
    """Mark in a patch what is a secret in one of its two files."""
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
    """Return one of the files of a patch, as far as it is there, and where each of its lines stands in the file and in the patch."""
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
    for (start, end), shown in sorted(spans.items(), key=lambda one: (one[0][0], -one[0][1])):
        if start >= done:
            parts += [text[done:start], shown]
            done = end
    return "".join([*parts, text[done:]]) if parts else text
