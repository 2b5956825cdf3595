"""Commands ask as the kubeconfig says, and cannot write; an unverified certificate is said once; no escape reaches the terminal."""

from __future__ import annotations

import ssl
import threading
import warnings
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization

from platform_e2e import cli
from platform_e2e.cluster.connection import connect
from platform_e2e.errors import BrokenHarness
from platform_e2e.kube.errors import KubeconfigError
from platform_e2e.kube.kubeconfig import load
from platform_e2e.kube.reader import Reader
from platform_e2e.kube.transport import Request
from platform_e2e.terminal import visible
from tests.fakes.kubeconfigs import pems, write
from tests.fakes.scripted_api import ScriptedApi
from tests.support.command_line import Run, api, deployment, run

__all__ = ["api", "pems", "run"]

AS = "as: jane, as-uid: '7', as-groups: [ops, 'team: a'], as-user-extra: {'example.org/Why?': [x, ü]}, token: t0k3n"
SENT = [
    ("Authorization", "Bearer t0k3n"),
    ("Impersonate-User", "jane"),
    ("Impersonate-Uid", "7"),
    ("Impersonate-Group", "ops"),
    ("Impersonate-Group", "team: a"),
    ("Impersonate-Extra-example.org%2FWhy%3F", "x"),
    ("Impersonate-Extra-example.org%2FWhy%3F", "ü".encode().decode("latin-1")),
]


def kubeconfig(tmp_path: Path, api: ScriptedApi, user: str) -> Path:
    return write(tmp_path, f"server: 'http://127.0.0.1:{api.port}'", user)


@pytest.mark.point("impersonation-sent")
@pytest.mark.parametrize("by_file", [False, True], ids=["token", "token-file"])
def test_every_request_is_sent_as_the_user_that_is_meant(api: ScriptedApi, tmp_path: Path, *, by_file: bool) -> None:
    (tmp_path / "t").write_text("t0k3n\n")
    user = AS.replace("token: t0k3n", "tokenFile: t") if by_file else AS
    deployment(api, "a", "default", available=0)
    words = ["--kubeconfig", str(kubeconfig(tmp_path, api, user))]
    assert cli.main(["wait", "deploy/a", "-n", "default", "--timeout", "1", *words]) == 1
    assert cli.main(["explain", *words]) == 1
    with Reader(load(Path(words[1]))) as found, pytest.raises(BrokenHarness):
        found.logs("p", "default")
    assert api.asked(watch="true")
    assert api.asked(part="/log")
    for headers in api.headers:
        said = [(name, value) for name, value in headers if name.startswith(("Authorization", "Impersonate"))]
        assert sorted(said) == sorted(SENT)


@pytest.mark.point("impersonation-sent")
@pytest.mark.parametrize(
    ("user", "said"),
    [
        ("as-groups: [a]", "must be given together with `as`"),
        ("as-uid: a", "must be given together with `as`"),
        ("as-user-extra: {a: [b]}", "must be given together with `as`"),
        ("as: [a]", "as of .* must be a text, got another value"),
        ("as: 7", "as of .* must be a text, got another value"),
        ("as: a, as-groups: b", "as-groups of .* must be a list of texts"),
        ("as: a, as-groups: [[b]]", "as-groups of .* must be a list of texts"),
        ("as: a, as-user-extra: {b: c}", "as-user-extra a mapping of such lists"),
        ('as: "a\\r\\nX: y"', "must have no control characters"),
        ('as: a, as-groups: ["b\\n"]', "must have no control characters"),
        ('token: "a\\nb"', "must have no control characters"),
    ],
)
def test_who_is_meant_and_cannot_be_sent_is_refused(tmp_path: Path, user: str, said: str) -> None:
    with pytest.raises(KubeconfigError, match=said) as error:
        load(write(tmp_path, user=user))
    assert error.value.remedy
    assert error.value.exit_code == 4


@pytest.mark.point("impersonation-sent")
def test_a_user_of_none_is_asked_for_by_no_header(api: ScriptedApi, tmp_path: Path) -> None:
    assert load(kubeconfig(tmp_path, api, "as: '', as-groups: [], token: a")).impersonated == ()


# Who is trusted


@pytest.fixture
def unverified(pems: tuple[bytes, bytes], tmp_path: Path) -> Iterator[Path]:
    """Yield the kubeconfig of a server whose certificate nobody has signed."""
    certificate, key = pems

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.0"

        def do_GET(self) -> None:
            self.send_response(404)
            self.end_headers()

        def log_message(self, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    (tmp_path / "pem").write_bytes(certificate + key)
    context.load_cert_chain(tmp_path / "pem")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    yield write(tmp_path, f"server: 'https://127.0.0.1:{server.server_port}', insecure-skip-tls-verify: true")
    server.shutdown()
    server.server_close()


@pytest.mark.point("tls-unverified-said")
@pytest.mark.parametrize("words", [["explain", "deploy/a"], ["wait", "deploy/a", "-q", "-o", "json"], ["capture"]])
def test_an_unverified_certificate_is_said_once(
    unverified: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any, words: list[str]
) -> None:
    monkeypatch.setenv("PLATFORM_E2E_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert cli.main([*words, "--kubeconfig", str(unverified)]) == 3
    err = capsys.readouterr().err
    assert err.count("WARNING: the certificate of https://127.0.0.1:") == 1
    assert err.count("is NOT VERIFIED") == 1
    assert not [one for one in caught if "Unverified HTTPS" in str(one.message)]


@pytest.mark.point("tls-unverified-said")
def test_nothing_is_said_of_a_certificate_that_is_verified(tmp_path: Path, capsys: Any) -> None:
    connect(kubeconfig=write(tmp_path, "server: 'https://a'"), cluster="", context="", patience=0)
    connect(kubeconfig=write(tmp_path, "server: 'http://a'"), cluster="", context="", patience=0)
    assert capsys.readouterr().err == ""


@pytest.mark.point("tls-unverified-said")
@pytest.mark.parametrize("value", ["'yes'", "1", "[]"])
def test_only_true_switches_the_verification_off(tmp_path: Path, value: str) -> None:
    assert load(write(tmp_path, f"server: 'https://a', insecure-skip-tls-verify: {value}")).verified


def test_a_key_that_is_locked_is_not_asked_for_at_the_terminal(tmp_path: Path, pems: tuple[bytes, bytes]) -> None:
    key = serialization.load_pem_private_key(pems[1], None)
    locked = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"secret"),
    )
    (tmp_path / "c").write_bytes(pems[0])
    (tmp_path / "k").write_bytes(locked)
    with pytest.raises(KubeconfigError, match="cannot be loaded"):
        load(write(tmp_path, "server: 'https://a'", "client-certificate: c, client-key: k"))


# What may be sent


@pytest.mark.point("client-cannot-write")
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "CONNECT", "get", "GET "])
def test_a_client_that_reads_sends_nothing_but_get(api: ScriptedApi, tmp_path: Path, method: str) -> None:
    found = connect(kubeconfig=kubeconfig(tmp_path, api, ""), cluster="", context="", patience=0)
    assert type(found.kube) is Reader
    with found.kube as reader:
        for send in (
            lambda: reader.raw(method, "/api/v1/namespaces", {}),
            lambda: reader._http.request(Request(method, "/api/v1/namespaces")),
            lambda: reader._http.open(Request(method, "/api/v1/namespaces")),
        ):
            with pytest.raises(BrokenHarness, match="a read-only client must not send"):
                send()
    assert not api.requests


@pytest.mark.point("client-cannot-write")
@pytest.mark.parametrize(
    "words", [["app/chat-dev"], ["app/chat-dev", "--converged-on", "a" * 8], ["app", "-l", "team=chat"]]
)
def test_a_wait_writes_nothing_that_is_not_asked_for(api: ScriptedApi, run: Run, words: list[str], capsys: Any) -> None:
    api.put("applications", "argocd", "chat-dev", metadata={"labels": {"team": "chat"}}, spec={}, status={})
    assert run("wait", *words, "--timeout", "0") == 1
    assert run("explain", "app/chat-dev") == 1
    assert {method for method, _, _ in api.requests} == {"GET"}
    if "--converged-on" in words:
        assert "--refresh asks it to look now" in capsys.readouterr().err
    run("wait", *words, "--refresh", "--timeout", "0")
    assert [path for method, path, _ in api.requests if method != "GET"] == [
        "/apis/argoproj.io/v1alpha1/namespaces/argocd/applications/chat-dev"
    ]


@pytest.mark.point("client-cannot-write")
@pytest.mark.parametrize("name", ["../../secrets/x", "a/b", "a?b=c", "a#b", "..", "."])
def test_a_name_of_a_stranger_leads_to_no_other_path(api: ScriptedApi, name: str) -> None:
    with api.client() as kube:
        kube.get("v1/ConfigMap", name, "default")
        kube.get("v1/ConfigMap", "a", name)
    asked = [path for _, path, _ in api.requests if "configmaps" in path]
    assert asked == [f"/api/v1/namespaces/default/configmaps/{name}", f"/api/v1/namespaces/{name}/configmaps/a"]
    assert not [query for _, _, query in api.requests if query]


# What is printed

HOSTILE = "a\x1b[2J\x1b]0;owned\x07\x9b31m\u202e\r\x00b"


@pytest.mark.point("terminal-escapes-shown")
def test_what_steers_a_terminal_is_shown() -> None:
    assert visible("plain ü \U0001f600\n\tx") == "plain ü \U0001f600\n\tx"
    assert visible(HOSTILE) == r"a\x1b[2J\x1b]0;owned\x07\x9b31m\u202e\r\x00b"
    assert visible("\ud800") == r"\ud800"


@pytest.mark.point("terminal-escapes-shown")
def test_no_escape_of_an_api_server_reaches_the_terminal(api: ScriptedApi, run: Run, capsys: Any) -> None:
    deployment(api, "a", "default", available=0)
    waiting = {"name": HOSTILE, "image": HOSTILE, "state": {"waiting": {"reason": HOSTILE, "message": HOSTILE}}}
    status = {"phase": "Pending", "containerStatuses": [waiting]}
    api.put("pods", "default", "p", metadata={"labels": {"app": "a"}}, status=status)
    api.put(
        "events",
        "default",
        "e",
        involvedObject={"kind": "Pod", "name": "p"},
        reason=HOSTILE,
        message=HOSTILE,
        type=HOSTILE,
        lastTimestamp="2026-01-01T00:00:00Z",
    )
    api.put("applications", "argocd", "x", spec={}, status={"conditions": [{"type": "SyncError", "message": HOSTILE}]})
    assert run("explain") == 1
    assert run("explain", "deploy/a", "-n", "default") == 1
    assert run("wait", "deploy/a", "app/x", "--timeout", "0") == 1
    assert run("wait", "deploy/a", "--timeout", "0", "-o", "json") == 1
    body = {"kind": "Status", "reason": HOSTILE, "message": HOSTILE}
    api.fail("GET", "/deployments", 403, body=body, times=9)
    assert run("wait", "deploy/a") == 3
    shown(*capsys.readouterr())


@pytest.mark.point("terminal-escapes-shown")
def test_no_escape_of_a_kubeconfig_reaches_the_terminal(
    tmp_path: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("platform_e2e.commands.explain.PATIENCE", 0)
    monkeypatch.setattr("platform_e2e.incident.capture.PATIENCE", 0)
    monkeypatch.setattr("platform_e2e.kube.wait.LAST_LOOK", 0.1)
    path = tmp_path / "k"
    for name in ("cluster", "server"):
        odd = '"a\\e[2J\\a\\r"'
        server = odd if name == "server" else "http://127.0.0.1:1"
        cluster = odd if name == "cluster" else "c"
        path.write_text(
            f"current-context: {odd}\ncontexts: [{{name: {odd}, context: {{cluster: {cluster}}}}}]\n"
            f"clusters: [{{name: {cluster}, cluster: {{server: {server!s}}}}}]\n"
        )
        for words in (["explain"], ["wait", "deploy/a", "--timeout", "0"], ["capture"]):
            assert cli.main([*words, "--kubeconfig", str(path)]) in {3, 4}
    shown(*capsys.readouterr())


def shown(out: str, err: str) -> None:
    """Demand that escapes were there, and that none could be obeyed."""
    assert "\\x1b[2J" in out + err
    assert not [sign for sign in out + err if not sign.isprintable() and sign not in "\n\t"]
