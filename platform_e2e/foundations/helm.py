"""Run Helm with exactly what a release needs, without the user's configuration."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from platform_e2e import paths
from platform_e2e.foundations.manifests import Object, parse
from platform_e2e.shell import CommandError, Completed, run, stream

RENDER_SECONDS = 60.0
"""Timeout of commands without a cluster: `helm template` of the largest chart takes 0.3 s, ten times that on a busy machine."""

PULL_SECONDS = 300.0
"""Timeout of one attempt to fetch a chart: the largest index (prometheus-community) has 4 MiB, which take that long at 15 kB/s."""

INSTALL_SECONDS = 1200.0
"""Timeout of `helm upgrade --install` without --wait. A hundred objects take 2 s; hooks take longer, because their images are pulled:
the caller watches them, and ends Helm when nothing moves any longer."""


class Helm:
    """A Helm program.

    Args:
        program: its path.
        kubeconfig: the kubeconfig of the cluster; not needed to render.
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
            namespace: the namespace of the release.
            values: files of values, the last one wins.
            kubernetes: the cluster's version for the chart; Helm's default if empty.

        Returns:
            The objects, without CRDs of a crds/ directory.

        Raises:
            CommandError: the chart cannot be rendered, or its schema refuses a value.
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
        """Install or upgrade the release and wait only for its hooks; `verify` waits for more than Helm would.

        Args:
            release: name of the release.
            chart: directory or archive of the chart.
            namespace: the namespace of the release; it must exist.
            values: files of values, the last one wins.
            labels: labels of the Secret in which Helm stores the release.
            watch: called each second; its error ends Helm and is raised.

        Raises:
            CommandError: Helm failed; has its output.
        """
        argv = ["upgrade", release, str(chart), "--install", "--namespace", namespace, *_files(values)]
        # The caller applies the CRDs of a crds/ directory before, because Helm never upgrades them. The API server validates the
        # objects; downloading its whole OpenAPI document first would cost each release a second.
        argv += ["--skip-crds", "--disable-openapi-validation", "--history-max", "3"]
        argv += ["--timeout", f"{INSTALL_SECONDS:g}s"]
        if labels:
            argv += ["--labels", ",".join(f"{key}={value}" for key, value in sorted(labels.items()))]
        stream(
            [self._program, *argv, *self._cluster()],
            # Helm ends by itself, and reports what it waits for.
            timeout=INSTALL_SECONDS + RENDER_SECONDS,
            on_line=lambda _: None,
            on_tick=watch,
            env=self._environment,
            # A hook may delay its end for long; the next run accepts the objects that it had applied.
            tied=True,
        )

    def show_crds(self, chart: Path) -> list[Object]:
        """Return the CRDs in the crds/ directories of a chart and of its subcharts.

        Raises:
            CommandError: the chart cannot be read.
        """
        return parse(self._run(["show", "crds", str(chart)], timeout=RENDER_SECONDS).stdout)

    def show_chart(self, chart: Path) -> Object:
        """Return the content of a chart's Chart.yaml, such as `version` and `appVersion`.

        Raises:
            CommandError: the chart cannot be read.
        """
        return next(iter(parse(self._run(["show", "chart", str(chart)], timeout=RENDER_SECONDS).stdout)), {})

    def pull(self, chart: str, version: str, repository: str, directory: Path) -> None:
        """Fetch the archive of a chart from its repository, with one request for the index, which may have megabytes.

        Args:
            chart: its name.
            version: the version of the chart.
            repository: URL of the repository, `oci://` too.
            directory: gets CHART-VERSION.tgz.

        Raises:
            CommandError: the repository lacks it, or is unreachable.
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
