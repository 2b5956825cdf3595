"""A `docker` and a `k3d` on PATH that say what a test has written down, and note what they were asked."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

SCRIPT = """\
#!/bin/sh
echo "${{0##*/}} $*" >> {notes}
for file in {answers}/*; do
  [ ! -e "$file" ] || . "$file"
done
exit 0
"""


class FakeTools:
    """Programs that answer by the start of their arguments.

    Args:
        directory: of the test.
    """

    def __init__(self, directory: Path) -> None:
        self.bin = directory / "bin"
        self.notes = directory / "asked"
        self.answers = directory / "answers"
        self.bin.mkdir()
        self.answers.mkdir()
        self.notes.touch()
        for name in ("docker", "k3d"):
            program = self.bin / name
            program.write_text(SCRIPT.format(notes=self.notes, answers=self.answers))
            program.chmod(0o755)

    def says(self, words: str, out: Any = "", *, err: str = "", status: int = 0) -> None:
        """Answer a command line that begins with these words; the newest answer wins."""
        text = out if isinstance(out, str) else json.dumps(out)
        number = 999 - len(list(self.answers.iterdir()))
        for name, content in (("out", text), ("err", err)):
            (self.bin / f"{number}.{name}").write_text(content)
        (self.answers / str(number)).write_text(
            f'case "$(basename "$0") $*" in "{words}"*)'
            f" cat {self.bin}/{number}.out; cat {self.bin}/{number}.err >&2; exit {status};; esac\n"
        )

    def asked(self) -> list[str]:
        """Return the command lines so far."""
        return self.notes.read_text().splitlines()


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeTools:
    """Put the fakes on PATH, before everything else, and let no variable name a daemon."""
    made = FakeTools(tmp_path)
    monkeypatch.setenv("PATH", f"{made.bin}:/usr/bin:/bin")
    for name in ("DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH", "DOCKER_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    return made
