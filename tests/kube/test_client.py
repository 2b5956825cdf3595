"""The client against a scripted API server: paths, typed errors, patience."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from platform_e2e.errors import BrokenHarness, WrongUsage
from platform_e2e.kube.answers import Limits
from platform_e2e.kube.client import Kube
from platform_e2e.kube.errors import Conflict, Forbidden, Invalid, KindNotServed, NotFound, Unavailable
from platform_e2e.kube.kubeconfig import Endpoint
from platform_e2e.kube.objects import Object
from platform_e2e.kube.reader import Reader
from tests.fakes.scripted_api import ScriptedApi


@pytest.fixture
def api() -> Iterator[ScriptedApi]:
    api = ScriptedApi()
    yield api
    api.stop()


@pytest.fixture
def kube(api: ScriptedApi) -> Iterator[Kube]:
    with api.client() as kube:
        yield kube


def configmap(name: str, **data: str) -> Object:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "ns"}, "data": data}


def test_get_returns_the_object_or_none(api: ScriptedApi, kube: Kube) -> None:
    api.put("configmaps", "ns", "there", data={"a": "b"})
    found = kube.get("v1/ConfigMap", "there", "ns")
    assert found is not None
    assert found["data"] == {"a": "b"}
    assert kube.get("v1/ConfigMap", "absent", "ns") is None
    assert kube.get("example.org/v1/Absent", "x", "ns") is None


def test_a_kind_that_comes_to_be_served_is_found(api: ScriptedApi, kube: Kube) -> None:
    assert kube.list("example.org/v1/Widget") == []
    api.serve("example.org/v1", "widgets", "Widget")
    api.put("widgets", "ns", "w")
    assert [obj["metadata"]["name"] for obj in kube.list("example.org/v1/Widget")] == ["w"]


def test_discovery_is_asked_once_for_a_kind_that_is_served(api: ScriptedApi, kube: Kube) -> None:
    for _ in range(3):
        kube.get("apps/v1/Deployment", "x", "ns")
    assert sum(path == "/apis/apps/v1" for _, path, _ in api.requests) == 1


def test_list_reads_all_pages_sorted_and_names_the_kind(api: ScriptedApi) -> None:
    kube = Reader(Endpoint(f"http://127.0.0.1:{api.port}", None, None, {}), limits=Limits(page=3))
    for number in reversed(range(8)):
        api.put("configmaps", "ns", f"c{number}")
    api.put("configmaps", "other", "c0")
    found = kube.list("v1/ConfigMap", "ns")
    assert [obj["metadata"]["name"] for obj in found] == [f"c{number}" for number in range(8)]
    assert {(obj["apiVersion"], obj["kind"]) for obj in found} == {("v1", "ConfigMap")}
    assert len(kube.list("v1/ConfigMap")) == 9
    assert api.asked("GET", "configmaps", limit="3") == 6
    kube.close()


def test_list_sends_the_selectors(api: ScriptedApi, kube: Kube) -> None:
    kube.list("v1/Pod", "ns", {"app": "chat"}, {"status.phase": "Running"})
    _, path, query = api.requests[-1]
    assert path == "/api/v1/namespaces/ns/pods"
    assert query["labelSelector"] == "app in (chat)"
    assert query["fieldSelector"] == "status.phase=Running"


def test_apply_is_a_server_side_apply(api: ScriptedApi, kube: Kube) -> None:
    made = kube.apply(configmap("a", x="1"), dry_run=True)
    assert made["data"] == {"x": "1"}
    method, path, query = api.requests[-1]
    assert (method, path) == ("PATCH", "/api/v1/namespaces/ns/configmaps/a")
    assert query == {"fieldManager": "platform-e2e", "force": "true", "dryRun": "All"}


def test_create_patch_delete(api: ScriptedApi, kube: Kube) -> None:
    kube.create(configmap("a", x="1"))
    with pytest.raises(Conflict) as refused:
        kube.create(configmap("a"))
    assert "POST ConfigMap a -n ns: 409 AlreadyExists" in str(refused.value)
    assert kube.patch("v1/ConfigMap", "a", {"data": {"x": "2"}}, "ns")["data"] == {"x": "2"}
    assert kube.delete("v1/ConfigMap", "a", "ns")
    assert not kube.delete("v1/ConfigMap", "a", "ns")
    assert not kube.delete("example.org/v1/Absent", "a", "ns")


def test_what_cannot_be_written_says_so_before_it_is_sent(kube: Kube) -> None:
    with pytest.raises(WrongUsage, match=r"must be one of merge, json, strategic, got 'JSON'"):
        kube.patch("v1/ConfigMap", "a", {}, "ns", type="JSON")
    with pytest.raises(WrongUsage, match="ConfigMap a must be requested with a namespace"):
        kube.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}})
    with pytest.raises(WrongUsage, match="a kind must be written GROUP/VERSION/Kind, got 'Deployment'"):
        kube.get("Deployment", "a", "ns")
    with pytest.raises(KindNotServed, match=r"no such kind\n  remedy: install the CRD or the product"):
        kube.apply({"apiVersion": "example.org/v1", "kind": "Absent", "metadata": {"name": "a"}})


@pytest.mark.parametrize(
    ("status", "kind", "remedy"),
    [
        (401, Forbidden, "certificate or token"),
        (403, Forbidden, "permission"),
        (404, NotFound, "create the object first"),
        (409, Conflict, "which manager owns the field"),
        (422, Invalid, "the field that the message names"),
    ],
)
def test_errors_name_the_object_the_sentence_and_the_remedy(
    api: ScriptedApi, kube: Kube, status: int, kind: type[Exception], remedy: str
) -> None:
    api.fail("PATCH", "configmaps/a", status)
    with pytest.raises(kind) as refused:
        kube.patch("v1/ConfigMap", "a", {}, "ns")
    assert str(refused.value).startswith(f"PATCH ConfigMap a -n ns: {status} Scripted: as the test asked\n  remedy: ")
    assert remedy in str(refused.value)


def test_an_invalid_secret_is_reported_by_its_fields_only(api: ScriptedApi, kube: Kube) -> None:
    status = {
        "kind": "Status",
        "reason": "Invalid",
        "message": 'Secret "s" is invalid: data[password]: Invalid value: "hunter2"',
        "details": {"causes": [{"field": "data[password]", "message": 'Invalid value: "hunter2"'}]},
    }
    api.fail("PATCH", "secrets/s", 422, body=status)
    with pytest.raises(Invalid) as refused:
        kube.apply({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s", "namespace": "ns"}})
    assert "data[password]" in str(refused.value)
    assert "hunter2" not in str(refused.value)
    assert "hunter2" not in repr(refused.value.__dict__)


def test_an_object_with_an_unknown_field_is_invalid_although_the_answer_is_500(api: ScriptedApi, kube: Kube) -> None:
    """It is no API server that is away, and does not pass."""
    said = (
        "failed to create typed patch object (ns/a; v1, Kind=ConfigMap): .spec.dependsOn: field not declared in schema"
    )
    api.fail("PATCH", "configmaps/a", 500, body={"kind": "Status", "code": 500, "message": said})
    with pytest.raises(Invalid, match="field not declared in schema"):
        kube.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": "ns"}})


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_reading_gets_over_what_passes(api: ScriptedApi, kube: Kube, status: int) -> None:
    api.put("configmaps", "ns", "a")
    api.fail("GET", "configmaps/a", status, times=3)
    assert kube.get("v1/ConfigMap", "a", "ns") is not None


def test_a_retry_after_is_honoured(api: ScriptedApi, kube: Kube) -> None:
    api.put("configmaps", "ns", "a")
    api.fail("GET", "configmaps/a", 429, Retry_After="1")
    start = time.monotonic()
    assert kube.get("v1/ConfigMap", "a", "ns") is not None
    assert 1.0 <= time.monotonic() - start < 2.0


@pytest.mark.parametrize(("status", "most"), [(429, 10.0), (503, 1.0)])
def test_a_retry_after_is_honoured_within_reason(api: ScriptedApi, status: int, most: float) -> None:
    api.fail("GET", "configmaps/a", status, Retry_After="3600")
    with api.client(patience=0) as kube, pytest.raises(Unavailable) as refused:
        kube.get("v1/ConfigMap", "a", "ns")
    assert refused.value.retry_after == most


def test_patience_has_an_end_and_the_error_is_the_last_answer(api: ScriptedApi) -> None:
    api.fail("GET", "configmaps/a", 503, times=1000)
    with api.client(patience=0.3) as kube, pytest.raises(Unavailable) as refused:
        kube.get("v1/ConfigMap", "a", "ns")
    assert "503 Scripted" in str(refused.value)
    assert 3 <= api.asked("GET", "configmaps/a") <= 8


def test_a_creation_that_may_have_been_carried_out_is_not_repeated(api: ScriptedApi, kube: Kube) -> None:
    api.fail("POST", "configmaps", 500)
    with pytest.raises(Unavailable):
        kube.create(configmap("a"))
    assert api.asked("POST") == 1
    api.fail("POST", "configmaps", 429)
    kube.create(configmap("a"))


def test_no_api_server_is_said_with_its_address_and_what_to_look_at(api: ScriptedApi) -> None:
    api.stop()
    with api.client(patience=0.1) as kube, pytest.raises(Unavailable) as refused:
        kube.version()
    assert f"http://127.0.0.1:{api.port} does not answer (Connection refused)" in str(refused.value)
    assert "is the cluster running?" in str(refused.value)


def test_a_reader_sends_nothing_but_get(api: ScriptedApi) -> None:
    with Reader(Endpoint(f"http://127.0.0.1:{api.port}", None, None, {})) as reader:
        with pytest.raises(BrokenHarness, match="a read-only client must not send POST /api/v1/namespaces"):
            reader.raw("POST", "/api/v1/namespaces", {})
        assert not api.requests
        assert reader.version() == "v1.99.0"


def test_what_is_no_api_server_is_said(kube: Kube, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kube, "raw", lambda *_: "<html>welcome</html>")
    with pytest.raises(Unavailable, match="must be a Kubernetes API server, got an answer without its version"):
        kube.version()


def test_a_request_waits_for_an_api_server_that_comes_back(api: ScriptedApi, kube: Kube) -> None:
    import threading

    assert kube.version() == "v1.99.0"
    api.stop()
    back = threading.Timer(0.4, api.start)
    back.start()
    assert kube.version() == "v1.99.0"
    back.join()


def test_events_are_those_of_the_object_and_of_what_carries_its_name(api: ScriptedApi, kube: Kube) -> None:
    for name, about, kind in [
        ("e1", "chat", "Deployment"),
        ("e2", "chat-5d8f-x", "Pod"),
        ("e3", "chat", "Service"),
        ("e4", "chatter", "Pod"),
    ]:
        api.put("events", "ns", name, involvedObject={"kind": kind, "name": about})
    found = kube.events("apps/v1/Deployment", "chat", "ns")
    assert [event["metadata"]["name"] for event in found] == ["e1", "e2"]


@pytest.mark.parametrize(
    ("group", "where", "remedy"),
    [
        (
            "apps",
            'in the namespace "chat-dev"',
            (
                "give jane the verb `list` on deployments.apps in namespace chat-dev, or use another kubeconfig; "
                "`kubectl auth can-i list deployments.apps -n chat-dev` checks it"
            ),
        ),
        (
            "",
            "at the cluster scope",
            (
                "give jane the verb `list` on deployments in the whole cluster, or use another kubeconfig; "
                "`kubectl auth can-i list deployments -A` checks it"
            ),
        ),
    ],
)
def test_who_may_not_is_told_which_verb_on_which_resource_is_missing(
    api: ScriptedApi, kube: Kube, group: str, where: str, remedy: str
) -> None:
    message = f'deployments is forbidden: User "jane" cannot list resource "deployments" in API group "{group}" {where}'
    api.fail("GET", "deployments", 403, body={"kind": "Status", "code": 403, "reason": "Forbidden", "message": message})
    with pytest.raises(Forbidden) as error:
        kube.list("apps/v1/Deployment", "chat-dev")
    assert error.value.problem == f"GET deployments -n chat-dev: 403 Forbidden: {message}"
    assert error.value.remedy == remedy


def test_a_request_may_have_headers_for_what_stands_behind_the_api_server(api: ScriptedApi) -> None:
    with api.client() as kube:
        kube.raw("GET", "/version", headers={"Cookie": "argocd.token=t"})
    assert ("Cookie", "argocd.token=t") in [item for headers in api.headers for item in headers]
