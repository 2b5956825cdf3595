"""A chart and another repository, as a cluster serves them: what some small layers read besides their own."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Mapping
from pathlib import Path

from platform_e2e.gitops.elsewhere import Elsewhere
from platform_e2e.layer.renderer import Chart, Material, Repository

CHARTS = "charts.example.com/stable"
REPOSITORY = "git.example.com/others/apps"
REVISION = "v1.0.0"

CONFIGMAP = """\
apiVersion: v1
kind: ConfigMap
metadata: {name: NAME}
data: {version: "{{ .Chart.Version }}", message: "{{ .Values.message }}", release: "{{ .Release.Name }}"}
"""

FILES = {
    "app/kustomization.yaml": "namePrefix: theirs-\nresources: [cm.yaml]\n",
    "app/cm.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n",
    "values.yaml": "message: theirs\n",
    "envs/dev/cm.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: dev}\n",
    "envs/prod/cm.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: prod}\n",
}


def elsewhere(directory: Path) -> Elsewhere:
    """Return what is served besides the layer.

    Args:
        directory: gets the files.
    """
    repository = directory / "apps"
    for name, text in FILES.items():
        (repository / name).parent.mkdir(parents=True, exist_ok=True)
        (repository / name).write_text(text, encoding="utf-8")
    charts = [_chart(directory, version) for version in ("1.2.0", "1.10.0", "2.0.0-rc.1")]
    return Elsewhere({(REPOSITORY, REVISION): Repository(repository, (), (REVISION,))}, {CHARTS: charts})


def urls(served: Elsewhere) -> Mapping[str, str]:
    """Return the words of the small layers that stand for what is served, with its URLs."""
    return {"CHARTREPO": served.chart_repository(CHARTS) or "", "FOREIGN": served.urls[REPOSITORY]}


def material(served: Elsewhere) -> Material:
    """Return what is served as a layer is rendered from it, under the URLs of the cluster."""
    named = urls(served)
    repositories = (
        Repository(each.directory, (named["FOREIGN"],), each.revisions) for each in served.repositories.values()
    )
    charts = (Chart(named["CHARTREPO"], each.name, each.version, each.archive) for each in served.charts[CHARTS])
    return Material(tuple(repositories), tuple(charts))


def _chart(directory: Path, version: str) -> Chart:
    archive = directory / f"web-{version}.tgz"
    files = {
        "Chart.yaml": f"apiVersion: v2\nname: web\nversion: {version}\n",
        "values.yaml": "message: hello\n",
        "templates/cm.yaml": CONFIGMAP.replace("NAME", "{{ .Release.Name }}-web"),
    }
    with tarfile.open(archive, "w:gz") as packed:
        for name, text in files.items():
            member = tarfile.TarInfo(f"web/{name}")
            member.size = len(text.encode())
            packed.addfile(member, io.BytesIO(text.encode()))
    return Chart("", "web", version, archive)
