"""Convert untrusted plain data to types, and say in one sentence which field has another type."""

from __future__ import annotations

import re
from typing import TypeVar

import msgspec

from platform_e2e.outside.documents import NoDocument

UNFIT = re.compile(r"Expected (?P<wanted>`[^`]+`), got (?P<got>`[^`]+`)(?: - at `\$\.?(?P<field>[^`]+)`)?")
LACKS = re.compile(r"Object missing required field (?P<lacks>`[^`]+`)(?: - at `\$\.?(?P<field>[^`]+)`)?")
"""What msgspec says of a value of another type, and of an absent field (msgspec 0.20, src/msgspec/_core.c)."""

TYPES = {"object": "a mapping", "array": "a list", "str": "a text", "int": "an integer", "bool": "true or false"}
"""Types as errors name them; other names of msgspec stay."""

T = TypeVar("T")


def converted(value: object, kind: type[T]) -> T:
    """Return plain data as an object; fields that its type does not have are ignored.

    Args:
        value: from JSON or YAML.
        kind: a dataclass or a struct.

    Raises:
        NoDocument: a field is absent or has another type; the text names it and quotes no value.
    """
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise NoDocument(_sentence(str(error))) from error
    except UnicodeEncodeError as error:
        raise NoDocument("must be of whole characters, got half of a surrogate pair") from error


def json_as(data: bytes, kind: type[T]) -> T:
    """Return a JSON text as an object; fields that its type does not have take no memory.

    Args:
        data: the text, of which the caller bounds the size.
        kind: a dataclass or a struct.

    Raises:
        NoDocument: it is not JSON, is nested too deeply, or a field is absent or has another type; the text quotes no value.
    """
    try:
        return msgspec.json.decode(data, type=kind)
    except msgspec.ValidationError as error:
        raise NoDocument(_sentence(str(error))) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise NoDocument(f"cannot be read as JSON: {type(error).__name__}") from error


def _sentence(said: str) -> str:
    """Return what msgspec says of a value as the end of a sentence: FIELD must be ..., got ...."""
    if match := LACKS.fullmatch(said):
        said = f"must have the field {match['lacks']}"
    elif match := UNFIT.fullmatch(said):
        said = f"must be {_types(match['wanted'])}, got {_types(match['got'])}"
    return f"`{match['field']}` {said}" if match and match["field"] else said


def _types(words: str) -> str:
    """Return types that msgspec names in the words of this package: `object | null` as `a mapping or null`."""
    return " or ".join(TYPES.get(word, word) for word in words.strip("`").split(" | "))
