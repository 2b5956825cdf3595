"""Read go.mod, which pins the versions of the embedded cluster's programs."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from platform_e2e.errors import BrokenHarness

MODULE = Path(__file__).parent / "programs"
"""The Go module of the embedded cluster's programs."""


@dataclass(frozen=True)
class Module:
    """A module that the go command fetches: its path, and its version with the leading v."""

    path: str
    version: str

    @property
    def directory(self) -> str:
        """Return the module's directory in a module cache, where `!` and the small letter stand for a capital one."""
        return re.sub("[A-Z]", lambda found: "!" + found[0].lower(), f"{self.path}@{self.version}")


@dataclass(frozen=True)
class GoMod:
    """A parsed go.mod.

    Attributes:
        go: the lowest version of Go.
        requires: version of each required module.
        replaced: for each replaced module the one that is used instead, for every required version.
        tools: packages of the `tool` directives.
    """

    go: str
    requires: dict[str, str]
    replaced: dict[str, Module]
    tools: tuple[str, ...]

    def module(self, path: str) -> Module:
        """Return the module that provides that path.

        Raises:
            BrokenHarness: go.mod does not require it.
        """
        if path in self.replaced:
            return self.replaced[path]
        if path not in self.requires:
            raise BrokenHarness(
                f"go.mod must require {path}, got {MODULE / 'go.mod'} without it",
                "add it with `go get` in that directory",
            )
        return Module(path, self.requires[path])


def read(path: Path | None = None) -> GoMod:
    """Parse a go.mod as the go command writes it; by default that of the embedded cluster's programs."""
    return _parsed((path or MODULE / "go.mod").read_text(encoding="utf-8"))


@lru_cache(maxsize=8)
def _parsed(text: str) -> GoMod:
    """Parse the text of a go.mod; cached, because nearly every command needs the same one several times."""
    go = ""
    requires: dict[str, str] = {}
    replaced: dict[str, Module] = {}
    tools: list[str] = []
    block = ""
    for raw in text.splitlines():
        words = raw.partition("//")[0].split()
        if not words:
            continue
        if words == [")"]:
            block = ""
            continue
        if words[-1] == "(":
            block = words[0]
            continue
        directive, *rest = [block, *words] if block else words
        if directive == "go":
            go = rest[0]
        elif directive == "require":
            requires[rest[0]] = rest[1]
        elif directive == "replace":
            replaced[rest[0]] = Module(*rest[rest.index("=>") + 1 :])
        elif directive == "tool":
            tools.append(rest[0])
    return GoMod(go, requires, replaced, tuple(tools))
