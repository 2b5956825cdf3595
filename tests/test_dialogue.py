"""A program that is talked with: lines both ways, bounds, and its end."""

from __future__ import annotations

import sys
import time
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from platform_e2e import shell
from platform_e2e.dialogue import Dialogue
from platform_e2e.pipes import TooMuch

ECHO = "import sys\nfor line in sys.stdin: sys.stdout.write(line); sys.stdout.flush()"


def talk(code: str, tmp_path: Path, most: int = 1 << 20) -> AbstractContextManager[Dialogue]:
    return shell.conversing(
        [sys.executable, "-u", "-c", code], most=most, log_file=tmp_path / "log", env={"ONLY": "this"}
    )


def soon() -> float:
    return time.monotonic() + 20


def test_lines_go_both_ways_without_either_waiting(tmp_path: Path) -> None:
    # More than both pipes hold, said before anything is heard.
    lines = [b"%d " % number + b"x" * 50_000 for number in range(20)]
    with talk(ECHO, tmp_path) as program:
        for line in lines:
            program.say(line)
        assert [program.hear(soon()) for _ in lines] == lines
        assert program.hear(time.monotonic() + 0.05) is None
        assert program.hear(time.monotonic() - 1) is None


def test_a_line_has_bounds_with_and_without_an_end(tmp_path: Path) -> None:
    for code in (
        "print('x' * 101)",
        "import sys, time; sys.stdout.write('x' * 101); sys.stdout.flush(); time.sleep(60)",
    ):
        with talk(code, tmp_path, most=100) as program, pytest.raises(TooMuch):
            program.hear(soon())
    with talk("print('x' * 100)", tmp_path, most=100) as program:
        assert program.hear(soon()) == b"x" * 100


def test_an_end_is_told_with_the_status_after_what_was_said(tmp_path: Path) -> None:
    code = "import sys; print('last'); print('why', file=sys.stderr); sys.exit(7)"
    with talk(code, tmp_path) as program:
        assert program.hear(soon()) == b"last"
        program.say(b"x" * 200_000)
        with pytest.raises(EOFError):
            program.hear(soon())
        assert program.end() == 7
        assert program.end() == 7
    assert (tmp_path / "log").read_text() == "why\n"


def test_its_whole_group_ends_with_the_block_and_it_has_no_other_variable(tmp_path: Path) -> None:
    code = (
        "import os, subprocess, sys, time; child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)']);"
        "print(child.pid, *(name for name in os.environ if name != 'LC_CTYPE')); time.sleep(60)"
    )
    with talk(code, tmp_path) as program:
        said = program.hear(soon())
        assert said is not None
        child, *names = said.split()
        assert names == [b"ONLY"]
    deadline = soon()
    while (stat := Path(f"/proc/{int(child)}/stat")).exists() and stat.read_text().split()[2] != "Z":
        assert time.monotonic() < deadline


def test_a_program_that_is_not_there_is_named(tmp_path: Path) -> None:
    conversing = shell.conversing(["/no/such/program"], most=1, log_file=tmp_path / "log", env={}, remedy="do that")
    with pytest.raises(shell.CommandError, match="`/no/such/program` could not be started"), conversing:
        pass
