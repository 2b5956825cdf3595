"""A run.json of any shape is read or refused as a sentence; what is made of a run is its reader's alone, and goes away."""

from __future__ import annotations

import copy
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from platform_e2e import paths
from platform_e2e.errors import HarnessError, WrongUsage
from platform_e2e.runs import restore_layer, run_options, snapshot
from platform_e2e.runs.compare import as_json, compare, summary, table
from platform_e2e.settings import resolve
from platform_e2e.untrusted.tarformat import MemberKind
from tests.fakes import crafted

SOUND: dict[str, Any] = {
    "exit_code": 1,
    "kept": False,
    "options": {
        "provider": "embedded",
        "nodes": 2,
        "servers": 1,
        "images": "built",
        "registry_mirror": None,
        "deadline": 900.0,
        "charts_dir": None,
        "strict_versions": True,
        "sealing_key": "/home/ci/key.yaml",
    },
    "harness": {"commit": "a" * 40, "digest": "", "besides": "platform", "patch_withheld": ["x"]},
    "layer": {
        "commit": "b" * 40,
        "prefix": "platform/",
        "uncommitted": [" M x"],
        "repository": "/home/ci",
        "withheld": [{"path": "a", "what": "values", "committed": True}],
        "patch_withheld": ["x"],
    },
    "state": {
        "provider": "embedded",
        "kubernetes": "v1",
        "nodes": 1,
        "pool": {"a": "b"},
        "images": [{"image": "a", "digest": "b"}],
        "releases": [{"release": "metallb", "running": "v1", "chart": "metallb 1"}],
    },
    "sealing_key_sha256": "0" * 64,
    "verdict": {
        "tests": [
            {"test": "e2e/a.py::a", "outcome": "failed", "reason": "x", "findings": [{"cause": {"id": "x"}}]},
            {"test": "e2e/a.py::b", "outcome": "blocked"},
        ]
    },
}

ODD: tuple[Any, ...] = (
    None,
    True,
    0,
    -1,
    10**30,
    1.5,
    "",
    "text",
    "a\0b",
    "../..",
    [],
    [[]],
    [None],
    {},
    {"a": {}},
    {"id": []},
)


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield where each value of a document is."""
    yield path
    for key, one in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield from places(one, (*path, key))


def replaced(path: tuple[Any, ...], odd: Any) -> Any:
    if not path:
        return odd
    whole = copy.deepcopy(SOUND)
    holder = whole
    for key in path[:-1]:
        holder = holder[key]
    holder[path[-1]] = odd
    return whole


@pytest.mark.point("replay-trusts-no-path")
@pytest.mark.parametrize(("number", "odd"), list(enumerate(ODD)), ids=lambda one: repr(one)[:20])
def test_any_value_may_be_anything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, odd: Any) -> None:
    """Each is tried at every second value, so that half of them are tried at each value."""
    monkeypatch.setenv("PLATFORM_E2E_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(run_options, "work", lambda _: None)
    monkeypatch.setattr("platform_e2e.git.repository._found", lambda _: None)
    place = crafted.directory(tmp_path / "run")
    (place / "layer.tar.gz").write_bytes(snapshot.pack({"a": ("file", b"x", False)}))
    for path in list(places(SOUND))[number % 2 :: 2]:
        (place / "run.json").write_text(json.dumps(replaced(path, odd)))
        try:
            prepared = run_options.prepare({"replay": str(place), "trust": True}, {})
            assert prepared is not None
            run_options.with_layer(prepared)
            settings = resolve(prepared.chosen, {})
        except WrongUsage:
            continue
        assert prepared.lines()
        compared = compare(prepared.tests, {})
        assert table(compared, width=80, colour=False)
        assert summary(compared)
        assert json.dumps(as_json(compared))
        run_options.compare_states(prepared.recorded.state, {"nodes": 1, "images": {}, "releases": {}})
        assert settings.layer.is_relative_to(tmp_path / "cache"), path


def replay(place: Path) -> Path:
    prepared = run_options.prepare({"replay": str(place), "trust": True}, {})
    assert prepared is not None
    return Path(str(run_options.with_layer(prepared).chosen["layer"]))


@pytest.mark.point("replay-trusts-no-path")
def test_a_layer_that_was_made_again_is_its_makers_alone_and_goes_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Secrets that were put back from Git are in it."""
    monkeypatch.setenv("PLATFORM_E2E_CACHE", str(tmp_path / "cache"))
    place = crafted.directory(tmp_path / "run")
    packed = snapshot.pack({"a/secret.yaml": ("file", b"x", False), "run.sh": ("file", b"x", True)})
    (place / "layer.tar.gz").write_bytes(packed)
    layer = replay(place)
    made = [path for path in layer.parent.rglob("*") if path.is_file()]
    assert {path.name: path.stat().st_mode & 0o777 for path in made if path.parent != layer.parent} == {
        "secret.yaml": 0o600,
        "run.sh": 0o700,
    }
    assert layer.parent.stat().st_mode & 0o077 == 0
    (layer / "run.sh").write_text("worked on")
    replay(place)
    aside = paths.cache() / restore_layer.CHANGED
    (first,) = aside.iterdir()
    long_ago = time.time() - 30 * 86_400
    for path in (first, *first.rglob("*")):
        os.utime(path, (long_ago, long_ago))
    (layer / "run.sh").write_text("worked on again")
    assert replay(place) == layer
    (second,) = aside.iterdir()
    assert (second / "layer" / "run.sh").read_text() == "worked on again"


@pytest.mark.point("links-not-followed")
def test_nothing_is_written_where_a_link_of_the_copy_leads(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("mine")
    target = tmp_path / "in" / "layer"
    target.mkdir(parents=True)
    for sort in (b"1", b"2"):
        packed = crafted.tar(crafted.member("a", sort=sort, link=b"../../victim"), crafted.member("a", b"theirs"))
        with pytest.raises(HarnessError):
            restore_layer.unpack(packed, target, "run")
    assert victim.read_text() == "mine"
    assert not list(target.iterdir()), "a copy with anything like it is not unpacked at all"
    assert MemberKind.LINK
