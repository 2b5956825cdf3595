"""Helm, called with exactly what a release needs and nothing of the user's own configuration."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from platform_e2e import paths
from platform_e2e.foundations.manifests import Object, parse
from platform_e2e.shell import CommandError, Completed, run, stream

RENDER_SECONDS = 60.0
"""`helm template` of the largest chart takes 0.3 s; on a machine that compiles at the same time perhaps ten times that."""

PULL_SECONDS = 300.0
"""For one try to fetch a chart: the largest index has 4 MiB (prometheus-community), which takes that long at 15 kB/s."""

INSTALL_SECONDS = 1200.0
"""The end of `helm upgrade --install` without --wait. A hundred objects take 2 s; what takes longer are hooks, whose images are pulled:
who calls it watches them, and ends it when nothing moves any more."""


class Helm:
    """One Helm program.

    Args:
        program: its path.
        kubeconfig: of the cluster; not needed to render.
    """

    def __init__(self, program: Path, kubeconfig: Path | None = None) -> None:
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
        chart: Path,
        namespace: str,
        *,
        values: Sequence[Path] = (),
        kubernetes: str = "",
    ) -> list[Object]:
        """Render a chart without a cluster.

        Args:
            release: name of the release.
            chart: directory or archive of the chart.
            namespace: of the release.
            values: files of values, the last one wins.
            kubernetes: version that the chart is rendered for; the program's own idea if empty.

        Returns:
            The objects, CRDs of a crds/ directory left out.

        Raises:
            CommandError: the chart does not render, or its schema refuses a value.
        """
        argv = ["template", release, str(chart), "--namespace", namespace, *_files(values)]
        argv += ["--kube-version", kubernetes] if kubernetes else []
        return parse(self._run(argv, timeout=RENDER_SECONDS).stdout)

    def upgrade(
        self,
        release: str,
        chart: Path,
        namespace: str,
        *,
        values: Sequence[Path] = (),
        labels: Mapping[str, str] | None = None,
        watch: Callable[[], None] | None = None,
    ) -> None:
        """Install the release, or upgrade it, and wait for its hooks only: `verify` waits, and for more than Helm would.

        Args:
            release: name of the release.
            chart: directory or archive of the chart.
            namespace: of the release; it must exist.
            values: files of values, the last one wins.
            labels: that Helm puts on the Secret in which it keeps the release.
            watch: is called each second; an error of it ends Helm and is raised.

        Raises:
            CommandError: Helm's error, with what it printed.
        """
        argv = ["upgrade", release, str(chart), "--install", "--namespace", namespace, *_files(values)]
        # The CRDs of a crds/ directory are applied before, because Helm never upgrades those. The objects are validated by the
        # API server itself; downloading its whole OpenAPI document first would cost each release a second.
        argv += ["--skip-crds", "--disable-openapi-validation", "--history-max", "3"]
        argv += ["--timeout", f"{INSTALL_SECONDS:g}s"]
        if labels:
            argv += ["--labels", ",".join(f"{key}={value}" for key, value in sorted(labels.items()))]
        stream(
            [self._program, *argv, *self._cluster()],
            # Helm ends by itself, and says what it waits for.
            timeout=INSTALL_SECONDS + RENDER_SECONDS,
            on_line=lambda _: None,
            on_tick=watch,
            env=self._environment,
            # A hook may keep it for long; what it had applied is taken over by the next run.
            tied=True,
        )

    def show_crds(self, chart: Path) -> list[Object]:
        """Return the CRDs in the crds/ directories of a chart and of its subcharts.

        Raises:
            CommandError: the chart cannot be read.
        """
        return parse(self._run(["show", "crds", str(chart)], timeout=RENDER_SECONDS).stdout)

    def show_chart(self, chart: Path) -> Object:
        """Return what a chart's Chart.yaml says, such as `version` and `appVersion`.

        Raises:
            CommandError: the chart cannot be read.
        """
        return next(iter(parse(self._run(["show", "chart", str(chart)], timeout=RENDER_SECONDS).stdout)), {})

    def pull(self, chart: str, version: str, repository: str, directory: Path) -> None:
        """Fetch the archive of a chart from its repository, once: the repository's index may have megabytes.

        Args:
            chart: its name.
            version: of the chart.
            repository: URL of the repository, `oci://` too.
            directory: where CHART-VERSION.tgz is put.

        Raises:
            CommandError: the repository does not have it, or cannot be reached.
        """
        oci = repository.startswith("oci://")
        name = [f"{repository.rstrip('/')}/{chart}"] if oci else [chart, "--repo", repository]
        argv = ["pull", *name, "--version", version, "--destination", str(directory)]
        done = run([self._program, *argv], timeout=PULL_SECONDS, env=self._environment)
        if not any(directory.glob("*.tgz")):
            raise CommandError(done.argv, "left no archive of the chart", done.stdout + done.stderr)

    def _run(self, argv: Sequence[str], *, timeout: float) -> Completed:
        return run([self._program, *argv, *self._cluster()], timeout=timeout, env=self._environment)

    def _cluster(self) -> list[str]:
        return ["--kubeconfig", str(self._kubeconfig)] if self._kubeconfig else []


def _files(values: Sequence[Path]) -> list[str]:
    return [word for path in values for word in ("--values", str(path))]
