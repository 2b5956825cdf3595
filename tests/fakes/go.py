"""A stand-in for the go command: it lists and "builds" packages by writing their names into files.

What it is told comes in variables: FAKE_GO_VERSION; FAKE_GO_BROKEN, a package that does not compile; FAKE_GO_DIES, set
to be killed in the middle of a build; FAKE_GO_OFFLINE, set to reach no module proxy. Each call is a line in the file FAKE_GO_LOG.
"""

from __future__ import annotations

import os
import signal
import stat
import sys
from pathlib import Path
from typing import TextIO


def install(directory: Path) -> None:
    """Put an executable `go` into the directory."""
    directory.mkdir(parents=True, exist_ok=True)
    go = directory / "go"
    go.write_text(f'#!/bin/sh\nexec {sys.executable} -I -S {Path(__file__).resolve()} "$@"\n')
    go.chmod(go.stat().st_mode | stat.S_IXUSR)


def used_by(package: str) -> list[str]:
    return ["fmt", "k8s.io/api/core/v1", f"{package}/internal"]


def full(package: str) -> str:
    return package.replace("./", "platform-e2e/programs/")


def file_name(package: str) -> str:
    *above, last = package.split("/")
    return above[-1] if last[0] == "v" and last[1:].isdecimal() else last


def say(*words: str, to: TextIO = sys.stdout) -> None:
    to.write(" ".join(words) + "\n")
    to.flush()


def main(words: list[str]) -> int:
    with Path(os.environ.get("FAKE_GO_LOG", os.devnull)).open("a") as log:
        log.write(" ".join(words) + "\n")
    if words[0] == "version":
        say(f"go version go{os.environ.get('FAKE_GO_VERSION', '1.26.8')} linux/amd64")
        return 0
    packages = [word for word in words[1:] if "/" in word and not word.startswith("-") and not word.endswith("/")]
    packages = [word for word in packages if " " not in word]
    if words[0] == "list" and os.environ.get("FAKE_GO_OFFLINE"):
        say("go: k8s.io/api@v0.34.4: dial tcp: lookup proxy.example: no such host", to=sys.stderr)
        return 1
    if words[0] == "list":
        say("go: downloading k8s.io/api v0.34.4", to=sys.stderr)
        for package in packages:
            say("deps", full(package), *used_by(full(package)))
        return 0
    for package in packages:
        for used in [*used_by(full(package)), full(package)]:
            say(used, to=sys.stderr)
            if used == os.environ.get("FAKE_GO_BROKEN"):
                say(f"# {used}\n{used}/x.go:1:1: undefined: x", to=sys.stderr)
                return 1
        if os.environ.get("FAKE_GO_DIES"):
            os.kill(os.getpid(), signal.SIGKILL)
        flags = next(word for word in words if word.startswith(f"-ldflags={package}="))
        output = Path(words[words.index("-o") + 1]) / file_name(package)
        output.write_text(f"{full(package)} {flags.split('=', 2)[2]}")
        output.chmod(0o755)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
