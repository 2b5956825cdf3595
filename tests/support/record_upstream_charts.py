"""Record what the upstream charts name things, for tests/foundations/test_chart_contract.py.

    helm pull argo-cd --version 10.1.1 --repo https://argoproj.github.io/argo-helm --untar --destination charts
    python tests/support/record_upstream_charts.py charts/argo-cd

Only names, labels, selectors, ports and keys are kept, of the kinds that chart_contract.py speaks of; no value of any field.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from platform_e2e.foundations import chart_contract, manifests
from platform_e2e.foundations.helm import Helm
from platform_e2e.foundations.manifests import Object
from platform_e2e.shell import which

DATA = Path(__file__).parents[1] / "data" / "upstream-charts"


def reduced(item: Object) -> Object:
    """Return of an object what a fact can be about."""
    metadata = {key: item["metadata"][key] for key in ("name", "namespace", "labels") if item["metadata"].get(key)}
    kept: Object = {"kind": item["kind"], "metadata": metadata}
    for field in ("data", "stringData"):
        if item.get(field):
            kept[field] = dict.fromkeys(item[field], "")
    spec = item.get("spec") or {}
    fields = {key: spec[key] for key in ("selector", "ports") if key in spec}
    if item["kind"] == "ServiceMonitor":
        fields["endpoints"] = [{"port": endpoint["port"]} for endpoint in spec["endpoints"]]
    return {**kept, "spec": fields} if fields else kept


def record(directory: Path) -> Path:
    """Render one chart as chart_contract.py says, and write what is kept of it."""
    helm = which("helm")
    if helm is None:
        raise SystemExit("helm is not installed")
    head = manifests.read(directory / "Chart.yaml")
    name, version = head["name"], head["version"]
    rendering = chart_contract.RELEASES[name]
    values = DATA / "values.json"
    values.write_text(json.dumps(rendering.values))
    rendered = Helm(helm).template(
        rendering.release, directory, rendering.namespace, values=[values], kubernetes="1.34.4"
    )
    values.unlink()
    kinds = {fact.kind for fact in chart_contract.of(name)}
    path = DATA / f"{name}-{version}.json"
    found = [reduced(item) for item in rendered if item["kind"] in kinds]
    manifests.write(path, {"chart": name, "version": version, "objects": found})
    return path


if __name__ == "__main__":
    for argument in sys.argv[1:]:
        sys.stdout.write(f"{record(Path(argument))}\n")
