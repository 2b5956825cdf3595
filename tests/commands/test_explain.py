"""`platform-e2e explain`: what holds an object, down to the pod; everything that is held, each cause once; and the status."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from platform_e2e import cli
from platform_e2e.diagnosis.cached import CachedReader
from platform_e2e.diagnosis.not_found import why_not_found
from platform_e2e.diagnosis.scan import scan
from platform_e2e.diagnosis.tree import diagnose
from platform_e2e.kube.errors import Forbidden
from platform_e2e.kube.objects import Object
from tests.fakes.argocd import SHA, converged
from tests.fakes.recorded_view import RecordedView, made
from tests.fakes.scripted_api import ScriptedApi
from tests.support.command_line import Run, api, deployment, pod, run

__all__ = ["api", "run"]  # fixtures

LABELS = {"app": "chat"}
IMAGE = "the image chat:9.9.9 of pod/chat-2 -n chat-dev, container chat, cannot be had (ErrImagePull)"


def workload(available: int = 0) -> Object:
    spec = {"replicas": 1, "selector": {"matchLabels": LABELS}, "template": {"metadata": {"labels": LABELS}}}
    status = {"observedGeneration": 1, "replicas": 1, "updatedReplicas": 1, "availableReplicas": available}
    return made("apps/v1/Deployment", "chat", "chat-dev", metadata={"generation": 1}, spec=spec, status=status)


def one_pod(name: str, *, ready: bool = False, created: str = "2026-01-01T00:00:00Z", **metadata: Any) -> Object:
    state: Object = {"running": {}} if ready else {"waiting": {"reason": "ErrImagePull"}}
    container = {"name": "chat", "image": "chat:9.9.9", "ready": ready, "state": state}
    conditions = [{"type": "Ready", "status": "True" if ready else "False"}]
    status = {"phase": "Running" if ready else "Pending", "conditions": conditions, "containerStatuses": [container]}
    return made("v1/Pod", name, "chat-dev", LABELS, metadata={"creationTimestamp": created, **metadata}, status=status)


def service(*, address: str = "") -> Object:
    status = {"loadBalancer": {"ingress": [{"ip": address}] if address else []}}
    return made("v1/Service", "chat", "chat-dev", spec={"selector": LABELS}, status=status)


def application(health: str = "Progressing", *resources: tuple[str, str, str]) -> Object:
    app = converged("chat-dev")
    app["status"]["health"]["status"] = health
    entries = resources or (("apps", "v1", "Deployment"), ("", "v1", "Service"))
    app["status"]["resources"] = [
        {"group": g, "version": v, "kind": k, "namespace": "chat-dev", "name": "chat", "status": "Synced"}
        for g, v, k in entries
    ]
    app["spec"]["destination"] = {"namespace": "chat-dev"}
    return app


def test_an_object_that_is_as_it_should_be_is_held_by_nothing() -> None:
    found = diagnose(workload(1), RecordedView())
    assert (found.sound, found.expected, found.cause, found.chain) == (True, "is rolled out", None, ())


def test_an_application_is_followed_down_to_the_newest_pod() -> None:
    older = one_pod("chat-1", created="2025-01-01T00:00:00Z")
    ending = one_pod("chat-3", created="2027-01-01T00:00:00Z", deletionTimestamp="x")
    about = {"kind": "Pod", "name": "chat-2"}
    event = {"involvedObject": about, "reason": "Failed", "type": "Warning", "message": "no such image"}
    view = RecordedView(
        application(),
        workload(),
        service(),
        older,
        one_pod("chat-2"),
        ending,
        events={"chat-dev/chat-2": [event]},
    )
    found = diagnose(application(), view)
    assert found.object == "application/chat-dev -n argocd"
    assert found.expected == f"is Synced and Healthy on commit {SHA[:12]}"
    assert found.observed == "its health is Progressing"
    assert found.cause is not None
    assert (found.cause.id, found.cause.sentence) == ("pod-image", IMAGE)
    assert found.chain == (
        "deployment/chat -n chat-dev: 0 of 1 replicas are available",
        "  pod/chat-2 -n chat-dev: it is Pending and not ready (chat: ErrImagePull)",
        "  pod/chat-1 -n chat-dev: it is Pending and not ready (chat: ErrImagePull)",
        "service/chat -n chat-dev: 0 ready endpoints of at least 1 (0 not ready)",
    )
    assert "Warning Failed Pod chat-2: no such image" in found.events[0]
    assert not found.sound


def test_an_application_that_could_not_be_compared_names_no_commit() -> None:
    app = application()
    app["status"]["sync"] = {"status": "Unknown", "revision": "main"}
    app["status"]["conditions"] = [{"type": "ComparisonError", "message": "no such path"}]
    found = diagnose(app, RecordedView())
    assert (found.expected, found.observed) == ("is Synced and Healthy", "condition ComparisonError: no such path")


def test_what_no_cause_is_known_for_is_told_as_unexplained() -> None:
    namespace = made("v1/Node", "n1", status={"conditions": [{"type": "Ready", "status": "False", "reason": "Away"}]})
    found = diagnose(namespace, RecordedView())
    assert found.cause is not None
    assert found.cause.id == "unexplained"
    assert "node/n1: condition Ready is False, not True: Away" in found.cause.sentence
    assert "its events and conditions" in found.cause.remedy


def test_what_is_as_expected_may_be_held_all_the_same() -> None:
    monitor = made("monitoring.coreos.com/v1/ServiceMonitor", "chat", "chat-dev", spec={"selector": {}})
    found = diagnose(monitor, RecordedView(monitor))
    assert found.cause is not None
    assert (found.cause.id, found.observed) == ("monitor-unselected", "it is held all the same")


def test_an_old_event_does_not_hold_a_workload_that_is_sound() -> None:
    failed = {"reason": "FailedCreate", "message": "exceeded quota"}
    assert diagnose(workload(1), RecordedView(events={"chat-dev/chat": [failed]})).sound
    assert diagnose(workload(0), RecordedView(events={"chat-dev/chat": [failed]})).cause is not None


def test_a_deletion_that_is_held_comes_first() -> None:
    meta = {"deletionTimestamp": "2026-01-01T00:00:00Z", "finalizers": ["a/b"]}
    found = diagnose(made("v1/ConfigMap", "a", "ns", metadata=meta), RecordedView())
    assert found.cause is not None
    assert found.cause.id == "deletion-held"


class Denied(RecordedView):
    """A view whose user may not list one kind."""

    denied = "v1/Pod"

    def list(self, kind: str, *args: Any, **options: Any) -> Any:
        if kind == self.denied:
            raise Forbidden(f"GET {kind}", 403, "Forbidden", "you may not", remedy="get the verb list")
        return super().list(kind, *args, **options)


def test_a_cause_that_may_not_be_looked_for_is_told_with_what_is_missing() -> None:
    found = diagnose(workload(), Denied())
    assert found.cause is None
    assert found.observed == "0 of 1 replicas are available"
    assert found.trouble == "GET v1/Pod: 403 Forbidden: you may not\n  remedy: get the verb list"
    assert not found.sound


# Everything that is held


def test_a_cause_is_told_once_with_all_that_it_holds() -> None:
    owner = {"controller": True, "uid": "rs-1"}
    pods = [one_pod(name, ownerReferences=[owner]) for name in ("chat-1", "chat-2")]
    (found,) = scan(RecordedView(application(), workload(), service(), *pods))
    assert found.object == "pod/chat-1 -n chat-dev"
    assert set(found.holds) == {
        "pod/chat-2 -n chat-dev",
        "deployment/chat -n chat-dev",
        "service/chat -n chat-dev",
        "application/chat-dev -n argocd",
    }


def test_several_causes_are_told_each() -> None:
    sealed = made("bitnami.com/v1alpha1/SealedSecret", "s", "other")
    sealed["status"] = {"conditions": [{"type": "Synced", "status": "False", "message": "no key could decrypt"}]}
    found = scan(RecordedView(workload(), one_pod("chat-2"), sealed))
    assert [one.object for one in found] == ["pod/chat-2 -n chat-dev", "sealedsecret/s -n other"]
    assert [one.object for one in scan(RecordedView(one_pod("chat-2"), sealed), "other")] == ["sealedsecret/s -n other"]


def test_a_namespace_includes_the_applications_that_deploy_to_it() -> None:
    app = application()
    app["status"]["conditions"] = [{"type": "ComparisonError", "message": "no such path"}]
    assert [one.object for one in scan(RecordedView(app), "chat-dev")] == ["application/chat-dev -n argocd"]
    assert scan(RecordedView(app), "chat-prod") == []


def test_what_is_on_its_way_out_holds_nothing() -> None:
    assert scan(RecordedView(one_pod("chat-1", deletionTimestamp="2026-01-01T00:00:00Z"))) == []
    held = one_pod("chat-1", deletionTimestamp="2026-01-01T00:00:00Z", finalizers=["a/b"])
    assert [one.object for one in scan(RecordedView(held))] == ["pod/chat-1 -n chat-dev"]


def test_whoever_may_see_a_part_is_told_of_that_part_and_what_is_missing() -> None:
    sealed = made("bitnami.com/v1alpha1/SealedSecret", "s", "other")
    sealed["status"] = {"conditions": [{"type": "Synced", "status": "False", "message": "no"}]}
    found = scan(Denied(sealed))
    assert [(one.object, one.unread) for one in found] == [("sealedsecret/s -n other", False), ("Pod", True)]


# What is not there


def why(kind: str, name: str, namespace: str | None, *objects: Object) -> tuple[str, str]:
    everywhere = [made("v1/Namespace", one) for one in ("chat-dev", "chat-prod")]
    cause = why_not_found(kind, name, namespace, RecordedView(*everywhere, *objects))
    return cause.sentence, cause.remedy


def test_an_absent_object_is_looked_for_elsewhere() -> None:
    other = made("v1/Service", "chat", "chat-prod")
    assert why("v1/Service", "chat", "chat-dev", other) == (
        "service/chat -n chat-dev does not exist; there is one of that name in chat-prod",
        "give -n chat-prod",
    )
    assert why("v1/Service", "chta", "chat-prod", other) == (
        "service/chta -n chat-prod does not exist, and no Application has it",
        "did you mean chat?",
    )
    assert why("v1/Service", "chta", "chat-dev", other)[1] == "create it, or correct its name and namespace"
    assert why("v1/Service", "chat", "chat-dve", other) == (
        "there is no namespace chat-dve for service/chat -n chat-dve",
        "did you mean -n chat-dev or -n chat-prod?",
    )
    assert why("v1/Namespace", "chat-de", None)[1] == "did you mean chat-dev or chat-prod?"


def test_an_absent_object_of_an_application_is_the_applications_matter() -> None:
    app = application()
    assert why("v1/Service", "chat", "chat-dev", app, workload(), one_pod("chat-2"))[0] == IMAGE
    healthy = application("Healthy")
    assert why("v1/Service", "chat", "chat-dev", healthy)[0] == (
        "service/chat -n chat-dev belongs to application/chat-dev -n argocd and is not there"
    )


def test_a_view_asks_each_thing_once(api: ScriptedApi) -> None:
    deployment(api)
    with api.client() as kube:
        view = CachedReader(kube)
        for _ in range(3):
            assert view.list("apps/v1/Deployment", "chat-dev")
            assert view.get("apps/v1/Deployment", "chat", "chat-dev")
            assert view.get("apps/v1/Deployment", "absent", "chat-dev") is None
            assert view.get("v1/Pod", "absent", "chat-dev") is None
            view.list("v1/Pod", "chat-dev", labels={"a": "b"})
            view.events("v1/Pod", "absent", "chat-dev")
    assert api.asked("GET", "/deployments") == 1
    assert api.asked("GET", "/pods/absent") == 1
    assert api.asked("GET", "/pods") == 2
    assert api.asked("GET", "/events") == 1


# The command


def test_explain_prints_object_expected_observed_cause_and_remedy_first(
    api: ScriptedApi, run: Run, capsys: Any
) -> None:
    deployment(api, available=0)
    pod(api, ready=False, reason="ErrImagePull")
    assert run("explain", "deploy/chat", "-n", "chat-dev") == 1
    out, err = capsys.readouterr()
    assert len(err.splitlines()) == 1, "which cluster is asked, and nothing else"
    assert out.splitlines() == [
        "deployment/chat -n chat-dev",
        "  expected: is rolled out",
        "  observed: 0 of 1 replicas are available",
        "  cause:    the image chat:9.9.9 of pod/chat-1 -n chat-dev, container chat, cannot be had (ErrImagePull) [pod-image]",
        (
            "  remedy:   correct the image's name or tag in the pod template or under `images` of a kustomization, or push that tag; "
            "see that the node reaches its registry"
        ),
        "  held by:",
        "    pod/chat-1 -n chat-dev: it is Pending and not ready (chat: ErrImagePull)",
    ]


def test_a_sound_object_ends_with_0(api: ScriptedApi, run: Run, capsys: Any) -> None:
    deployment(api)
    assert run("explain", "Deployment/chat", "-n", "chat-dev") == 0
    assert capsys.readouterr().out == "deployment/chat -n chat-dev is rolled out; nothing holds it\n"


def test_a_sound_cluster_ends_with_0(api: ScriptedApi, run: Run, capsys: Any) -> None:
    deployment(api)
    assert run("explain") == 0
    assert capsys.readouterr().out == "nothing is held in the cluster\n"
    assert run("explain", "-n", "chat-dev") == 0
    assert capsys.readouterr().out == "nothing is held in namespace chat-dev\n"


def test_a_long_story_is_told_once(api: ScriptedApi, run: Run, capsys: Any) -> None:
    app = application()
    story = "accumulating resources " * 50
    app["status"]["conditions"] = [{"type": "ComparisonError", "message": story}]
    api.put("applications", "argocd", "chat-dev", spec=app["spec"], status=app["status"])
    assert run("explain", "app/chat-dev") == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[2].startswith("  observed: condition ComparisonError: accumulating resources ")
    assert lines[2].endswith("...")
    assert len(lines[2]) < 260
    assert story.strip() in lines[3]


@pytest.mark.parametrize("words", [(), ("-n", "chat-dev"), ("ns/chat-dev",), ("pods", "-n", "chat-dev")])
def test_what_is_held_in_a_cluster_or_a_namespace_ends_with_1(
    api: ScriptedApi, run: Run, capsys: Any, words: tuple[str, ...]
) -> None:
    pod(api, ready=False, reason="ErrImagePull")
    assert run("explain", *words) == 1
    assert capsys.readouterr().out.startswith("pod/chat-1 -n chat-dev\n")
    assert run("explain", "-n", "argocd") == 0


def test_json_has_it_all(api: ScriptedApi, run: Run, capsys: Any) -> None:
    deployment(api, available=0)
    pod(api, ready=False, reason="ErrImagePull")
    assert run("explain", "deploy/chat", "-n", "chat-dev", "-o", "json") == 1
    told = json.loads(capsys.readouterr().out)
    assert (told["about"], told["sound"]) == ("deploy/chat", False)
    (found,) = told["objects"]
    assert found["object"] == "deployment/chat -n chat-dev"
    assert found["cause"]["id"] == "pod-image"
    assert found["chain"] == ["pod/chat-1 -n chat-dev: it is Pending and not ready (chat: ErrImagePull)"]


@pytest.mark.parametrize("credentials", ["", "me:s3cret-word@"])
def test_it_says_which_cluster_it_asks(api: ScriptedApi, tmp_path: Path, capsys: Any, credentials: str) -> None:
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(
        "current-context: prod\ncontexts: [{name: prod, context: {cluster: c}}]\n"
        f'clusters: [{{name: c, cluster: {{server: "http://{credentials}127.0.0.1:{api.port}"}}}}]\n'
    )
    server, where = f"http://127.0.0.1:{api.port}", f"context prod of {kubeconfig}"
    assert cli.main(["explain", "--kubeconfig", str(kubeconfig)]) == 0
    said = capsys.readouterr()
    assert said.err == f"asking {where}, {server}\n"
    assert cli.main(["explain", "--kubeconfig", str(kubeconfig), "-o", "json"]) == 0
    told = capsys.readouterr()
    assert json.loads(told.out)["cluster"] == {"name": where, "context": "prod", "server": server}
    assert "s3cret-word" not in "".join((*said, *told))


def test_it_says_so_also_where_the_cluster_does_not_answer(tmp_path: Path, capsys: Any) -> None:
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(
        "current-context: gone\ncontexts: [{name: gone, context: {cluster: c}}]\n"
        'clusters: [{name: c, cluster: {server: "http://127.0.0.1:1"}}]\n'
    )
    assert cli.main(["explain", "--kubeconfig", str(kubeconfig), "--timeout", "1"]) == 3
    assert capsys.readouterr().err.startswith(f"asking context gone of {kubeconfig}, http://127.0.0.1:1\n")


@pytest.mark.parametrize(
    ("words", "cause"),
    [
        (("svc/chat",), "service/chat -n default does not exist, and no Application has it"),
        (("-n", "nowhere"), "namespace/nowhere does not exist"),
        (("ns/nowhere",), "namespace/nowhere does not exist"),
    ],
)
def test_what_does_not_exist_ends_with_1(run: Run, capsys: Any, words: tuple[str, ...], cause: str) -> None:
    assert run("explain", *words) == 1
    out = capsys.readouterr().out
    assert "  observed: it does not exist\n" in out
    assert f"  cause:    {cause}" in out
    assert "[object-missing]" in out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("deplyo/chat",), "the API server serves no kind `deplyo`\n  remedy: did you mean deployment? "),
        (("-l", "a=b"), "-l was given without a kind\n  remedy: name one: `explain pods -l a=b`"),
        (("pods", "-l", "a=b"), "there are no pods -n default -l a=b\n  remedy: correct the namespace or the labels"),
    ],
)
def test_wrong_usage_ends_with_4(run: Run, capsys: Any, words: tuple[str, ...], said: str) -> None:
    assert run("explain", *words) == 4
    assert said in capsys.readouterr().err


def test_an_api_server_that_does_not_answer_ends_with_3(
    api: ScriptedApi, run: Run, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("platform_e2e.commands.explain.PATIENCE", 0.1)
    api.stop()
    assert run("explain", "deploy/chat") == 3
    err = capsys.readouterr().err
    assert f"http://127.0.0.1:{api.port} does not answer (Connection refused)\n  remedy: is the cluster running?" in err


def refuse(api: ScriptedApi, what: str, times: int = 9) -> None:
    """Let the user list nothing of a kind."""
    message = f'{what} is forbidden: User "jane" cannot list resource "{what}" in API group "" at the cluster scope'
    status = {"kind": "Status", "code": 403, "reason": "Forbidden", "message": message}
    api.fail("GET", f"/{what}", 403, times=times, body=status)


def test_what_may_not_be_read_ends_with_3_where_the_rest_is_sound(api: ScriptedApi, run: Run, capsys: Any) -> None:
    deployment(api)
    refuse(api, "pods")
    assert run("explain") == 3
    out = capsys.readouterr().out
    assert out.startswith("Pod\n  expected: can be judged\n  observed: this user may not list them, ")
    assert "remedy: give jane the verb `list` on pods in the whole cluster" in out
    assert run("explain", "deploy/chat", "-n", "chat-dev") == 0
    deployment(api, available=0)
    assert run("explain", "deploy/chat", "-n", "chat-dev") == 1
    assert "cause:    could not be worked out: GET pods -n chat-dev: 403" in capsys.readouterr().out


def test_whoever_may_not_read_namespaces_may_look_into_one(api: ScriptedApi, run: Run) -> None:
    refuse(api, "namespaces/chat-dev", times=1)
    assert run("explain", "-n", "chat-dev") == 0


def test_a_crashed_containers_log_is_told_without_its_secrets(
    api: ScriptedApi, run: Run, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = {"reason": "Error", "exitCode": 1}
    waiting = {"reason": "CrashLoopBackOff"}
    container = {"name": "chat", "ready": False, "state": {"waiting": waiting}, "lastState": {"terminated": ended}}
    api.put("pods", "chat-dev", "chat-1", status={"phase": "Running", "containerStatuses": [container]})
    monkeypatch.setattr("platform_e2e.kube.reader.Reader.logs", lambda *_a, **_o: "cannot log in: password=hunter2")
    for output in ("text", "json"):
        assert run("explain", "po/chat-1", "-n", "chat-dev", "-o", output) == 1
        out = capsys.readouterr().out
        assert "cannot log in: password=[redacted]" in out
        assert "hunter2" not in out
