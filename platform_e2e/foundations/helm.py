"""Helm, called with exactly what a release needs and nothing of the user's own configuration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from platform_e2e import paths
from platform_e2e.foundations.manifests import Object, parse
from platform_e2e.shell import Completed, run

RENDER_SECONDS = 60.0
"""`helm template` of the largest chart takes 0.3 s; on a machine that compiles at the same time perhaps ten times that."""

INSTALL_SECONDS = 180.0
"""`helm upgrade --install` without --wait: a hundred objects take 2 s; a busy API server answers some of them only after a while."""


class Helm:
    """One Helm program.

    Args:
        program: its path.
        kubeconfig: of the cluster; not needed to render.
    """

    def __init__(self, program: Path, kubeconfig: Path | None = None) -> None:
        """Give it a home in the cache, so that a user's repositories, plugins and HELM_ variables do not matter."""
        self._program = program
        self._kubeconfig = kubeconfig
        home = paths.cache() / "helm"
        self._environment = {
            **{f"HELM_{kind}_HOME": str(home / kind.lower()) for kind in ("CACHE", "CONFIG", "DATA")},
            "HELM_PLUGINS": str(home / "plugins"),
            "HELM_NAMESPACE": "",
            "HELM_DRIVER": "secret",
        }

    def template(
        self,
        release: str,
        chart: Path | str,
        namespace: str,
        *,
        values: Sequence[Path] = (),
        kubernetes: str = "",
        version: str = "",
        repository: str = "",
    ) -> list[Object]:
        """Render a chart without a cluster.

        Args:
            release: name of the release.
            chart: directory of the chart, or its name in a repository.
            namespace: of the release.
            values: files of values, the last one wins.
            kubernetes: version that the chart is rendered for; the program's own idea if empty.
            version: of the chart, where it comes from a repository.
            repository: URL of the repository, where it comes from one.

        Returns:
            The objects, CRDs of a crds/ directory left out.

        Raises:
            CommandError: the chart does not render, or its schema refuses a value.
        """
        argv = ["template", release, str(chart), "--namespace", namespace, *_files(values)]
        argv += ["--kube-version", kubernetes] if kubernetes else []
        argv += ["--repo", repository, "--version", version] if repository else []
        return parse(self._run(argv, timeout=RENDER_SECONDS).stdout)

    def upgrade(
        self,
        release: str,
        chart: Path | str,
        namespace: str,
        *,
        values: Sequence[Path] = (),
        version: str = "",
        repository: str = "",
        labels: Mapping[str, str] | None = None,
    ) -> Completed:
        """Install the release, or upgrade it, and wait for nothing: `verify` waits, and for more than Helm would.

        Args:
            release: name of the release.
            chart: directory of the chart, or its name in a repository.
            namespace: of the release; it must exist.
            values: files of values, the last one wins.
            version: of the chart, where it comes from a repository.
            repository: URL of the repository, where it comes from one.
            labels: that Helm puts on the Secret in which it keeps the release.

        Raises:
            CommandError: Helm's error, with what it printed.
        """
        argv = ["upgrade", release, str(chart), "--install", "--namespace", namespace, *_files(values)]
        # The CRDs of a crds/ directory are applied before, because Helm never upgrades those. The objects are validated by the
        # API server itself; downloading its whole OpenAPI document first would cost each release a second.
        argv += ["--skip-crds", "--disable-openapi-validation", "--history-max", "3"]
        if repository:
            argv += ["--repo", repository, "--version", version]
        if labels:
            argv += ["--labels", ",".join(f"{key}={value}" for key, value in sorted(labels.items()))]
        return self._run(argv, timeout=INSTALL_SECONDS)

    def show_crds(self, chart: Path | str, *, version: str = "", repository: str = "") -> list[Object]:
        """Return the CRDs in the crds/ directories of a chart and of its subcharts.

        Raises:
            CommandError: the chart cannot be read or fetched.
        """
        argv = ["show", "crds", str(chart), *(["--repo", repository, "--version", version] if repository else [])]
        return parse(self._run(argv, timeout=INSTALL_SECONDS).stdout)

    def _run(self, argv: Sequence[str], *, timeout: float) -> Completed:
        cluster = ["--kubeconfig", str(self._kubeconfig)] if self._kubeconfig else []
        return run([self._program, *argv, *cluster], timeout=timeout, env=self._environment)


def _files(values: Sequence[Path]) -> list[str]:
    return [word for path in values for word in ("--values", str(path))]
