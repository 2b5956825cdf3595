"""Possessive quantifiers are written as atomic groups where this Python's own are wrong."""

from __future__ import annotations

import ast
import re

import pytest

from platform_e2e import paths, regex
from platform_e2e.regex import atomic, compiled

EXEMPT = paths.ROOT / "platform_e2e" / "outside" / "documents.py"
"""Its one pattern is right on every Python, as the comment there says."""

POSSESSIVE = re.compile(r"(?<!\\)(?:[*+?]|\{\d*,?\d*\})\+")


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("a*+b", "(?>a*)b"),
        (r'"[^"\\]*+(?:\\.[^"\\]*+)*+"', r'"(?>[^"\\]*)(?>(?:\\.(?>[^"\\]*))*)"'),
        (r"(?P<q>'+)(?:x{0,30}+|y(?!(?P=q))){2,}+", r"(?P<q>'+)(?>(?:(?>x{0,30})|y(?!(?P=q))){2,})"),
        (r"[*+]{4,}a++?b", r"[*+]{4,}(?>a+)?b"),
        (r"[]+]+\+*|^(?i:a?+)$", r"[]+]+\+*|^(?i:(?>a?))$"),
        ("no quantifier (?:at all)?", "no quantifier (?:at all)?"),
    ],
)
def test_a_possessive_quantifier_is_an_atomic_group(written: str, meant: str) -> None:
    assert atomic(written) == meant
    re.compile(meant)


@pytest.mark.parametrize("right", sorted({False, regex.RIGHT}))
def test_every_python_finds_what_the_pattern_means(monkeypatch: pytest.MonkeyPatch, *, right: bool) -> None:
    monkeypatch.setattr(regex, "RIGHT", right)
    assert compiled(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"').fullmatch(r'"a\"b\\"')
    assert compiled(rb'"(?:[^"\\]++|\\.)*+"').match(b'"a\\"\xff" x')


def test_no_module_compiles_one_by_itself() -> None:
    for path in (paths.ROOT / "platform_e2e").rglob("*.py"):
        source = path.read_text()
        # To parse all of them takes half a second.
        for node in ast.walk(ast.parse(source)) if re.search(r"\bre\.", source) else ():
            if not (isinstance(node, ast.Call) and ast.unparse(node.func).startswith("re.")):
                continue
            texts = (each.value for each in ast.walk(node) if isinstance(each, ast.Constant))
            found = [
                text
                for text in texts
                if isinstance(text, str) and POSSESSIVE.search(re.sub(r"\[\^?\]?[^\]]*\]", "x", text))
            ]
            assert found == [] or path == EXEMPT, path
