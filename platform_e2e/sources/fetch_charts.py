"""Fetch charts by Helm, with what the user has configured: `helm repo add`, `helm registry login`, `docker login`.

Of the user's repositories the one with the URL of the layer's is copied, for as long as the command lasts, into a directory that only
this user can read: Helm looks for a password only under the name of a repository.
"""

from __future__ import annotations

import contextlib
import os
import platform
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from platform_e2e import paths, shell
from platform_e2e.errors import WrongUsage
from platform_e2e.layer import vendored
from platform_e2e.layer.vendored import ChartWanted
from platform_e2e.sources import given, locations

SECONDS = 300.0
"""Timeout of one chart, or of the index of one repository: the largest index has 30 MiB."""

REMEDY = (
    "check that `helm pull` works for this user (helm repo add, helm registry login, docker login), or give NAME-VERSION.tgz by"
    " --charts-dir"
)

_ALIAS = "wanted"
"""Name of the repository within our own list of repositories."""


@dataclass
class HelmFetcher:
    """Fetch charts; the index of each repository once.

    Attributes:
        helm: the program.
        directory: that only this user can read, for lists of repositories and for indexes.
    """

    helm: Path
    directory: Path
    _ready: dict[str, Mapping[str, str]] = field(default_factory=dict)

    @classmethod
    @contextlib.contextmanager
    def begun(cls, helm: Path) -> Iterator[HelmFetcher]:
        """Yield one, and remove what it had of the user's configuration."""
        with paths.scratch() as scratch:
            scratch.chmod(0o700)
            yield cls(helm, scratch)

    def fetch(self, wanted: ChartWanted, into: Path) -> tuple[str, Path]:
        """Fetch a chart, and return the version that it states and its archive.

        Args:
            wanted: the chart.
            into: an empty directory.

        Raises:
            WrongUsage: its URL is not fetched, or what comes is not that chart.
            CommandError: Helm refuses.
        """
        why = locations.refused(wanted.repository, locations.CHARTS) or _odd(wanted)
        if why:
            raise WrongUsage(f"{wanted} is not fetched: {why}", "give it by --charts-dir")
        environment: Mapping[str, str]
        oci = "://" not in wanted.repository or wanted.repository.startswith("oci://")
        version = ["--version", wanted.version] if wanted.version else []
        if oci:
            place = wanted.repository.removeprefix("oci://").rstrip("/")
            plain = ["--plain-http"] if locations.is_loopback(wanted.repository) else []
            words = ["pull", f"oci://{place}/{wanted.name}", *plain]
            environment = self._environment(self.directory / "oci")
        else:
            environment = self._repository(wanted.repository)
            words = ["pull", f"{_ALIAS}/{wanted.name}"]
        self._run([*words, *version, "--destination", str(into)], environment)
        archives = list(into.glob("*.tgz"))
        if len(archives) != 1:
            raise WrongUsage(f"{wanted} must come as one archive, got {len(archives)}", REMEDY)
        name, stated = given.stated(archives[0])
        if name != wanted.name:
            raise WrongUsage(f"the archive of {wanted} must have the chart {wanted.name}, got {name}", REMEDY)
        return stated, archives[0]

    def _repository(self, url: str) -> Mapping[str, str]:
        """Return the environment in which Helm knows a repository under our name, with its index."""
        if url not in self._ready:
            place = self.directory / f"repository-{len(self._ready)}"
            environment = self._environment(place)
            entry = {**_configured(url), "name": _ALIAS, "url": url}
            listed = yaml.safe_dump({"apiVersion": "v1", "repositories": [entry]})
            file = Path(environment["HELM_REPOSITORY_CONFIG"])
            file.touch(mode=0o600)
            file.write_text(listed, encoding="utf-8")
            self._run(["repo", "update", "--fail-on-repo-update-fail"], environment)
            self._ready[url] = environment
        return self._ready[url]

    def _environment(self, place: Path) -> dict[str, str]:
        (place / "cache").mkdir(parents=True, exist_ok=True)
        return {
            "HELM_REPOSITORY_CONFIG": str(place / "repositories.yaml"),
            "HELM_REPOSITORY_CACHE": str(place / "cache"),
            "HELM_CACHE_HOME": str(place / "cache"),
            # A downloader plugin would take schemes that are not fetched.
            "HELM_PLUGINS": str(place / "plugins"),
            "HELM_REGISTRY_CONFIG": str(_home("HELM_REGISTRY_CONFIG", "registry/config.json")),
        }

    def _run(self, words: list[str], environment: Mapping[str, str]) -> None:
        shell.run([self.helm, *words], timeout=SECONDS, env=environment)


def _odd(wanted: ChartWanted) -> str:
    if not given.WORD.fullmatch(wanted.name):
        return "its name is not that of a chart"
    if wanted.version.startswith("-") or not wanted.version.isprintable():
        return "its version is not one"
    return ""


def _configured(url: str) -> dict[str, Any]:
    """Return what the user has configured for a chart repository; of several URLs the same but for a slash."""
    data = vendored.read(_home("HELM_REPOSITORY_CONFIG", "repositories.yaml"))
    repositories = data.get("repositories") if isinstance(data, dict) else None
    for each in repositories if isinstance(repositories, list) else ():
        if isinstance(each, dict) and str(each.get("url", "")).rstrip("/").lower() == url.rstrip("/").lower():
            return each
    return {}


def _home(variable: str, name: str) -> Path:
    """Return a file of Helm's configuration (helm.sh/helm/v3 pkg/helmpath)."""
    if os.environ.get(variable):
        return Path(os.environ[variable])
    usual = "Library/Preferences" if platform.system() == "Darwin" else ".config"
    above = os.environ.get("HELM_CONFIG_HOME") or Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / usual, "helm")
    return Path(above, name)
