"""`platform-e2e wait` against a scripted API server: what it says, and the status it ends with."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from typing import Any

import pytest

from platform_e2e.diagnosis.output import Output
from platform_e2e.gitops.argocd import REFRESH
from platform_e2e.kube.errors import NotFound, Unavailable
from platform_e2e.kube.objects import Object
from tests.fakes.argocd import SHA, converged
from tests.fakes.scripted_api import ScriptedApi
from tests.support.command_line import Run, api, deployment, pod, run

__all__ = ["api", "run"]  # fixtures

OnceTold = Callable[[str, Callable[[], object]], None]


@pytest.fixture
def once_told(monkeypatch: pytest.MonkeyPatch) -> OnceTold:
    """Return a function that has something done once the command has told some words, however long that takes."""
    expected: list[tuple[str, Callable[[], object]]] = []
    say = Output.say

    def and_then(voice: Output, words: str) -> None:
        say(voice, words)
        if expected and expected[0][0] in words:
            expected.pop(0)[1]()

    monkeypatch.setattr(Output, "say", and_then)
    return lambda words, work: expected.append((words, work))


def test_what_is_so_already_is_met_at_once(api: ScriptedApi, run: Run, capsys: Any) -> None:
    deployment(api)
    assert run("wait", "deploy/chat", "-n", "chat-dev") == 0
    out, err = capsys.readouterr()
    assert out.startswith("deployment/chat -n chat-dev is rolled out (after 0.")
    assert "context scripted of " in err.splitlines()[0]
    assert err.splitlines()[-1].endswith("s  as expected")


def test_what_is_absent_is_waited_for_and_each_state_is_told(
    api: ScriptedApi, run: Run, once_told: OnceTold, capsys: Any
) -> None:
    once_told("does not exist", lambda: deployment(api, available=0))
    once_told("0 of 1 replicas are available", lambda: deployment(api))
    assert run("wait", "deployments.apps", "chat", "-n", "chat-dev", "--timeout", "10s") == 0
    told = [line.split("s  ", 1)[1] for line in capsys.readouterr().err.splitlines()[1:]]
    assert told == ["does not exist", "0 of 1 replicas are available", "as expected"]


def test_in_vain_it_says_what_held_it_and_ends_with_1(api: ScriptedApi, run: Run, capsys: Any) -> None:
    deployment(api, available=0)
    pod(api, ready=False, reason="ErrImagePull")
    assert run("wait", "deploy/chat", "-n", "chat-dev", "--timeout", "1") == 1
    out, err = capsys.readouterr()
    assert not out
    lines = err.splitlines()
    start = lines.index("deployment/chat -n chat-dev is rolled out: not within 1 s")
    assert lines[start + 1 : start + 4] == [
        "  object:   Deployment chat -n chat-dev",
        "  observed: 0 of 1 replicas are available",
        "  cause:    the image chat:9.9.9 of pod/chat-1 -n chat-dev, container chat, cannot be had (ErrImagePull) [pod-image]",
    ]
    assert "  history:" in lines
    assert (
        lines[-1]
        == "  remedy: correct the image's name or tag in the pod template or under `images` of a kustomization, or push that tag; "
        "see that the node reaches its registry"
    )


def test_what_is_absent_to_the_end_is_compared_with_what_is_there(api: ScriptedApi, run: Run, capsys: Any) -> None:
    deployment(api)
    assert run("wait", "deploy/chatt", "-n", "chat-dev", "--timeout", "0") == 1
    err = capsys.readouterr().err
    assert "observed: does not exist" in err
    assert "deployment/chatt -n chat-dev does not exist, and no Application has it [object-missing]" in err
    assert err.endswith("remedy: did you mean chat?\n")


def test_quiet_says_nothing_but_why_it_was_in_vain(api: ScriptedApi, run: Run, capsys: Any) -> None:
    deployment(api)
    assert run("wait", "deploy/chat", "-n", "chat-dev", "-q") == 0
    assert capsys.readouterr() == ("", "")
    assert run("wait", "deploy/absent", "-n", "chat-dev", "-q", "--timeout", "0") == 1
    out, err = capsys.readouterr()
    assert not out
    assert err.startswith("deployment/absent -n chat-dev is rolled out: not within 0 s\n")


def test_json_is_one_object_for_each_outcome(api: ScriptedApi, run: Run, capsys: Any) -> None:
    deployment(api)
    assert run("wait", "deploy/chat", "-n", "chat-dev", "-o", "json") == 0
    met = json.loads(capsys.readouterr().out)
    assert (met["verdict"], met["expected"]) == ("met", "deployment/chat -n chat-dev is rolled out")
    assert [step["state"] for step in met["history"]] == ["as expected"]
    assert met["seconds"] > 0

    deployment(api, available=0)
    pod(api, ready=False, reason="ErrImagePull")
    assert run("wait", "deploy/chat", "-n", "chat-dev", "-o", "json", "--timeout", "0") == 1
    vain = json.loads(capsys.readouterr().out)
    assert (vain["verdict"], vain["outcome"]) == ("timeout", "not within 0 s")
    assert vain["observed"] == "0 of 1 replicas are available"
    assert vain["cause"]["id"] == "pod-image"
    assert vain["cause"]["remedy"]
    assert vain["state"][0].startswith("Deployment chat -n chat-dev, ")

    assert run("wait", "nonsense/chat", "-o", "json") == 4
    wrong = json.loads(capsys.readouterr().out)
    assert (wrong["verdict"], wrong["problem"]) == ("error", "the API server serves no kind `nonsense`")
    assert wrong["remedy"]


def test_several_objects_must_all_be_so_and_only_news_is_told(
    api: ScriptedApi, run: Run, once_told: OnceTold, capsys: Any
) -> None:
    deployment(api, available=0)
    pod(api, ready=True)
    once_told("pod/chat-1 -n chat-dev: as expected", lambda: deployment(api))
    assert run("wait", "deploy/chat", "po/chat-1", "-n", "chat-dev", "--timeout", "10") == 0
    out, err = capsys.readouterr()
    told = [line.split("s  ", 1)[1] for line in err.splitlines()[1:]]
    assert told == [
        "deployment/chat -n chat-dev: 0 of 1 replicas are available",
        "pod/chat-1 -n chat-dev: as expected",
        "deployment/chat -n chat-dev: as expected",
    ]
    assert out.startswith("deployment/chat -n chat-dev is rolled out; pod/chat-1 -n chat-dev is ready (after ")


def test_several_in_vain_name_each_and_explain_the_first(api: ScriptedApi, run: Run, capsys: Any) -> None:
    api.put("configmaps", "chat-dev", "chat")
    pod(api, ready=False, reason="ErrImagePull")
    assert run("wait", "cm/chat", "po/chat-1", "po/x", "-n", "chat-dev", "--timeout", "0") == 1
    err = capsys.readouterr().err
    assert (
        "observed: pod/chat-1 -n chat-dev: it is Pending and not ready (chat: ErrImagePull); "
        "pod/x -n chat-dev: does not exist\n"
    ) in err
    assert "[pod-image]" in err


def test_a_set_needs_an_object_and_each_of_it(api: ScriptedApi, run: Run, once_told: OnceTold, capsys: Any) -> None:
    once_told("there is none", lambda: pod(api, ready=False))
    once_told("it is Pending and not ready", lambda: pod(api, ready=True))
    pod(api, "other", "argocd", ready=False)
    assert run("wait", "pods", "-l", "app=chat", "-n", "chat-dev", "--timeout", "10") == 0
    out, err = capsys.readouterr()
    assert "s  there is none\n" in err
    assert "s  pod/chat-1 -n chat-dev: it is Pending and not ready\n" in err
    assert out.startswith("each of pods -n chat-dev -l app=chat is ready (after ")


def test_gone(api: ScriptedApi, run: Run, once_told: OnceTold, capsys: Any) -> None:
    assert run("wait", "cm/a", "--gone") == 0
    api.put("configmaps", "default", "a", metadata={"finalizers": ["example.org/x"]})
    once_told("s  a ", lambda: api.remove("configmaps", "default", "a"))
    assert run("wait", "cm/a", "--gone", "--timeout", "10") == 0
    meta = {"finalizers": ["example.org/x"], "deletionTimestamp": "2026-01-01T00:00:00Z"}
    api.put("configmaps", "default", "a", metadata=meta)
    capsys.readouterr()
    assert run("wait", "cm/a", "--gone", "--timeout", "0") == 1
    err = capsys.readouterr().err
    assert "observed: a is being deleted held by finalizers example.org/x" in err
    assert "[deletion-held]" in err


@pytest.mark.parametrize(
    ("words", "status"),
    [
        (["--condition", "Available"], 0),
        (["--condition", "Available=True", "--rolled-out"], 0),
        (["--condition", "Available=False"], 1),
        (["--field", ".spec.replicas=1"], 0),
        (["--field", ".spec.replicas=2"], 1),
        (["--field", ".spec.replicas!=2", "--condition", "Available=False"], 1),
        (["--exists"], 0),
        (["--gone"], 1),
        (["--rolled-out", "--for", "1"], 0),
    ],
)
def test_what_is_waited_for_can_be_said(api: ScriptedApi, run: Run, words: list[str], status: int) -> None:
    conditions = [{"type": "Available", "status": "True"}]
    full = {"replicas": 1, "updatedReplicas": 1, "availableReplicas": 1, "conditions": conditions}
    api.put("deployments", "default", "chat", spec={"replicas": 1}, status=full)
    assert run("wait", "deploy/chat", *words, "--timeout", "0") == status


def test_for_wants_it_to_stay(api: ScriptedApi, run: Run, once_told: OnceTold, capsys: Any) -> None:
    deployment(api)
    once_told("as expected", lambda: deployment(api, available=0))
    assert run("wait", "deploy/chat", "-n", "chat-dev", "--for", "2", "--timeout", "1") == 1
    assert "is rolled out for 2 s: did not stay so for 2 s within 1 s\n" in capsys.readouterr().err


SERVED = {"type": "Established", "status": "True"}


def test_each_kind_has_a_default_of_its_own(api: ScriptedApi, run: Run, capsys: Any) -> None:
    api.put("jobs", "default", "j", status={"conditions": [{"type": "Complete", "status": "True"}]})
    api.put("nodes", "", "n1", status={"conditions": [{"type": "Ready", "status": "True"}]})
    address = {"loadBalancer": {"ingress": [{"ip": "10.0.0.9"}]}}
    api.put("services", "default", "outer", spec={"type": "LoadBalancer", "selector": {"a": "b"}}, status=address)
    api.put("services", "default", "inner", spec={"selector": {"a": "b"}})
    labels = {"kubernetes.io/service-name": "inner"}
    api.put(
        "endpointslices", "default", "inner-1", metadata={"labels": labels}, endpoints=[{"addresses": ["10.0.0.1"]}]
    )
    api.put("configmaps", "default", "c")
    spec: Object = {"group": "metallb.io", "names": {"plural": "ipaddresspools", "kind": "IPAddressPool"}}
    spec |= {"versions": [{"name": "v1beta1", "served": True}]}
    api.put("customresourcedefinitions", "", "ipaddresspools.metallb.io", spec=spec, status={"conditions": [SERVED]})
    objects = ["job/j", "no/n1", "svc/outer", "svc/inner", "cm/c", "crd/ipaddresspools.metallb.io"]
    assert run("wait", *objects) == 0
    assert capsys.readouterr().out.startswith(
        "job/j -n default is complete; node/n1 is ready; each of service/outer -n default, service/inner -n default has its "
        "address or a ready endpoint; configmap/c -n default exists; "
        "customresourcedefinition/ipaddresspools.metallb.io is served (after "
    )
    api.put("services", "default", "outer", spec={"type": "LoadBalancer"})
    api.remove("endpointslices", "default", "inner-1")
    assert run("wait", "svc/outer", "--timeout", "0") == 1
    assert "observed: it has no address yet" in capsys.readouterr().err
    assert run("wait", "svc/inner", "--timeout", "0") == 1
    assert "observed: 0 ready endpoints of at least 1 (0 not ready)" in capsys.readouterr().err


def test_endpoints_are_counted(api: ScriptedApi, run: Run, capsys: Any) -> None:
    labels = {"kubernetes.io/service-name": "chat"}
    api.put("endpointslices", "default", "chat-1", metadata={"labels": labels}, endpoints=[{"addresses": ["10.0.0.1"]}])
    assert run("wait", "svc/chat", "--endpoints", "1") == 0
    assert "service/chat -n default has 1 ready endpoint (after " in capsys.readouterr().out
    assert run("wait", "svc/chat", "--endpoints", "2", "--timeout", "0") == 1


@pytest.mark.parametrize(
    ("words", "problem", "remedy"),
    [
        (["deploy"], "`deploy` names no object", "write deploy/NAME, or give labels by -l"),
        (
            ["deploy/"],
            "object must be KIND/NAME, got `deploy/`",
            "write each as KIND/NAME, or all of one kind as KIND NAME ...",
        ),
        (["deploy/a", "b"], "object must be KIND/NAME, got `b`", "write each as KIND/NAME"),
        (["deploy/a", "-l", "x=y"], "deploy/a has a name and -l labels", "give the name or the labels"),
        (["deploi/a"], "the API server serves no kind `deploi`", "did you mean deployment? "),
        (["deploy/a", "--gone", "--exists"], "--gone was given together with", "give --gone alone"),
        (
            ["deploy/a", "--field", ".a b"],
            "a field must be written PATH, PATH=VALUE or PATH!=VALUE, got `.a b`",
            "write a path such as .status.phase",
        ),
        (
            ["deploy/a", "--complete"],
            "--complete is for Job, and deployment/a -n default is another kind of object",
            "use --rolled-out, --condition TYPE, --field PATH=VALUE, --exists or --gone",
        ),
        (
            ["svc/a", "--converged-on", "HEAD", "--refresh"],
            "--converged-on is for Application, and service/a -n default is another kind of object",
            "use --endpoints, --condition TYPE",
        ),
        (
            ["app/a", "--converged-on", "HEAD"],
            "--converged-on HEAD must have --refresh: which commit is HEAD is known once Argo CD has looked at Git",
            "add --refresh, which annotates the Application, or give the commit",
        ),
        (["app/a", "--exists", "--refresh"], "--refresh was given without --converged-on", "say what is waited for"),
        (
            ["svc/a", "--refresh"],
            "--refresh is for Application, and service/a -n default is another kind of object",
            "use --end",
        ),
        (
            ["ipaddresspool/a"],
            "it is not known when ipaddresspool/a -n default is as it should be",
            "use --condition TYPE, --field PATH=VALUE, --exists or --gone",
        ),
        (
            ["svc", "-l", "a=b", "--endpoints", "1"],
            "--endpoints is asked of services -n default -l a=b",
            "name one Service",
        ),
    ],
)
def test_wrong_usage_ends_with_4_and_says_what_to_write(
    run: Run, capsys: Any, words: list[str], problem: str, remedy: str
) -> None:
    assert run("wait", *words, "--timeout", "5") == 4
    first, second = capsys.readouterr().err.splitlines()[:2]
    assert first.startswith(problem)
    assert second.startswith(f"  remedy: {remedy}")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ["--for=condition=Available"],
            "how long the condition must hold, such as 10s, got `condition=Available`; give the condition itself as `--condition Available`",
        ),
        (["--for", "delete"], "got `delete`; give the condition itself as `--gone`"),
        (["--for=jsonpath={.status.phase}=Running"], "give the condition itself as `--field "),
        (["--for", "soon"], "must be a duration such as 90s, 30m or 1h30m, got `soon`"),
        (["--timeout", "soon"], "must be a duration"),
        (
            ["--converged-on", "main"],
            "must be HEAD or at least 7 digits of a commit, got `main`; for a branch or tag of your checkout",
        ),
        (["--converged-on", "abc123"], "got `abc123`"),
        (["--endpoints", "0"], "must be a whole number from 1 on, got `0`"),
    ],
)
def test_what_an_option_cannot_take_is_told_before_anything_is_asked(
    run: Run, api: ScriptedApi, capsys: Any, words: list[str], said: str
) -> None:
    with pytest.raises(SystemExit) as error:
        run("wait", "deploy/a", *words)
    assert error.value.code == 4
    assert said in capsys.readouterr().err
    assert api.asked() == 0


def test_who_may_not_read_is_told_at_once_and_ends_with_3(api: ScriptedApi, run: Run, capsys: Any) -> None:
    message = (
        'deployments.apps is forbidden: User "jane" cannot list resource "deployments" in API group "apps" in the namespace '
        '"default"'
    )
    status = {"kind": "Status", "code": 403, "reason": "Forbidden", "message": message}
    api.fail("GET", "/deployments", 403, body=status)
    assert run("wait", "deploy/a", "--timeout", "30") == 3
    err = capsys.readouterr().err
    assert f"GET deployments -n default: 403 Forbidden: {message}\n" in err
    assert "remedy: give jane the verb `list` on deployments.apps in namespace default, " in err


def test_an_api_server_that_does_not_answer_is_told_and_ends_with_3(api: ScriptedApi, run: Run, capsys: Any) -> None:
    api.stop()
    assert run("wait", "deploy/a", "--timeout", "1") == 3
    err = capsys.readouterr().err
    assert err.splitlines()[0].startswith("+")
    assert (
        f"cannot be read: GET /api: 0 Refused: http://127.0.0.1:{api.port} does not answer (Connection refused)" in err
    )
    assert "deploy/a is as expected: not within 1 s\n" in err
    assert err.splitlines()[-1].startswith("  remedy: is the cluster running, and is this its kubeconfig?")


def test_an_api_server_that_comes_back_is_no_failure(api: ScriptedApi, run: Run, once_told: OnceTold) -> None:
    deployment(api)
    api.stop()
    once_told("does not answer", api.start)
    assert run("wait", "deploy/chat", "-n", "chat-dev", "--timeout", "10") == 0


def test_a_kind_with_its_group_may_come_later(api: ScriptedApi, run: Run, once_told: OnceTold, capsys: Any) -> None:
    def install() -> None:
        api.serve("example.org/v1", "widgets", "Widget")
        api.put("widgets", "default", "w")

    once_told("its CRD is not installed", install)
    assert run("wait", "widget.example.org/w", "--exists", "--timeout", "10") == 0
    assert "s  the API server serves no kind widget.example.org: its CRD is not installed\n" in capsys.readouterr().err


def test_no_value_of_a_secret_is_shown(api: ScriptedApi, run: Run, capsys: Any) -> None:
    api.put("secrets", "default", "s", data={"password": "aHVudGVyMg=="})
    for output in ("text", "json"):
        assert run("wait", "secret/s", "--field", ".data.password=eA==", "--timeout", "0", "-o", output) == 1
        said = "".join(capsys.readouterr())
        assert ".data.password is a value that is not shown, not eA==" in said
        assert "aHVudGVyMg" not in said


@pytest.mark.parametrize("output", ["text", "json"])
def test_ctrl_c_tells_what_was_seen_so_far(
    api: ScriptedApi, run: Run, once_told: OnceTold, capsys: Any, output: str
) -> None:
    deployment(api, available=0)
    once_told("0 of 1 replicas", lambda: os.kill(os.getpid(), signal.SIGTERM))  # which the command line takes as Ctrl-C
    assert run("wait", "deploy/chat", "-n", "chat-dev", "--timeout", "60", "-o", output) == 2
    out, err = capsys.readouterr()
    if output == "json":
        told = json.loads(out)
        assert told["verdict"] == "interrupted"
        assert told["observed"] == "0 of 1 replicas are available"
        assert told["state"]
        return
    lines = err.splitlines()
    assert lines[2].startswith("deployment/chat -n chat-dev is rolled out: interrupted after 0.")
    assert lines[3:5] == ["  object:   Deployment chat -n chat-dev", "  observed: 0 of 1 replicas are available"]
    assert "  state:" in lines
    assert "  history:" in lines


# Applications


def application(api: ScriptedApi, sha: str = SHA, **metadata: Any) -> None:
    """Put an Application that has converged on a commit, and the workload that it made."""
    name = metadata.pop("name", "chat-dev")
    app = converged(name, sha)
    app["status"]["resources"] = [
        {
            "group": "apps",
            "version": "v1",
            "kind": "Deployment",
            "namespace": "chat-dev",
            "name": "chat",
            "status": "Synced",
        }
    ]
    api.put("applications", "argocd", name, metadata=metadata, spec=app["spec"], status=app["status"])


@pytest.fixture
def asked(api: ScriptedApi, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Note who is asked to look at Git; the annotation stays until Argo CD has looked."""
    names: list[str] = []

    def ask(_kube: object, name: str, *, namespace: str) -> None:
        names.append(f"{namespace}/{name}")
        application(api, annotations={REFRESH: "normal"})

    monkeypatch.setattr("platform_e2e.gitops.argocd_requests.ask_refresh", ask)
    return names


def test_head_is_what_argo_cd_finds_when_it_is_asked_to_look(
    api: ScriptedApi, run: Run, once_told: OnceTold, asked: list[str], capsys: Any
) -> None:
    newer = "c" * 40
    application(api)
    deployment(api)
    once_told("has not done the refresh", lambda: application(api, newer))
    assert run("wait", "application/chat-dev", "--converged-on", "HEAD", "--refresh", "--timeout", "10") == 0
    assert asked == ["argocd/chat-dev"]
    out, err = capsys.readouterr()
    assert out.startswith(f"application/chat-dev -n argocd is what its newest commit says (commit {newer[:12]}, after ")
    assert "s  Argo CD has not done the refresh that was asked for\n" in err


def test_an_application_is_not_believed_before_argo_cd_has_looked(
    api: ScriptedApi, run: Run, asked: list[str], capsys: Any
) -> None:
    deployment(api)
    application(api)
    assert run("wait", "app/chat-dev", "--refresh", "--timeout", "1") == 1
    assert asked == ["argocd/chat-dev"]
    err = capsys.readouterr().err
    assert "application/chat-dev -n argocd is what its newest commit says: not within 1 s" in err
    assert "observed: Argo CD has not done the refresh that was asked for" in err


def test_a_refresh_that_argo_cd_has_lost_is_asked_for_again(
    api: ScriptedApi, run: Run, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.setattr("platform_e2e.gitops.argocd_requests.LOST_SECONDS", 0.5)
    newer, asked = "c" * 40, []

    def ask(_kube: object, name: str, *, namespace: str, again: bool = False) -> None:
        asked.append((namespace, name, again))
        # The first is lost: its annotation stays. The second is done.
        application(api, newer) if again else application(api, annotations={REFRESH: "normal"})

    monkeypatch.setattr("platform_e2e.gitops.argocd_requests.ask_refresh", ask)
    deployment(api)
    application(api)
    assert run("wait", "app/chat-dev", "--refresh", "--timeout", "20") == 0
    assert asked == [("argocd", "chat-dev", False), ("argocd", "chat-dev", True)]
    out, err = capsys.readouterr()
    assert f"(commit {newer[:12]}, after " in out
    assert err.count("Argo CD has not done the refresh that was asked for") == 1, "it is told once"


def test_a_refresh_that_is_never_done_is_asked_for_as_long_as_the_wait_lasts(
    api: ScriptedApi, run: Run, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.setattr("platform_e2e.gitops.argocd_requests.LOST_SECONDS", 0.3)
    deployment(api)
    application(api)
    asked = []

    def ask(_kube: object, _name: str, *, namespace: str, again: bool = False) -> None:
        asked.append(again)
        application(api, annotations={REFRESH: "normal"})
        if len(asked) == 2:
            raise Unavailable("PATCH", 503, "ServiceUnavailable", "away")

    monkeypatch.setattr("platform_e2e.gitops.argocd_requests.ask_refresh", ask)
    assert run("wait", "app/chat-dev", "--refresh", "--timeout", "2") == 1
    assert asked[:3] == [False, True, True], "an API server that was away once does not end the wait"
    err = capsys.readouterr().err
    assert "application/chat-dev -n argocd is what its newest commit says: not within 2 s" in err
    assert "observed: Argo CD has not done the refresh that was asked for" in err


def test_an_application_that_is_deleted_does_not_keep_the_others_from_being_asked(
    api: ScriptedApi, run: Run, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.setattr("platform_e2e.gitops.argocd_requests.LOST_SECONDS", 0.3)
    asked = []

    def ask(_kube: object, name: str, *, namespace: str, again: bool = False) -> None:
        asked.append((name, again))
        application(api, name=name, labels={"team": "chat"}, annotations={REFRESH: "normal"})
        if again and name == "chat-dev":
            raise NotFound("PATCH application/chat-dev", 404, "NotFound", "gone")

    monkeypatch.setattr("platform_e2e.gitops.argocd_requests.ask_refresh", ask)
    for name in ("chat-dev", "chat-prod"):
        application(api, name=name, labels={"team": "chat"})
    assert run("wait", "app", "-l", "team=chat", "--refresh", "--timeout", "2") == 1
    assert ("chat-prod", True) in asked
    assert "not within 2 s" in capsys.readouterr().err


def test_each_application_of_a_set_is_asked(api: ScriptedApi, run: Run, asked: list[str]) -> None:
    application(api, labels={"team": "chat"})
    assert run("wait", "app", "-l", "team=chat", "--refresh", "--timeout", "0") == 1
    assert asked == ["argocd/chat-dev"]


def test_a_refresh_of_somebody_else_is_waited_for_before_our_own(
    api: ScriptedApi, run: Run, once_told: OnceTold, capsys: Any
) -> None:
    deployment(api)
    application(api, annotations={REFRESH: "normal"})
    once_told("another client asked for", lambda: application(api))
    assert run("wait", "app/chat-dev", "--refresh", "--timeout", "10") == 0
    assert api.asked("PATCH", "applications/chat-dev") == 1
    assert (
        "s  Argo CD has not done the refresh of application/chat-dev that another client asked for\n"
        in capsys.readouterr().err
    )


def test_a_commit_is_demanded_by_its_first_digits(api: ScriptedApi, run: Run, capsys: Any) -> None:
    deployment(api)
    application(api)
    assert run("wait", "app/chat-dev", "--converged-on", SHA[:8]) == 0
    assert run("wait", "app/chat-dev", "--converged-on", "deadbeef", "--timeout", "0") == 1
    err = capsys.readouterr().err
    assert f"observed: it was compared with commit {SHA[:12]}, not with deadbeef yet" in err


def test_the_rollouts_of_its_workloads_are_awaited_at_the_end(api: ScriptedApi, run: Run, capsys: Any) -> None:
    application(api)
    deployment(api, available=0)
    assert run("wait", "app/chat-dev", "--timeout", "1") == 1
    err = capsys.readouterr().err
    assert "observed: deployment/chat -n chat-dev: 0 of 1 replicas are available" in err
    assert "application/chat-dev -n argocd is what Argo CD compared it with last: not within 1 s" in err


def test_who_may_not_ask_for_a_refresh_must_name_the_commit(api: ScriptedApi, run: Run, capsys: Any) -> None:
    deployment(api)
    application(api)
    api.fail("PATCH", "applications/chat-dev", 403, times=2)
    assert run("wait", "app/chat-dev", "--refresh") == 3
    assert "PATCH Application chat-dev -n argocd: 403 " in capsys.readouterr().err
    assert run("wait", "app/chat-dev", "--converged-on", SHA, "--refresh") == 0
    assert (
        "Argo CD is not asked to look at Git and does so by itself every few minutes: as the" in capsys.readouterr().err
    )


def test_a_commit_of_one_of_several_repositories_is_refused(api: ScriptedApi, run: Run, capsys: Any) -> None:
    app = converged("chat-dev")
    app["status"]["sync"] = {"status": "Synced", "revisions": [SHA, "1.2.3"]}
    git, chart = {"repoURL": "https://a"}, {"repoURL": "https://charts", "chart": "x"}
    app["spec"]["sources"] = [git, chart]
    api.put("applications", "argocd", "chat-dev", spec=app["spec"], status=app["status"])
    assert run("wait", "app/chat-dev", "--converged-on", SHA) == 0  # a chart has a version of its own
    app["spec"]["sources"] = [git, {"repoURL": "https://b"}]
    api.put("applications", "argocd", "chat-dev", spec=app["spec"], status=app["status"])
    assert run("wait", "app/chat-dev", "--converged-on", SHA) == 4
    assert (
        f"application/chat-dev reads 2 Git repositories, and commit {SHA[:12]} can be of one only\n"
        "  remedy: use --converged-on HEAD --refresh\n"
    ) in capsys.readouterr().err
