"""No word of a stranger reaches the terminal as something that it obeys, nor as a line that could pass for one of ours."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from platform_e2e import cli
from platform_e2e.errors import WrongUsage
from platform_e2e.incident import capture
from platform_e2e.runs import compare, run_options
from platform_e2e.runs.run_record import Then
from platform_e2e.runs.verdict import PromiseBroken
from tests.fakes import crafted, layers, rendering
from tests.support.box import Box

EVIL = "a\x1b]0;owned\x07\x1b[2J\x9b31m\u202eb\rc"


def sound(text: str) -> bool:
    return all(letter.isprintable() or letter in "\n\t" for letter in text)


@pytest.mark.point("terminal-escapes-shown")
def test_an_error_shows_what_it_quotes() -> None:
    error = WrongUsage(f"there is no {EVIL}", f"name {EVIL}")
    for text in (str(error), error.problem, error.remedy):
        assert sound(text)
        assert "\\x1b]0;owned\\x07" in text


@pytest.mark.point("terminal-escapes-shown")
def test_a_run_of_a_stranger_is_told_without_what_a_terminal_obeys(tmp_path: Path) -> None:
    tests = [{"test": EVIL, "outcome": "failed", "reason": EVIL, "findings": [{"cause": {"id": EVIL}}]}]
    options = dict.fromkeys(
        ("provider", "images", "charts_dir", "registry_mirror", "sealing_key"), f"{EVIL}\nfake line"
    )
    state = {"kubernetes": EVIL, "releases": [{"release": EVIL, "running": EVIL}]}
    said = crafted.said(options=options, verdict={"tests": tests}, state=state, sealing_key_sha256=EVIL)
    place = tmp_path / EVIL.replace("/", "")
    place.mkdir()
    (place / "run.json").write_bytes(said)
    with pytest.raises(WrongUsage) as refused:
        run_options.prepare({"replay": str(place)}, {})
    assert sound(str(refused.value))
    assert "\nfake line" not in str(refused.value)
    prepared = run_options.prepare({"replay": str(place), "trust": True}, {})
    assert prepared is not None
    told = "\n".join(prepared.lines())
    assert sound(told)
    assert "\nfake line" not in told
    (then,) = prepared.tests
    for now in ({}, {EVIL: Then(EVIL, "failed", (EVIL,), EVIL)}, {EVIL: Then(EVIL, EVIL, (), EVIL)}):
        assert sound(compare.table(compare.compare([then], now), width=100, colour=False))
    assert sound("\n".join(run_options.compare_states(prepared.recorded.state, {"kubernetes": "v1"})))


@pytest.mark.point("terminal-escapes-shown")
@pytest.mark.parametrize("trust", [[], ["--trust"]])
def test_an_incident_of_a_stranger_is_told_without_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], trust: list[str]
) -> None:
    monkeypatch.setattr(capture, "renderer", lambda: rendering.renderer(layers.no_objects))
    head = crafted.HEAD | {"repository": EVIL, "cluster": EVIL, "revision": EVIL, "held": [EVIL], "notes": [EVIL]}
    path = tmp_path / f"{EVIL}.tar.gz"
    foundation = dict.fromkeys(("name", "namespace", "chart", "version", "app_version"), EVIL)
    path.write_bytes(crafted.incident(incident__json=json.dumps(head).encode(), foundations__json=[foundation]))
    assert cli.main(["reproduce", str(path), "--no-shell", *trust]) == 4
    told: Any = capsys.readouterr()
    assert sound(told.out + told.err)
    assert "owned" in told.err


@pytest.mark.point("terminal-escapes-shown")
def test_a_finding_of_a_strangers_cluster_is_told_without_it(box: Box) -> None:
    box.tests(
        f"EVIL = {EVIL!r}\n"
        "import dataclasses\n"
        "@pytest.mark.promise('loadbalancer')\n"
        "def test_address(cluster, promises):\n"
        "    promises.report([dataclasses.replace(FINDING, object=EVIL, observed=EVIL)])\n"
        "def test_assertion(cluster):\n"
        "    raise ValueError(EVIL)\n"
    )
    status, out = box.run()
    assert status == 1, out
    assert sound(out), ascii(out)
    assert "owned" in out
    assert issubclass(PromiseBroken, Exception)
