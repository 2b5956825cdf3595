from __future__ import annotations

import random
import re
from collections import Counter

import pytest

from benchmarks.planted.corpus import Innocuous, Planted, innocuous, measure, shapes
from benchmarks.planted.corpus.template import Filler, split
from benchmarks.planted.search import coats

PUBLIC = {"gitleaks", "trufflehog", "detect-secrets", "github", "kubernetes", "helm", "argo-cd"}
SCANNERS = {"gitleaks", "trufflehog", "detect-secrets", "github"}

EVERYTHING: list[Planted | Innocuous] = [*shapes(), *innocuous()]


def test_there_are_two_hundred_of_each_and_half_of_the_kinds_are_other_peoples() -> None:
    assert len(shapes()) >= 200
    assert len(innocuous()) >= 200
    assert {one.rule_set for one in shapes()} <= PUBLIC | {""}
    of_scanners = [(one.rule_set, one.rule) for one in shapes() if one.rule_set in SCANNERS]
    assert all(rule for _, rule in of_scanners)
    assert len(set(of_scanners)) >= 100
    assert sum(not one.rule_set for one in shapes()) >= 90


def test_ids_are_unique_and_every_text_has_a_file_name() -> None:
    assert [name for name, times in Counter(one.id for one in EVERYTHING).items() if times > 1] == []
    for one in EVERYTHING:
        assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", one.id), one.id
        assert re.fullmatch(r"[A-Za-z0-9._-]+", one.file), one.id
        assert one.template.endswith("\n"), one.id


def test_a_shape_has_its_secrets_where_its_marks_are_and_nowhere_else() -> None:
    for shape in shapes():
        _assert_marked_alone(shape)


def _assert_marked_alone(shape: Planted) -> None:
    text, secrets = shape.fill(random.Random(7))
    parts = list(split(shape.template))
    literals = [part for marked, part in parts if not marked]
    found = re.fullmatch("(.+?)".join(map(re.escape, literals)), text, re.DOTALL)
    assert found, text
    values = found.groups()
    assert len(values) == sum(marked for marked, _ in parts)
    assert secrets
    written = [{coat.decode() for coat in coats(secret).values()} for secret in secrets]
    assert any(any(coat in value for coat in each) for each in written for value in values), text
    for secret, each in zip(secrets, written, strict=True):
        assert len(secret) >= 8, secret
        assert not any(coat in literal for coat in each for literal in literals), secret
    # Each value that is a secret has one in it, as it is or in base64; else the search would not find that it was left.
    for (_, inside), value in zip([part for part in parts if part[0]], values, strict=True):
        if not inside.startswith("-") and not re.fullmatch(r"[a-z]+", inside):
            assert any(coat in value for each in written for coat in each), inside


def test_the_same_random_values_make_the_same_text_and_others_another() -> None:
    for one in EVERYTHING:
        text = one.fill(random.Random(7)).text
        assert one.fill(random.Random(7)).text == text, one.id
        assert (one.fill(random.Random(8)).text != text) == ("«" in one.template), one.id
        assert "«" not in text, one.id
        assert "»" not in text, one.id


def test_an_innocuous_text_has_no_secrets() -> None:
    assert all(one.fill(random.Random(7)).secrets == () for one in innocuous())


def test_who_hides_nothing_misses_every_shape_and_who_hides_all_changes_every_innocuous_text() -> None:
    open_hand = measure(lambda _name, text: text, random.Random(7))
    assert open_hand.missed == tuple(one.id for one in shapes())
    assert open_hand.changed == ()
    fist = measure(lambda _name, _text: "", random.Random(7))
    assert fist.missed == ()
    assert fist.changed == tuple(one.id for one in innocuous())


def test_a_mark_in_a_mark_is_found_in_base64_of_base64() -> None:
    filler = Filler(random.Random(7))
    text = filler.fill('a: «b64 {"auth": "«b64 robot:«pw=word 20»»"}», again «pw», «-word 9»')
    plain, once, twice = filler.secrets
    assert text.count(plain) == 1
    assert once not in text
    assert len(once) > 20
    assert text.count(twice) == 1
    assert len(twice) > 30


@pytest.mark.parametrize("template", ["«word 20", "word 20»", "«nothing 3»"])
def test_a_wrong_mark_is_refused(template: str) -> None:
    with pytest.raises((ValueError, KeyError)):
        Filler(random.Random(7)).fill(template)
