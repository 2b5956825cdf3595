from __future__ import annotations

import errno
import os
import signal
from functools import partial
from typing import Any

import pytest

from platform_e2e import cli
from platform_e2e.commands import cluster, doctor, leaks
from platform_e2e.errors import BrokenHarness, WrongUsage
from tests.fakes import layers


def _note(called: dict[str, Any], name: str, *args: object, **options: object) -> int:
    called[name] = (args, options)
    return 0


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Stand in for what three commands do, and note what they were called with."""
    called: dict[str, Any] = {}
    for name, module in (("doctor", doctor), ("cluster", cluster), ("leaks", leaks)):
        monkeypatch.setattr(module, "main", partial(_note, called, name))
    return called


def test_the_doctor_before_a_run_reads_our_options_and_leaves_pytests(commands: dict[str, Any]) -> None:
    ours = ["--nodes", "2", "--layer", str(layers.DEMO)]
    assert cli.main(["doctor", "--before-run", *ours, "-m", "smoke", "-n", "4", "--co", "e2e/test_x.py::test_y"]) == 0
    (settings,), options = commands["doctor"]
    assert settings.nodes == 2
    assert options.pop("supplies").registries, "what the layer needs from elsewhere is known"
    assert options == {"quiet": True}


def test_the_doctor_by_hand_refuses_what_it_does_not_know(commands: dict[str, Any]) -> None:
    assert cli.main(["doctor", "--nodse", "2"]) == 4
    assert not commands


def test_words_after_cluster_go_through(commands: dict[str, Any]) -> None:
    assert cli.main(["cluster", "down", "e2e", "--all"]) == 0
    assert commands["cluster"][0][0] == ["down", "e2e", "--all"]
    assert cli.main(["cluster", "--help"]) == 0
    assert commands["cluster"][0][0] == ["--help"]


@pytest.mark.parametrize(("error", "status"), [(BrokenHarness("no disk", "Free some."), 3), (WrongUsage("no name"), 4)])
def test_an_error_is_its_text_and_its_status(
    error: Exception, status: int, commands: dict[str, Any], monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    def fail(*_args: object, **_options: object) -> int:
        raise error

    monkeypatch.setattr(leaks, "main", fail)
    assert cli.main(["leaks"]) == status
    assert capsys.readouterr().err.strip() == str(error)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (
            OSError(errno.ENOSPC, "No space left on device", "/tmp/x"),
            "/tmp/x cannot be written: No space left on device",
        ),
        (OSError(errno.ENOSPC, "No space left on device"), "a file cannot be written: No space left on device"),
        (
            FileNotFoundError(errno.ENOENT, "No usable temporary directory found in ['/tmp']"),
            "a file cannot be written: No usable temporary directory found in ['/tmp']",
        ),
    ],
)
def test_a_full_disk_is_no_traceback(
    commands: dict[str, Any], monkeypatch: pytest.MonkeyPatch, capsys: Any, error: OSError, words: str
) -> None:
    def fail(*_args: object, **_options: object) -> int:
        raise error

    monkeypatch.setattr(leaks, "main", fail)
    assert cli.main(["leaks"]) == 3
    said = capsys.readouterr().err
    assert said.startswith(words)
    assert "PLATFORM_E2E_CACHE" in said


def test_ctrl_c_is_no_traceback(commands: dict[str, Any], monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    def stop(*_args: object, **_options: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(leaks, "main", stop)
    assert cli.main(["leaks"]) == 2
    assert capsys.readouterr().err == "interrupted\n"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_a_command_as_ctrl_c_does(
    number: signal.Signals, commands: dict[str, Any], monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    def stop(*_args: object, **_options: object) -> int:
        os.kill(os.getpid(), number)
        return 0

    monkeypatch.setattr(leaks, "main", stop)
    assert cli.main(["leaks"]) == 2
    assert capsys.readouterr().err == "interrupted\n"


def test_a_wrong_option_of_ours_is_wrong_usage(capsys: Any) -> None:
    assert cli.main(["breaks", "--nodes", "many"]) == 4
    assert "--nodes must be a whole number from 1 to 9, got `many`" in capsys.readouterr().err


def test_breaks_refuses_an_unknown_option(capsys: Any) -> None:
    with pytest.raises(SystemExit) as error:
        cli.main(["breaks", "--kepe"])
    assert error.value.code == 4
    assert "unrecognized arguments: --kepe" in capsys.readouterr().err
