"""The runner: what a program printed, what it is given, and what its errors say."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from platform_e2e import paths, shell


def python(code: str) -> list[str]:
    return [sys.executable, "-u", "-c", code]


def test_run_returns_both_outputs_and_the_status() -> None:
    done = shell.run(
        python("import sys; print(input()); print('e', file=sys.stderr); sys.exit(3)"),
        timeout=10,
        ok=[3],
        stdin="word\n",
    )
    assert (done.returncode, done.stdout, done.stderr) == (3, "word\n", "e\n")


def test_an_unexpected_status_shows_command_end_of_output_and_remedy() -> None:
    code = "import sys; [print(n, file=sys.stderr) for n in range(100)]; sys.exit(2)"
    with pytest.raises(shell.CommandError) as error:
        shell.run(python(code), timeout=10, remedy="do that")
    text = str(error.value)
    assert "ended with status 2" in text
    assert "    99" in text
    assert "\n    79\n" not in text
    assert text.endswith("remedy: do that")


def test_a_program_that_is_not_there_is_an_error_that_names_it() -> None:
    with pytest.raises(shell.CommandError, match="`/no/such/program -x` could not be started: No such file"):
        shell.run(["/no/such/program", "-x"], timeout=1)
    with pytest.raises(shell.CommandError, match="`/no/such/program` could not be started: No such file"):
        shell.stream(["/no/such/program"], timeout=1, on_line=lambda _: None)


def gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return Path(f"/proc/{pid}/stat").read_text().split()[2] == "Z"


def assert_gone_soon(pid: int) -> None:
    deadline = time.monotonic() + 5
    while not gone(pid):
        assert time.monotonic() < deadline, f"process {pid} still lives"


CHILD = "import subprocess,sys; c=subprocess.Popen(['sleep','60']); print(c.pid); c.wait()"


def test_a_timeout_kills_the_whole_process_group() -> None:
    with pytest.raises(shell.CommandError, match=r"did not end within 0\.5 s") as error:
        shell.run(python(CHILD), timeout=0.5)
    assert_gone_soon(int(error.value.output))


def test_a_timeout_does_not_wait_for_a_grandchild_that_left_the_group() -> None:
    child = "import subprocess; subprocess.Popen(['sleep','8'],start_new_session=True); print('said',flush=True); 1/0"
    start = time.monotonic()
    with pytest.raises(shell.CommandError, match=r"did not end within 0\.5 s\n    said"):
        shell.run(python(child), timeout=0.5)
    assert time.monotonic() - start < 6


def test_an_interruption_stays_one_when_the_program_ends_at_the_same_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    communicate = subprocess.Popen.communicate

    def interrupted(process: subprocess.Popen[bytes], *_: object, **__: object) -> None:
        # What Popen.communicate does on Ctrl-C: it gives the program a moment to end, and buries it.
        monkeypatch.setattr(subprocess.Popen, "communicate", communicate)
        process.wait()
        raise KeyboardInterrupt

    monkeypatch.setattr(subprocess.Popen, "communicate", interrupted)
    with pytest.raises(KeyboardInterrupt):
        shell.run(["true"], timeout=5)


def test_stream_hands_on_lines_as_they_come_and_keeps_them_in_the_log(tmp_path: Path) -> None:
    seen: list[tuple[str, float]] = []
    code = "import sys,time; print('a'); time.sleep(0.3); print('b', file=sys.stderr); print('c', end='')"
    done = shell.stream(
        python(code), timeout=10, on_line=lambda line: seen.append((line, time.monotonic())), log_file=tmp_path / "log"
    )
    assert [line for line, _ in seen] == ["a", "b", "c"]
    assert seen[1][1] - seen[0][1] > 0.2
    assert done.stdout == "a\nb\nc"
    assert (tmp_path / "log").read_text() == "a\nb\nc"


def test_stream_ticks_while_nothing_is_printed() -> None:
    ticks: list[float] = []
    shell.stream(
        python("import time; time.sleep(0.5)"),
        timeout=10,
        on_line=lambda _: None,
        on_tick=lambda: ticks.append(time.monotonic()),
        tick=0.05,
    )
    assert len(ticks) >= 3


def test_stream_kills_the_process_group_when_its_time_is_over() -> None:
    pids: list[str] = []
    with pytest.raises(shell.CommandError, match=r"did not end within 0\.5 s"):
        shell.stream(python(CHILD), timeout=0.5, on_line=pids.append)
    assert_gone_soon(int(pids[0]))


def test_stream_ends_a_program_that_closed_its_output_and_goes_on() -> None:
    code = "import os,time; print(os.getpid()); os.close(1); os.close(2); time.sleep(60)"
    pids: list[str] = []
    with pytest.raises(shell.CommandError, match=r"did not end within 0\.5 s"):
        shell.stream(python(code), timeout=0.5, on_line=pids.append)
    assert_gone_soon(int(pids[0]))


def test_stream_kills_the_program_when_its_reader_fails() -> None:
    pids: list[str] = []

    def fail(line: str) -> None:
        pids.append(line)
        raise KeyError(line)

    start = time.monotonic()
    with pytest.raises(KeyError):
        shell.stream(python(CHILD), timeout=30, on_line=fail)
    assert time.monotonic() - start < 5
    assert_gone_soon(int(pids[0]))


def test_stream_says_the_status_and_the_end_of_the_output() -> None:
    with pytest.raises(shell.CommandError, match=rf"ended with status -{signal.SIGTERM:d}\n    last"):
        shell.stream(python("import os; print('last'); os.kill(os.getpid(), 15)"), timeout=10, on_line=lambda _: None)


def test_a_tied_program_ends_when_its_parent_is_killed() -> None:
    code = (
        "import sys; sys.path[:0] = sys.argv[1:]\n"
        "from platform_e2e import shell\n"
        "shell.stream(['sh', '-c', 'echo $$; exec sleep 60'], timeout=60, on_line=print, tied=True)"
    )
    parent = subprocess.Popen([*python(code), *sys.path], stdout=subprocess.PIPE, text=True, cwd=paths.ROOT)
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    parent.kill()
    parent.wait()
    parent.stdout.close()
    assert_gone_soon(pid)


def test_a_background_program_gets_only_the_variables_that_it_is_given(tmp_path: Path) -> None:
    log = tmp_path / "log"
    code = "import os; print(sorted(name for name in os.environ if name != 'LC_CTYPE'), os.getsid(0) == os.getpid())"
    started = shell.background([sys.executable, "-c", code], log_file=log, env={"A": "1"})
    assert started.wait(10) == 0
    assert log.read_text() == "['A'] True\n"


def test_a_background_program_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(shell.CommandError, match=r"`/nowhere/program x` could not be started.*\n.*install it"):
        shell.background(["/nowhere/program", "x"], log_file=tmp_path / "log", env={}, remedy="install it")
