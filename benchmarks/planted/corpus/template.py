"""Texts with marks where a random value goes.

A mark is `«SORT»` or `«SORT ARGUMENT»`:

- `«word 20»`: characters of an alphabet (`ALPHABETS`), the argument is how many; `«base64 32»` of that many random bytes;
- `«odd 20»` has punctuation, `«words 3»` are words with blanks, `«uuid»`, `«jwt»`, `«key RSA PRIVATE KEY»` in PEM;
- `«-hex 40»`: random too, and no secret;
- `«a=word 20»` names the value, `«a»` writes it once more;
- `«b64 TEXT»`, `«percent TEXT»`, `«quoted TEXT»`, `«oneline TEXT»`, `«indent4 TEXT»`: writes the text so; it may have marks.

Anything else stands for itself, byte for byte.
"""

from __future__ import annotations

import base64
import json
import random
import string
import uuid
from collections.abc import Callable, Iterator
from urllib.parse import quote

from benchmarks.planted.shapes import LETTERS, Maker

OPEN, CLOSE = "«", "»"

ALPHABETS = {
    "word": LETTERS,
    "lower": string.ascii_lowercase + string.digits,
    "upper": string.ascii_uppercase + string.digits,
    "letters": string.ascii_letters,
    "digits": string.digits,
    "hex": "0123456789abcdef",
    "HEX": "0123456789ABCDEF",
    "base32": string.ascii_uppercase + "234567",
    "bech32": "QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L",
    "urlsafe": LETTERS + "_-",
}

COATS: dict[str, Callable[[str], str]] = {
    "b64": lambda text: base64.b64encode(text.encode()).decode(),
    "percent": lambda text: quote(text, safe=""),
    "quoted": lambda text: json.dumps(text)[1:-1],
    "oneline": lambda text: text.strip("\n").replace("\n", "\\n"),
    "indent2": lambda text: text.strip("\n").replace("\n", "\n  "),
    "indent4": lambda text: text.strip("\n").replace("\n", "\n    "),
    "indent6": lambda text: text.strip("\n").replace("\n", "\n      "),
    "indent8": lambda text: text.strip("\n").replace("\n", "\n        "),
}


def split(template: str) -> Iterator[tuple[bool, str]]:
    """Yield the parts of a template in order: literal text, or with True the inside of a mark.

    Args:
        template: marks may be in marks; the inner ones are part of the outer one.
    """
    depth, start = 0, 0
    for at, char in enumerate(template):
        if char == OPEN:
            if depth == 0:
                yield False, template[start:at]
                start = at + 1
            depth += 1
        elif char == CLOSE:
            depth -= 1
            if depth == 0:
                yield True, template[start:at]
                start = at + 1
            elif depth < 0:
                raise ValueError(f"a mark ends that never began, at {at}: {template[:at][-40:]}")
    if depth:
        raise ValueError(f"a mark never ends: {template[start:][:40]}")
    yield False, template[start:]


class Filler:
    """Fill one template.

    Args:
        source: where the values come from.
    """

    def __init__(self, source: random.Random) -> None:
        """Have no values."""
        self._random = source
        self._make = Maker(source.getrandbits(64))
        self._named: dict[str, str] = {}
        self.secrets: list[str] = []

    def fill(self, template: str) -> str:
        """Return the text; `secrets` has its secrets then, as they are and as they are written."""
        return "".join(self._mark(part) if marked else part for marked, part in split(template))

    def _mark(self, inside: str) -> str:
        sort, _, argument = inside.partition(" ")
        if inside in self._named:
            return self._named[inside]
        if sort in COATS:
            return self._coat(sort, self.fill(argument))
        secret, sort = not sort.startswith("-"), sort.removeprefix("-")
        name, _, sort = sort.rpartition("=")
        value, secrets = self._value(sort, argument)
        if secret:
            self.secrets += secrets
        if name:
            self._named[name] = value
        return value

    def _coat(self, sort: str, text: str) -> str:
        written = COATS[sort](text)
        if sort == "b64":
            for secret in [one for one in self.secrets if one in text]:
                self.secrets.append(_inner(written, len(text.partition(secret)[0].encode()), len(secret.encode())))
        return written

    def _value(self, sort: str, argument: str) -> tuple[str, tuple[str, ...]]:
        """Return a value of a sort, and which parts of it are secret."""
        if sort == "key":
            return self._make.key(argument)
        if sort == "jwt":
            token, signature = self._make.jwt()
            return token, (signature,)
        value = self._plain(sort, argument)
        return value, (value,)

    def _plain(self, sort: str, argument: str) -> str:
        if sort == "uuid":
            return str(uuid.UUID(int=self._random.getrandbits(128), version=4))
        size = int(argument)
        if sort == "base64":
            return self._make.base64(size)
        if sort == "words":
            return " ".join(self._make.word(7) for _ in range(size))
        if sort == "odd":
            body = list(self._make.word(size))
            for at, char in zip(range(4, size, 3), "!%+;&*~,@^", strict=False):
                body[at] = char
            return "".join(body)
        return self._make.word(size, ALPHABETS[sort])


def _inner(written: str, start: int, size: int) -> str:
    """Return the part of base64 that says nothing but a secret, which has this place in what is encoded."""
    return written[-(-start * 4 // 3) : (start + size) * 4 // 3]
