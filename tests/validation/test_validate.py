"""A live cluster is judged by lists alone, what may not be read is unknown, and the outputs say the same."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from platform_e2e import cli
from platform_e2e.checks.skipped_parts import SkippedParts
from platform_e2e.finding import Promise
from platform_e2e.kube.errors import Forbidden
from platform_e2e.validation import sarif
from platform_e2e.validation.live_layer import release_of
from platform_e2e.validation.verdict import unknown_without
from tests.fakes import incidents
from tests.fakes.recorded_view import made
from tests.fakes.scripted_api import ScriptedApi

SHA = "0123456789abcdef0123456789abcdef01234567"

Validate = Callable[..., tuple[int, dict[str, dict[str, object]]]]


@pytest.fixture
def api() -> Iterator[ScriptedApi]:
    api = incidents.serve(ScriptedApi())
    incidents.platform(api, SHA)
    yield api
    api.stop()


@pytest.fixture
def validate(api: ScriptedApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Validate:
    """Return what runs the command line, and returns its status and the verdict of each promise."""
    monkeypatch.setenv("PLATFORM_E2E_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("PLATFORM_E2E_CLUSTER", raising=False)
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(
        "current-context: c\n"
        "contexts: [{name: c, context: {cluster: c}}, {name: d, context: {cluster: c}}, {name: dead, context: {cluster: dead}}]\n"
        f'clusters: [{{name: c, cluster: {{server: "http://127.0.0.1:{api.port}"}}}}, '
        '{name: dead, cluster: {server: "http://127.0.0.1:9"}}]\n'
    )
    monkeypatch.setattr("platform_e2e.validation.validate.PATIENCE", 0.2)

    def run(*words: str) -> tuple[int, dict[str, dict[str, object]]]:
        written = tmp_path / "v.json"
        status = cli.main(["validate", "--kubeconfig", str(kubeconfig), "--json", str(written), *words])
        return status, json.loads(written.read_text())["clusters"][0]["promises"] if written.exists() else {}

    return run


def degrade(api: ScriptedApi) -> None:
    """Let the Application be Degraded."""
    app = api.remove("applications", "argocd", "one")
    assert app is not None
    api.put(
        "applications", "argocd", "one", spec=app["spec"], status={**app["status"], "health": {"status": "Degraded"}}
    )


def test_a_sound_cluster_is_judged_and_what_only_git_knows_is_unknown(validate: Validate, api: ScriptedApi) -> None:
    status, promises = validate()
    assert status == 5
    assert promises["applications"]["verdict"] == "holds"
    assert promises["environments"]["verdict"] == "unknown"
    assert api.asked() == api.asked("GET")
    assert not api.asked(part="/secrets")


def test_each_kind_is_listed_once(validate: Validate, api: ScriptedApi) -> None:
    validate()
    for plural in ("applications", "services", "configmaps", "appprojects"):
        assert api.asked("GET", f"/{plural}") <= 1, plural


def test_a_broken_application_is_a_finding(
    validate: Validate, api: ScriptedApi, capsys: pytest.CaptureFixture[str]
) -> None:
    degrade(api)
    status, promises = validate()
    assert status == 1
    assert promises["applications"]["verdict"] == "broken"
    assert "application/one -n argocd breaks the promise 'applications'" in capsys.readouterr().out


def test_what_the_policy_excuses_does_not_count(validate: Validate, api: ScriptedApi, tmp_path: Path) -> None:
    degrade(api)
    policy = tmp_path / "policy.yaml"
    policy.write_text(
        "rules:\n- {action: wait, object: application/one *, reason: known}\n"
        'accept:\n- {promise: "*", reason: there is no checkout}\n'
    )
    status, promises = validate("--policy", str(policy))
    assert status == 0
    assert promises["applications"]["verdict"] == "holds"


def test_what_may_not_be_listed_is_unknown_and_names_the_rule(validate: Validate, api: ScriptedApi) -> None:
    api.forbid("configmaps")
    status, promises = validate()
    assert status == 5
    assert promises["applications"]["verdict"] == "unknown"
    (why,) = (str(each) for each in promises["applications"]["unknown"])  # type: ignore[attr-defined]
    assert why.startswith("ConfigMap objects: forbidden: ")


def test_a_part_makes_unknown_what_its_reader_says_and_objects_what_is_made_of_them() -> None:
    skipped = SkippedParts()
    for part, promises in (("checks of alerts", (Promise.ALERTS,)), ("Widget objects", ())):
        with skipped.skipping(part, *promises):
            raise Forbidden("list x", 403, "Forbidden", "no")
    unknown = unknown_without(skipped, {}, {})
    assert unknown[Promise.ALERTS] == ["checks of alerts: forbidden: no"]
    assert unknown[Promise.APPLICATIONS] == unknown[Promise.SELFHEAL] == ["Widget objects: forbidden: no"]
    assert not unknown[Promise.MONITORING]
    assert not unknown[Promise.LOADBALANCER]


def test_without_the_right_to_read_what_is_expected_there_is_no_finding(validate: Validate, api: ScriptedApi) -> None:
    app = api.remove("applications", "argocd", "one")
    assert app is not None
    pool = {"group": "metallb.io", "version": "v1beta1", "kind": "IPAddressPool", "namespace": "one", "name": "pool"}
    service = {"version": "v1", "kind": "Service", "namespace": "one", "name": "chat"}
    resources = [{**each, "status": "Synced"} for each in (pool, service)]
    api.put("applications", "argocd", "one", spec=app["spec"], status={**app["status"], "resources": resources})
    api.put("ipaddresspools", "one", "pool", spec={"addresses": ["10.0.0.1-10.0.0.9"]})
    ports = [{"name": "http", "port": 80}]
    ingress = {"loadBalancer": {"ingress": [{"ip": "10.0.0.1"}]}}
    api.put("services", "one", "chat", spec={"type": "LoadBalancer", "ports": ports}, status=ingress)
    broken, promises = validate("--probe-from", "none")
    assert (broken, promises["loadbalancer"]["verdict"]) == (1, "broken")
    api.forbid("ipaddresspools")
    status, promises = validate("--probe-from", "none")
    assert (status, promises["loadbalancer"]["verdict"]) == (5, "unknown")


def test_a_cluster_whose_applications_may_not_be_read_is_no_verdict(
    validate: Validate, api: ScriptedApi, capsys: pytest.CaptureFixture[str]
) -> None:
    api.forbid("applications")
    status, promises = validate()
    assert (status, promises) == (3, {})
    assert "no Application can be read: forbidden" in capsys.readouterr().err


def test_every_output_has_the_finding(
    validate: Validate, api: ScriptedApi, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    degrade(api)
    files = {name: tmp_path / name for name in ("junit", "sarif", "metrics")}
    validate(*(word for name, path in files.items() for word in (f"--{name}", str(path))), "--github")
    cases = {case.get("name"): case for case in ET.parse(files["junit"]).getroot().iter("testcase")}
    assert cases["applications"].find("failure") is not None
    assert cases["environments"].find("skipped") is not None
    (run,) = json.loads(files["sarif"].read_text())["runs"]
    (result,) = run["results"]
    (place,) = result["locations"][0]["logicalLocations"]
    assert place["fullyQualifiedName"] == "application/one -n argocd"
    assert 'object="application/one -n argocd"} 1' in files["metrics"].read_text()
    assert "::error title=application/one -n argocd breaks the promise 'applications'::" in capsys.readouterr().out


def test_of_several_clusters_one_that_is_dead_is_unknown(validate: Validate, tmp_path: Path) -> None:
    status, _ = validate("--context", "c,dead")
    written = json.loads((tmp_path / "v.json").read_text())
    assert status == 5
    sound, dead = written["clusters"]
    assert sound["promises"]["applications"]["verdict"] == "holds"
    assert {each["verdict"] for each in dead["promises"].values()} == {"unknown"}
    assert "Connection refused" in dead["promises"]["applications"]["unknown"][0]


def test_the_merged_verdict_of_shards_is_that_of_one_machine(
    validate: Validate, api: ScriptedApi, tmp_path: Path
) -> None:
    degrade(api)
    contexts = ("--context", "c", "--context", "d,dead")
    whole, _ = validate(*contexts)
    serial = json.loads((tmp_path / "v.json").read_text())
    for index in range(2):
        validate(*contexts, "--shard", f"{index}/2", "--json", str(tmp_path / f"{index}.json"))
    merged = tmp_path / "merged.json"
    status = cli.main(["merge", str(tmp_path / "0.json"), str(tmp_path / "1.json"), "--json", str(merged)])
    found = json.loads(merged.read_text())
    assert (status, found["exit_code"]) == (whole, serial["exit_code"]) == (1, 1)
    by_name = {each["cluster"]: each for each in found["clusters"]}
    assert by_name == {each["cluster"]: each for each in serial["clusters"]}


def test_a_shard_without_a_context_is_wrong_usage(validate: Validate, capsys: pytest.CaptureFixture[str]) -> None:
    assert validate("--context", "c,d", "--shard", "2/3")[0] == 4
    assert "--shard 2/3 must have a context, got 2 for 3 shards" in capsys.readouterr().err


def test_one_cluster_cannot_be_in_two_files(validate: Validate, tmp_path: Path) -> None:
    validate()
    assert cli.main(["merge", str(tmp_path / "v.json"), str(tmp_path / "v.json")]) == 4


def test_what_does_not_stay_so_is_a_finding(validate: Validate, api: ScriptedApi) -> None:
    later = threading.Timer(0.5, lambda: degrade(api))
    later.start()
    status, promises = validate("--stable-for", "20s")
    later.join()
    assert status == 1
    assert promises["applications"]["verdict"] == "broken"


def test_what_stays_so_is_judged_once_more(
    validate: Validate, api: ScriptedApi, capsys: pytest.CaptureFixture[str]
) -> None:
    status, promises = validate("--stable-for", "1s")
    assert (status, promises["applications"]["verdict"]) == (5, "holds")
    assert "watching its Applications for 1 s" in capsys.readouterr().out


def test_file_and_line_of_a_remedy_are_found() -> None:
    finding = incidents.FINDING
    assert sarif.place(finding) is None
    located = finding.cause.located("manifests/chat/base/service.yaml:12")
    assert sarif.place(type(finding)(finding.object, finding.promise, "", "", located)) == (
        "manifests/chat/base/service.yaml",
        12,
    )


@pytest.mark.parametrize(
    ("labels", "release"),
    [
        ({"helm.sh/chart": "metallb-0.15.3", "app.kubernetes.io/instance": "lb"}, ("lb", "metallb", "0.15.3")),
        ({"chart": "kube-prometheus-stack-88.5.3", "release": "kps"}, ("kps", "kube-prometheus-stack", "88.5.3")),
        ({"helm.sh/chart": "argo-cd-10.1.1-rc.1"}, ("argo-cd", "argo-cd", "10.1.1-rc.1")),
        ({"helm.sh/chart": "grafana-9.0.0"}, None),
        ({}, None),
    ],
)
def test_a_foundation_is_known_by_the_label_of_its_chart(
    labels: dict[str, str], release: tuple[str, str, str] | None
) -> None:
    found = release_of(made("apps/v1/Deployment", "x", "ns", metadata={"labels": labels}))
    assert (found and (found.name, found.chart, found.version)) == release
