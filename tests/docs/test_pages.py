"""What the pages on an application and on a promise of one's own show is what the harness reads and does."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from platform_e2e import paths
from platform_e2e.breaks.declaration import load
from platform_e2e.diagnosis.registry import _EXPLAINERS
from platform_e2e.kube.verdict import Failed, Met, Pending
from platform_e2e.layer import Probe, Rendered
from platform_e2e.layer.not_judged import IN_WORDS
from platform_e2e.pytest_plugin.each import chosen
from platform_e2e.testing import Answer, Platform, PromiseBroken, Promises
from platform_e2e.testing.platform import TIMEOUT
from platform_e2e.toolbox import images
from tests.fakes import layers, recorded
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
    found = layers.load(root, recorded.kustomize(root, layers.RECORDS))
    assert found.unread == ()
    assert found.application("inbox").automation.self_heal
    service = next(one for one in found.load_balancers() if one.service.application == "inbox")
    assert service.probe is not None
    assert service.probe.path == "/-/healthy"
    assert [one.name for one in found.monitors() if one.application == "inbox"] == ["inbox"]


def test_what_the_page_on_promises_defines_does_what_it_says(tmp_path: Path) -> None:
    code = next(block for block in blocks("promises.md", "python") if "@explains" in block)
    known: dict[str, Any] = {}
    before = list(_EXPLAINERS.get(CERTIFICATE, ()))
    try:
        exec(code, known)
        assert len(_EXPLAINERS[CERTIFICATE]) == len(before) + 1
    finally:
        _EXPLAINERS[CERTIFICATE] = before
    fresh = {"spec": {"dnsNames": ["shop"]}, "status": {"daysLeft": 80}}
    assert known["is_fresh"](fresh) == Met()
    assert known["is_fresh"](None) == Pending("expires in 0 days")
    assert known["is_fresh"]({"spec": {}}) == Failed("Git names no spec.dnsNames")
    certificate = made(CERTIFICATE, "shop", "shop", spec={"issuerRef": {"name": "letsencrypt"}})
    cause = known["issuer_missing"](certificate, RecordedView())
    assert (cause.id, cause.field) == ("issuer-missing", ("spec", "issuerRef", "name"))
    issuer = made("cert-manager.io/v1/ClusterIssuer", "letsencrypt")
    assert known["issuer_missing"](certificate, RecordedView(issuer)) is None
    (declared,) = blocks("promises.md", "yaml")
    (tmp_path / "certificate-issuer.yaml").write_text(declared)
    assert load(tmp_path / "certificate-issuer.yaml").promise == "certificates"


def defined(block: str) -> dict[str, Any]:
    known: dict[str, Any] = {}
    exec(block, known)
    return known


def cases(marks: Any) -> list[Rendered]:
    (each,) = (mark.mark if isinstance(mark, pytest.MarkDecorator) else mark for mark in marks if mark.name == "each")
    return chosen(each.args, each.kwargs, layers.demo())


def test_the_example_of_a_restricted_marker_is_about_what_it_says() -> None:
    block = next(one for one in blocks("promises.md", "python") if "labels={" in one)
    test = defined(block)["test_configuration_has_a_greeting"]
    found = cases(test.pytestmark)
    assert [str(each.namespace) for each in found] == ["chat-dev", "chat-prod", "chat-staging"]
    for each in found:
        test(each)


class Asked:
    """A Platform whose Services greet in one way."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.finding = Platform(layers.demo(), cast("Any", None), cast("Any", None), "abc").finding

    def http(self, service: str) -> Any:
        assert service == "service/chat -n chat-dev"
        return SimpleNamespace(get=lambda path, **_: self.answer)


@pytest.mark.parametrize(
    ("answer", "observed"),
    [
        (Answer(200, '{"greeting": "Welcome to the chat in development"}', "http://10.89.0.201/"), ""),
        (Answer(200, '{"greeting": "Hi"}', "http://10.89.0.201/"), "'Hi'"),
        (Answer(503, "busy", "http://10.89.0.201/"), "'status 503'"),
    ],
)
def test_the_example_of_a_promise_over_http_reports_a_finding_with_file_and_line(answer: Answer, observed: str) -> None:
    known = defined(next(one for one in blocks("promises.md", "python") if ".http(" in one))
    each = next(each for each in cases(known["pytestmark"]) if each.namespace == "chat-dev")
    properties: list[tuple[str, object]] = []
    if not observed:
        known["test_chat_greets_as_git_says"](each, Asked(answer), Promises(properties))
        assert "Welcome to the chat in development" in str(properties)
        return
    with pytest.raises(PromiseBroken) as caught:
        known["test_chat_greets_as_git_says"](each, Asked(answer), Promises(properties))
    (finding,) = caught.value.findings
    assert (finding.object, finding.observed) == ("configmap/chat -n chat-dev", observed)
    assert finding.cause.remedy.endswith(f"({each.place('data', 'greeting')})")
    assert "overlays/dev/configmap.yaml:" in finding.cause.remedy


def test_the_first_example_waits_as_long_as_it_says() -> None:
    asked: list[Any] = []
    expected = SimpleNamespace(condition=lambda type_, *, timeout: asked.append((type_, timeout)))
    known = defined(blocks("promises.md", "python")[0])
    known["test_certificate_is_ready"](None, SimpleNamespace(expect=lambda each: expected))
    assert asked == [("Ready", 60)]
    assert f"`timeout` seconds, {TIMEOUT:g} by default" in (PAGES / "promises.md").read_text()


def test_the_page_on_applications_has_every_field_of_a_probe_and_the_images_that_it_names() -> None:
    page = (PAGES / "applications.md").read_text()
    fields = re.findall(r"^\| `(\w+)` \| ", page.partition("### The fields of `platform-e2e/probe`")[2], re.MULTILINE)
    assert set(fields) == set(Probe.__dataclass_fields__)
    known = {name.replace(":1.0.0", ":VERSION") for name in images.names(layers.DEMO / "apps").values()}
    assert set(re.findall(r"^\| `([\w./-]+:[\w.-]+)`", page, re.MULTILINE)) <= known


def test_the_page_on_what_is_not_judged_has_every_reason_in_the_words_of_the_table() -> None:
    page = (PAGES / "not-judged.md").read_text()
    assert dict(re.findall(r"^\| `([\w-]+)` \| (.+) \|$", page, re.MULTILINE)) == dict(IN_WORDS)
