"""A capture reads and never writes, goes on after what it may not read, and keeps no secret."""

from __future__ import annotations

import base64
import gzip
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from platform_e2e import cli
from platform_e2e.checks import drifted_objects
from platform_e2e.checks.drifted_objects import EXTRA, MISSING
from platform_e2e.checks.skipped_parts import SkippedParts
from platform_e2e.incident import archive, capture, helm
from platform_e2e.incident.model import Incident, parse
from platform_e2e.incident.reproduce import drift_documents
from platform_e2e.layer import Rendered
from platform_e2e.untrusted.members import UnsafeArchive
from tests.fakes import bad_answers, incidents, layers, rendering
from tests.fakes.bad_answers import BODIES
from tests.fakes.recorded_view import made
from tests.fakes.scripted_api import ScriptedApi

PASSWORD = "correct-horse-battery"
LISTED = (
    "applications",
    "appprojects",
    "nodes",
    "secrets",
    "services",
    "events",
    "sealedsecrets",
    "configmaps",
    "ipaddresspools",
    "l2advertisements",
    "servicemonitors",
    "pods",
    "deployments",
    "endpointslices",
    "namespaces",
)
KEY = "-----BEGIN RSA PRIVATE KEY-----\nMIIEowIBAAKCAQEA7vWzCaptured\n-----END RSA PRIVATE KEY-----"
TOKEN = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJzeXN0ZW0ifQ.c2lnbmF0dXJlMTIzNA"

CHOSEN = (
    "drips-a-body",
    "floods-chunks",
    "gzip-bomb",
    "redirects",
    "text",
    "nested-lists",
    "item-is-null",
    "continue-is-the-same",
)
"""Hostile answers of each kind; the client itself is shown all of them."""

Taken = tuple[int, dict[str, bytes], Incident]
Take = Callable[..., Taken]


@pytest.fixture
def api() -> Iterator[ScriptedApi]:
    api = incidents.serve(ScriptedApi())
    yield api
    api.stop()


@pytest.fixture
def take(api: ScriptedApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Take:
    """Return what runs the command line and returns status, files and incident."""
    monkeypatch.setenv("PLATFORM_E2E_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("PLATFORM_E2E_CLUSTER", raising=False)
    monkeypatch.setattr(capture, "renderer", lambda: rendering.renderer(layers.no_objects))
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(
        f"""
current-context: prod
contexts: [{{name: prod, context: {{cluster: c}}}}]
clusters: [{{name: c, cluster: {{server: "http://127.0.0.1:{api.port}"}}}}]
"""
    )

    def run(*words: str) -> Taken:
        output = tmp_path / "incident.tar.gz"
        status = cli.main(["capture", "--kubeconfig", str(kubeconfig), "--output", str(output), *words])
        files = archive.read(output) if output.exists() else {}
        output.unlink(missing_ok=True)
        return status, files, parse(files, drift_documents(files)) if files else Incident("", "", "")

    return run


def release(name: str = "argocd", **config: object) -> dict[str, str]:
    """Return the data of Helm's Secret of a release."""
    chart = {"metadata": {"name": "argo-cd", "version": "9.3.7", "appVersion": "v3.2.11"}}
    plain = {"name": name, "namespace": "argocd", "chart": chart, "config": config, "manifest": ""}
    packed = base64.b64encode(gzip.compress(json.dumps(plain).encode()))
    return {"release": base64.b64encode(packed).decode()}


DEEP_RELEASE: dict[str, object] = {
    "name": "bad",
    "namespace": "argocd",
    "chart": {"metadata": {"name": "argo-cd"}},
    "config": json.loads('{"a":' * 900 + "{}" + "}" * 900),
}
"""Deep enough to be read as JSON, and too deep for what looks at each value."""


def test_it_asks_with_get_alone(api: ScriptedApi, take: Take, tmp_path: Path) -> None:
    layer, sha = incidents.checkout(tmp_path)
    incidents.platform(api, sha, key="other")
    assert take("--layer", str(layer))[0] == 0
    assert len(api.requests) > 10
    assert {method for method, _, _ in api.requests} == {"GET"}
    assert not api.asked(watch="true")


def test_a_file_that_is_there_is_not_replaced(
    api: ScriptedApi, take: Take, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "incident.tar.gz").write_text("of last week")
    with pytest.raises(UnsafeArchive):
        take()
    assert (tmp_path / "incident.tar.gz").read_text() == "of last week"
    assert "incident.tar.gz exists already" in capsys.readouterr().err
    assert not api.requests


def test_drift_that_argo_cd_was_told_to_ignore_is_a_finding_with_the_field(
    api: ScriptedApi, take: Take, tmp_path: Path
) -> None:
    layer, sha = incidents.checkout(tmp_path)
    incidents.platform(api, sha, key="other")
    _, files, incident = take("--layer", str(layer))
    (found,) = incident.drift
    assert str(found) == "configmap/one -n one"
    assert [str(one) for one in found.differences] == ["/data/key: expected 'value', is 'other'"]
    assert found.live is not None
    causes = {one.cause.id: one for one in incident.findings}
    assert causes["drift-ignored"].object == "configmap/one -n one"
    assert "application/one says Synced" in causes["drift-ignored"].cause.sentence
    assert incident.revision == sha
    assert incident.repository == incidents.URL
    assert incident.has_layer
    assert files["layer/manifests/one/configmap.yaml"] == layers.CONFIGMAP.encode()


def test_what_is_as_in_git_is_no_drift(api: ScriptedApi, take: Take, tmp_path: Path) -> None:
    layer, sha = incidents.checkout(tmp_path)
    incidents.platform(api, sha)
    incident = take("--layer", str(layer))[2]
    assert incident.drift == ()
    assert "drift-ignored" not in {one.cause.id for one in incident.findings}


def test_what_is_missing_and_what_is_in_no_file_of_git_is_drift(api: ScriptedApi, take: Take, tmp_path: Path) -> None:
    layer, sha = incidents.checkout(tmp_path)
    incidents.platform(api, sha)
    api.remove("configmaps", "one", "one")
    api.put("ipaddresspools", "metallb-system", "by-hand", spec={"addresses": ["192.0.2.0/24"]})
    api.put("services", "one", "plain", spec={"type": "ClusterIP"})
    incident = take("--layer", str(layer))[2]
    assert {(str(one), one.change) for one in incident.drift} == {
        ("configmap/one -n one", MISSING),
        ("ipaddresspool/by-hand -n metallb-system", EXTRA),
    }
    assert ("configmap/one -n one", "object-missing") in {(one.object, one.cause.id) for one in incident.findings}


def test_what_may_not_be_read_is_named_and_the_rest_goes_on(
    api: ScriptedApi, take: Take, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    layer, sha = incidents.checkout(tmp_path)
    incidents.platform(api, sha, key="other")
    for part in ("/secrets", "/nodes", "/namespaces/one/events"):
        api.fail("GET", part, 403, times=99, body={"kind": "Status", "reason": "Forbidden", "message": f"no {part}"})
    status, _, incident = take("--layer", str(layer))
    assert status == 0
    assert incident.missed["foundations"] == "forbidden: no /secrets"
    assert incident.missed["nodes"] == "forbidden: no /nodes"
    assert incident.missed["events of namespace one"] == "forbidden: no /namespaces/one/events"
    assert [one.cause.id for one in incident.findings].count("drift-ignored") == 1
    printed = capsys.readouterr().out
    assert "not captured:\n" in printed
    assert "  foundations: forbidden: no /secrets" in printed


def test_only_the_applications_that_are_named(api: ScriptedApi, take: Take, tmp_path: Path) -> None:
    layer, sha = incidents.checkout(tmp_path)
    incidents.platform(api, sha)
    api.put("applications", "argocd", "two", spec={}, status={})
    whole = take("--layer", str(layer))[2]
    assert whole.apps == ("one", "two")
    assert ("application/two -n argocd", "application-unknown") in {(o.object, o.cause.id) for o in whole.findings}
    chosen = take("--layer", str(layer), "--app", "one")[2]
    assert chosen.apps == ("one",)
    assert chosen.chosen
    assert "application-unknown" not in {one.cause.id for one in chosen.findings}


def test_an_application_that_there_is_not_is_wrong_usage(
    api: ScriptedApi, take: Take, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    incidents.platform(api, "a" * 40)
    assert take("--app", "none")[0] == 4
    assert "context prod" in (said := capsys.readouterr().err)
    assert "has no Application none" in said


def test_without_the_commit_the_layer_is_only_named(
    api: ScriptedApi, take: Take, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    layer, _ = incidents.checkout(tmp_path)
    incidents.platform(api, "b" * 40)
    status, files, incident = take("--layer", str(layer))
    assert status == 0
    assert not incident.has_layer
    assert not [name for name in files if name.startswith("layer/")]
    assert "has no commit bbbbbbbbbbbb" in incident.missed["layer, drift and findings"]
    assert "--layer DIR" in capsys.readouterr().out
    assert incident.revision == "b" * 40


def test_foundations_are_those_of_helms_own_secrets_the_newest_revision(
    api: ScriptedApi, take: Take, tmp_path: Path
) -> None:
    layer, sha = incidents.checkout(tmp_path)
    incidents.platform(api, sha)
    for number, status in ((9, "deployed"), (11, "deployed"), (12, "uninstalled"), (10, "superseded")):
        labels = {"owner": "helm", "name": "argocd", "status": status, "version": str(number)}
        data = release(replicas=number, password=PASSWORD)
        api.put("secrets", "argocd", f"sh.helm.release.v1.argocd.v{number}", metadata={"labels": labels}, data=data)
    broken = {"owner": "helm", "name": "other", "status": "deployed", "version": "1"}
    api.put("secrets", "argocd", "broken", metadata={"labels": broken}, data={"release": "bm9uZQ=="})
    incident = take("--layer", str(layer))[2]
    (found,) = incident.foundations
    assert (found.name, found.chart, found.version, found.app_version) == ("argocd", "argo-cd", "9.3.7", "v3.2.11")
    assert found.values == {"replicas": 11, "password": "[redacted]"}
    assert "not a release of Helm" in incident.missed["release other -n argocd"]


@pytest.mark.parametrize(
    ("packed", "why"),
    [
        (gzip.compress(b"{}" * 9)[:10] + b"\xff" * 20, "error"),
        (gzip.compress(b" " * (9 << 20)), "must have at most 8 MiB unpacked, got more"),
        (gzip.compress(b"[]"), "must be a mapping, got a list"),
        (gzip.compress(b'{"chart": "argo-cd"}'), "`chart` must be a mapping, got a text"),
        (gzip.compress(b'{"chart": {"metadata": ["argo-cd"]}}'), "`chart.metadata` must be a mapping, got a list"),
        (gzip.compress(b'{"chart": {"metadata": {}}}'), "`chart.metadata` must have the field `name`"),
        (gzip.compress(b'{"config": "x"}'), "`config` must be a mapping or null, got a text"),
        (gzip.compress(b'{"manifest": ' + b"[" * 200_000), "cannot be read as JSON: RecursionError"),
        (gzip.compress(b'{"config": {"a": ' + b"[" * 200_000), "cannot be read as JSON: RecursionError"),
        (gzip.compress(json.dumps(DEEP_RELEASE).encode()), "RecursionError"),
        (gzip.compress(b'{"config": {"a": hunter2}}'), "cannot be read as JSON: DecodeError"),
    ],
    ids=[
        "no-deflate",
        "bomb",
        "list",
        "chart",
        "metadata",
        "no-name",
        "config",
        "deep",
        "deep-config",
        "deep-values",
        "no-json",
    ],
)
def test_a_release_that_is_none_is_named_and_the_others_are_read(
    api: ScriptedApi, monkeypatch: pytest.MonkeyPatch, packed: bytes, why: str
) -> None:
    monkeypatch.setattr(helm, "MOST_BYTES", 8 << 20)
    incidents.platform(api, "a" * 40)
    for name, data in (
        ("argocd", release()),
        ("bad", {"release": base64.b64encode(base64.b64encode(packed)).decode()}),
    ):
        labels = {"owner": "helm", "name": name, "status": "deployed", "version": "1"}
        api.put("secrets", "argocd", f"sh.helm.release.v1.{name}.v1", metadata={"labels": labels}, data=data)
    skipped = SkippedParts()
    with api.client() as kube:
        assert [one.name for one in helm.releases(kube, skipped)] == ["argocd"]
    assert skipped.parts == {"release bad -n argocd": f"its Secret is not a release of Helm: {why}"}


def test_no_secret_reaches_the_disk(api: ScriptedApi, take: Take, tmp_path: Path) -> None:
    secret = f"apiVersion: v1\nkind: Secret\nmetadata: {{name: s}}\nstringData: {{user: {PASSWORD}}}\n"
    block = "\n".join(f"    {line}" for line in KEY.splitlines())
    config = f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: c}}\ndata:\n  url: https://u:{PASSWORD}@h/\n  k: |\n{block}\n"
    layer, sha = incidents.checkout(
        tmp_path,
        **{
            "manifests/one/secret.yaml": secret,
            "manifests/one/config.yaml": config,
            "notes.txt": f"password={PASSWORD}",
        },
    )
    incidents.platform(api, sha)
    env = [{"name": "DB_PASSWORD", "value": PASSWORD}]
    template = {"spec": {"containers": [{"name": "c", "env": env, "args": [f"--token={TOKEN}"]}]}}
    annotations = {"kubectl.kubernetes.io/last-applied-configuration": json.dumps({"data": PASSWORD})}
    api.put("secrets", "one", "s", data={"user": base64.b64encode(b"other").decode()})
    api.put(
        "configmaps",
        "one",
        "c",
        metadata={"annotations": annotations},
        data={"k": KEY, "url": f"https://u:{PASSWORD}@x"},
    )
    api.put("services", "one", "extra", spec={"type": "LoadBalancer"}, metadata={"annotations": annotations})
    api.put("deployments", "one", "d", spec={"template": template})
    message = f"pull https://u:{PASSWORD}@registry/x: denied, Authorization: Bearer {TOKEN}"
    api.put("events", "one", "e", message=message, involvedObject={"kind": "Pod", "name": "p"}, type="Warning",
            lastTimestamp="2026-01-01T00:00:00Z")  # fmt: skip
    labels = {"owner": "helm", "name": "argocd", "status": "deployed", "version": "1"}
    data = release(adminPassword=PASSWORD, extra=[f"--token={TOKEN}"], cert=KEY)
    api.put("secrets", "argocd", "sh.helm.release.v1.argocd.v1", metadata={"labels": labels}, data=data)
    app = api.objects["applications", "argocd", "one"]
    app["spec"]["source"]["repoURL"] = f"https://bot:{PASSWORD}@git.example.com/team/platform.git"
    _, files, incident = take("--layer", str(layer))
    whole = b"\n".join(files.values()).decode()
    planted = (PASSWORD, base64.b64encode(PASSWORD.encode()).decode(), TOKEN, "MIIEowIBAAKCAQEA", "b3RoZXI=")
    assert not [one for one in planted if one in whole]
    assert len(incident.drift) >= 3  # what was looked at had differences
    assert any("the layer has secrets" in note for note in incident.notes)


def test_each_part_is_redacted_where_it_is_read() -> None:
    env = [{"name": "DB_PASSWORD", "value": PASSWORD}]
    git = made(
        "apps/v1/Deployment", "d", "one", spec={"containers": [{"env": [{"name": "DB_PASSWORD", "value": "x"}]}]}
    )
    live = made("apps/v1/Deployment", "d", "one", spec={"containers": [{"env": env}]})
    found = drifted_objects.compared(Rendered(git, "one", "d.yaml", 1), live)
    assert found is not None
    assert PASSWORD not in str(found)
    (one,) = found.differences
    assert (one.path, one.observed) == ("/spec/containers/0/env/0/value", "[redacted]")
    assert PASSWORD not in str(helm.unpacked(made("v1/Secret", "s", "argocd", data=release(password=PASSWORD))))


def test_a_lost_key_is_told_only_where_no_sealed_secret_can_be_decrypted(
    api: ScriptedApi, take: Take, tmp_path: Path
) -> None:
    layer, sha = incidents.checkout(tmp_path)
    incidents.platform(api, sha)
    lost = {"conditions": [{"type": "Synced", "status": "False", "message": "no key could decrypt secret (k)"}]}
    api.put("sealedsecrets", "one", "a", status=lost)
    assert take("--layer", str(layer))[2].sealing_key_lost
    api.put("sealedsecrets", "one", "b", status={"conditions": [{"type": "Synced", "status": "True"}]})
    assert not take("--layer", str(layer))[2].sealing_key_lost


def test_what_keeps_argo_cd_from_healing_is_told(api: ScriptedApi, take: Take, tmp_path: Path) -> None:
    layer, sha = incidents.checkout(tmp_path)
    incidents.platform(api, sha)
    window = {"kind": "deny", "schedule": "0 22 * * *", "duration": "1h"}
    api.put("appprojects", "argocd", "default", spec={"syncWindows": [window]})
    assert take("--layer", str(layer))[2].held == ("appproject/default: sync window deny '0 22 * * *' for 1h",)


@pytest.mark.point("empty-capture-said")
def test_a_capture_of_nothing_is_none(
    api: ScriptedApi, take: Take, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    incidents.platform(api, "a" * 40)
    api.forbid(*LISTED)
    status, files, _ = take()
    assert (status, files) == (3, {})
    err = capsys.readouterr().err
    assert "context prod of " in err
    assert "no part could be read, so no file is written\n" in err
    for plural in ("applications", "nodes", "secrets", "services", "appprojects"):
        assert f'User "jane" cannot list resource "{plural}"' in err
    assert "remedy: give the kubeconfig's user the verbs `get` and `list` on these" in err


@pytest.mark.point("empty-capture-said")
@pytest.mark.parametrize("readable", ["nodes", "applications"])
def test_a_capture_of_a_part_is_one_and_says_what_it_lacks(
    api: ScriptedApi, take: Take, capsys: pytest.CaptureFixture[str], readable: str
) -> None:
    incidents.platform(api, "a" * 40)
    api.forbid(*(one for one in LISTED if one != readable))
    status, files, incident = take()
    assert status == 0
    assert files
    assert "foundations" in incident.missed
    assert "not captured:\n" in capsys.readouterr().out
    assert (incident.nodes, incident.apps) == ((1, ()) if readable == "nodes" else (0, ("one",)))


@pytest.mark.point("empty-capture-said")
def test_an_empty_cluster_that_may_be_read_is_captured(api: ScriptedApi, take: Take) -> None:
    assert take()[0] == 0


@pytest.mark.point("empty-capture-said")
def test_who_may_list_only_in_namespaces_captures_these(
    api: ScriptedApi, take: Take, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    layer, sha = incidents.checkout(tmp_path)
    incidents.platform(api, sha, key="other")
    secret = {"labels": {"owner": "helm", "name": "mine", "status": "deployed", "version": "1"}}
    api.put("secrets", "mine", "sh.helm.release.v1.mine.v1", metadata=secret, data=release("mine"))
    api.forbid(*LISTED, only_in=("argocd", "one", "mine"))
    status, _, incident = take("--layer", str(layer), "--app", "one")
    assert status == 0
    assert incident.apps == ("one",)
    assert [str(one) for one in incident.drift] == ["configmap/one -n one"]
    lacks = incident.missed["other namespaces"]
    assert lacks.startswith("this user may list applications, appprojects, ")
    assert lacks.endswith("only in single namespaces; looked into argocd, one (-n NAME adds one)")
    assert not incident.foundations
    capsys.readouterr()
    assert [one.name for one in take("--layer", str(layer), "-n", "mine")[2].foundations] == ["mine"]


@pytest.mark.point("server-bounded")
def test_a_capture_of_a_hostile_server_ends(
    api: ScriptedApi, take: Take, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(capture, "TAKEN", bad_answers.SMALL)
    monkeypatch.setattr(capture, "PATIENCE", 0)
    layer, sha = incidents.checkout(tmp_path)
    incidents.platform(api, sha)
    cases = {**bad_answers.WIRE, **{k: bad_answers.plain(v) for k, v in BODIES.items()}}
    for part in ("", "/applications?", "/nodes?"):
        for name in CHOSEN:
            api.faults.clear()
            api.hack(part, cases[name])
            began = time.monotonic()
            status, files, incident = take("--layer", str(layer), "--timeout", "1")
            assert time.monotonic() - began < 4, (part, name)
            out, err = capsys.readouterr()
            assert "Traceback" not in out + err
            if part and status == 0:
                assert {"Applications", "nodes"} & incident.missed.keys(), (part, name)
            else:
                assert (status, files) == (3, {}), (part, name)
                assert "remedy: " in err


@pytest.mark.point("server-bounded")
@pytest.mark.parametrize(
    ("plural", "field"),
    [
        ("applications", "spec"),
        ("applications", "status"),
        ("appprojects", "spec"),
        ("configmaps", "data"),
        ("events", "involvedObject"),
        ("secrets", "data"),
        ("services", "spec"),
    ],
)
@pytest.mark.parametrize("value", [[1], "abc", {"a": [1], "resources": 7, "conditions": "x", "sync": [], "ports": 7}])
def test_a_capture_goes_on_after_what_has_an_odd_shape(  # noqa: PLR0917  fixtures and parameters
    api: ScriptedApi,
    take: Take,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    plural: str,
    field: str,
    value: object,
) -> None:
    layer, sha = incidents.checkout(tmp_path)
    incidents.platform(api, sha)
    labels = {"owner": "helm", "name": "one", "status": "deployed", "version": "1"}
    api.put(plural, "one", "odd", **{"metadata": {"labels": labels}, field: value})
    status, _, incident = take("--layer", str(layer))
    out, err = capsys.readouterr()
    assert "Traceback" not in out + err
    assert status in {0, 3}
    assert status == 3 or "one" in incident.apps


def test_a_layer_that_is_not_there_is_refused_before_anything_is_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["capture", "--layer", str(tmp_path / "absent")]) == 4
    err = capsys.readouterr().err
    assert f"--layer must be a directory, got {tmp_path}/absent" in err
    assert "name the layer's directory in a checkout" in err
