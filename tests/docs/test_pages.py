"""What the pages on an application and on a promise of one's own show is what the harness reads and does."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

from platform_e2e import layer, paths
from platform_e2e.breaks.declaration import load
from platform_e2e.diagnosis.registry import _EXPLAINERS
from platform_e2e.kube.verdict import Met, Pending
from platform_e2e.layer import recorded
from tests.fakes import layers
from tests.fakes.recorded_view import RecordedView, made

PAGES = paths.ROOT / "docs"
CERTIFICATE = "cert-manager.io/v1/Certificate"


def blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", (PAGES / page).read_text(), re.MULTILINE | re.DOTALL)


def test_an_application_that_is_added_as_the_page_says_has_a_case_for_each_promise(tmp_path: Path) -> None:
    manifests, application = blocks("applications.md", "yaml")
    root = tmp_path / "layer"
    shutil.copytree(layers.DEMO, root)
    (root / "manifests" / "inbox").mkdir()
    (root / "manifests" / "inbox" / "inbox.yaml").write_text(manifests)
    (root / "argocd" / "applications" / "inbox.yaml").write_text(application)
    found = layer.load(root, recorded.renderer(root, layers.RECORDS))
    assert found.unread == ()
    assert found.application("inbox").automation.self_heal
    service = next(one for one in found.load_balancers() if one.service.application == "inbox")
    assert service.probe is not None
    assert service.probe.path == "/-/healthy"
    assert [one.name for one in found.monitors() if one.application == "inbox"] == ["inbox"]


def test_what_the_page_on_promises_defines_does_what_it_says(tmp_path: Path) -> None:
    _, code = blocks("promises.md", "python")
    known: dict[str, Any] = {}
    before = list(_EXPLAINERS.get(CERTIFICATE, ()))
    try:
        exec(code, known)
        assert len(_EXPLAINERS[CERTIFICATE]) == len(before) + 1
    finally:
        _EXPLAINERS[CERTIFICATE] = before
    assert known["is_fresh"]({"status": {"daysLeft": 80}}) == Met()
    assert known["is_fresh"](None) == Pending("expires in 0 days")
    certificate = made(CERTIFICATE, "shop", "shop", spec={"issuerRef": {"name": "letsencrypt"}})
    assert known["issuer_missing"](certificate, RecordedView()).id == "issuer-missing"
    issuer = made("cert-manager.io/v1/ClusterIssuer", "letsencrypt")
    assert known["issuer_missing"](certificate, RecordedView(issuer)) is None
    (declared,) = blocks("promises.md", "yaml")
    (tmp_path / "certificate-issuer.yaml").write_text(declared)
    assert load(tmp_path / "certificate-issuer.yaml").promise == "certificates"
