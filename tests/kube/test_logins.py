"""Logins by OIDC and proxies: an id-token is renewed where it has ended, kept as kubectl keeps it, and no proxy's password is told."""

from __future__ import annotations

import base64
import contextlib
import json
import re
import select
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest

from platform_e2e import cli
from platform_e2e.cluster.kubernetes.pki import Authority
from platform_e2e.kube.errors import KubeconfigError, Unavailable
from platform_e2e.kube.kubeconfig import load
from platform_e2e.kube.reader import Reader
from platform_e2e.kube.transport import Request
from tests.fakes.scripted_api import ScriptedApi
from tests.support.command_line import api, deployment

__all__ = ["api"]

REFRESH = "refresh-t0k3n"
SECRET = "client-s3cr3t"


def id_token(seconds: float, name: str = "jane") -> str:
    """Return a JWT that ends in so many seconds; who reads it here verifies no signature."""
    parts = ({"alg": "none"}, {"sub": name, "exp": int(time.time() + seconds)})
    texts = [base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts]
    return ".".join([*texts, "c2lnbmF0dXJl"])


def served(handler: type[BaseHTTPRequestHandler], authority: Authority, tmp_path: Path) -> ThreadingHTTPServer:
    """Return a server on 127.0.0.1 that speaks TLS, and answers already."""
    pair = authority.server("127.0.0.1", [IPv4Address("127.0.0.1")])
    (tmp_path / "issuer.pem").write_bytes(pair.certificate + pair.key)
    settings = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    settings.load_cert_chain(tmp_path / "issuer.pem")
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    server.handle_error = lambda *_: None  # type: ignore[method-assign]  # who is not trusted is hung up on
    server.socket = settings.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    return server


class Issuer:
    """An issuer that renews every login, and notes what it was asked."""

    def __init__(self, tmp_path: Path) -> None:
        self.authority = Authority("issuer")
        self.forms: list[dict[str, str]] = []
        self.basic: list[str] = []
        self.status = 200
        self.answer: dict[str, Any] = {"id_token": id_token(3600), "refresh_token": "rotated"}
        issuer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                assert self.path == "/realm/.well-known/openid-configuration"
                self.say(200, {"token_endpoint": f"{issuer.url}/token"})

            def do_POST(self) -> None:
                form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
                issuer.forms.append({name: values[0] for name, values in form.items()})
                issuer.basic.append(
                    base64.b64decode(self.headers.get("Authorization", "").removeprefix("Basic ")).decode()
                )
                self.say(issuer.status, issuer.answer)

            def say(self, status: int, answer: Any) -> None:
                body = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self.server = served(Handler, self.authority, tmp_path)
        self.url = f"https://127.0.0.1:{self.server.server_port}/realm"


@pytest.fixture
def issuer(tmp_path: Path) -> Iterator[Issuer]:
    made = Issuer(tmp_path)
    yield made
    made.server.shutdown()
    made.server.server_close()


@pytest.fixture(autouse=True)
def nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """See no cluster of this machine, and write no temporary file: the official client would."""
    monkeypatch.setenv("PLATFORM_E2E_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("PLATFORM_E2E_CLUSTER", raising=False)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "nowhere"))


def kubeconfig(tmp_path: Path, api: ScriptedApi, user: str, cluster: str = "", server: str = "") -> Path:
    path = tmp_path / "kubeconfig"
    path.write_text(
        f"""# of jane
current-context: managed
contexts: [{{name: managed, context: {{cluster: c, user: u}}}}]
clusters: [{{name: c, cluster: {{server: "{server or f"http://127.0.0.1:{api.port}"}" {cluster}}}}}]
users:
- name: other
  user: {{token: "007"}}
- name: u
  user: {user}
"""
    )
    path.chmod(0o600)
    return path


def login(tmp_path: Path, api: ScriptedApi, issuer: Issuer, token: str, **more: str) -> Path:
    authority = base64.b64encode(issuer.authority.pair.certificate).decode()
    config = {
        "idp-issuer-url": issuer.url,
        "idp-certificate-authority-data": authority,
        "client-id": "kubernetes",
        "client-secret": SECRET,
        "refresh-token": REFRESH,
        "id-token": token,
        **more,
    }
    user = {"auth-provider": {"name": "oidc", "config": {name: value for name, value in config.items() if value}}}
    deployment(api, "a", "default")
    return kubeconfig(tmp_path, api, json.dumps(user))


def explain(path: Path) -> int:
    return cli.main(["explain", "deploy/a", "-n", "default", "--kubeconfig", str(path), "--timeout", "5"])


def asked_by(api: ScriptedApi) -> set[str]:
    return {dict(headers).get("Authorization", "") for headers in api.headers}


def test_an_id_token_that_is_valid_is_sent_and_nobody_is_asked(
    api: ScriptedApi, issuer: Issuer, tmp_path: Path
) -> None:
    token = id_token(3600)
    path = login(tmp_path, api, issuer, token)
    before = path.read_bytes()
    assert explain(path) == 0
    assert asked_by(api) == {f"Bearer {token}"}
    assert (issuer.forms, path.read_bytes()) == ([], before)


@pytest.mark.parametrize("token", [id_token(-5), ""], ids=["ended", "none"])
def test_one_that_has_ended_is_renewed_once_and_kept(
    api: ScriptedApi, issuer: Issuer, tmp_path: Path, token: str
) -> None:
    issuer.answer["id_token"] = id_token(
        120
    )  # less than the five minutes in which the official client takes it for ended
    path = login(tmp_path, api, issuer, token)
    assert explain(path) == 0
    assert asked_by(api) == {f"Bearer {issuer.answer['id_token']}"}
    assert issuer.forms == [{"grant_type": "refresh_token", "refresh_token": REFRESH, "client_id": "kubernetes"}]
    assert issuer.basic == [f"kubernetes:{SECRET}"]
    text = path.read_text()
    assert "# of jane" in text
    assert '"007"' in text
    assert REFRESH not in text
    assert "rotated" in text
    assert path.stat().st_mode & 0o777 == 0o600
    assert [file.name for file in tmp_path.glob("*kubeconfig*")] == ["kubeconfig"]
    issuer.answer["id_token"] = id_token(3600)
    assert explain(path) == 0
    assert issuer.forms[1]["refresh_token"] == "rotated"


def test_a_login_that_cannot_be_kept_is_said_and_used(
    api: ScriptedApi, issuer: Issuer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = login(tmp_path, api, issuer, id_token(-5))
    before = path.read_bytes()
    (tmp_path / "kubeconfig.lock").touch()  # as while kubectl writes it
    assert explain(path) == 0
    assert "the renewed login of user 'u' could not be stored in" in caplog.text
    assert path.read_bytes() == before


@pytest.mark.point("credentials-stay")
@pytest.mark.parametrize(
    ("status", "answer", "said"),
    [
        (
            400,
            {"error": "invalid_grant", "error_description": REFRESH},
            "refuses to renew the login: 400 invalid_grant",
        ),
        (200, {"access_token": REFRESH}, "must answer with an id_token, got none"),
        (200, [REFRESH], "refuses to renew the login: 200"),
    ],
)
def test_a_login_that_is_not_renewed_is_a_sentence_without_its_tokens(  # noqa: PLR0917  fixtures
    api: ScriptedApi, issuer: Issuer, tmp_path: Path, capsys: Any, caplog: Any, status: int, answer: Any, said: str
) -> None:
    caplog.set_level("DEBUG")
    issuer.status, issuer.answer = status, answer
    assert explain(login(tmp_path, api, issuer, id_token(-5))) == 3
    text = "".join(capsys.readouterr()) + caplog.text
    assert said in text
    assert "log in again" in text
    assert not any(secret in text for secret in (REFRESH, SECRET))
    assert api.requests == []


def test_an_id_token_that_is_no_jwt_is_not_sent(
    api: ScriptedApi, issuer: Issuer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert explain(login(tmp_path, api, issuer, REFRESH)) == 3
    err = capsys.readouterr().err
    assert "must have an id-token that is a JWT, got another value or none" in err
    assert REFRESH not in err
    assert (api.requests, issuer.forms) == ([], [])


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"idp-certificate-authority-data": ""}, r"does not answer \(SSLError\)"),
        ({"idp-issuer-url": "http://127.0.0.1:1"}, "must be asked by https, got 'http://127.0.0.1:1"),
        ({"idp-issuer-url": "https://127.0.0.1:1"}, r"does not answer \(NewConnectionError\)"),
        ({"refresh-token": ""}, "must have a refresh-token"),
    ],
    ids=["authority", "plain", "absent", "no-refresh-token"],
)
def test_an_issuer_that_cannot_be_trusted_or_reached_is_a_sentence(  # noqa: PLR0917  fixtures
    api: ScriptedApi, issuer: Issuer, tmp_path: Path, capsys: Any, more: dict[str, str], said: str
) -> None:
    assert explain(login(tmp_path, api, issuer, id_token(-5), **more)) == 3
    err = capsys.readouterr().err
    assert re.search(said, err), err
    assert issuer.forms == []
    assert "remedy: " in err


@pytest.mark.point("plugins-of-users-only")
def test_a_login_is_renewed_only_for_a_kubeconfig_that_the_user_names(
    api: ScriptedApi, issuer: Issuer, tmp_path: Path
) -> None:
    with pytest.raises(KubeconfigError, match="gets its credential by auth-provider, which runs only for"):
        load(login(tmp_path, api, issuer, id_token(-5)))
    assert issuer.forms == []


def test_other_providers_are_named(tmp_path: Path, api: ScriptedApi) -> None:
    with pytest.raises(KubeconfigError, match=r"must be oidc, got 'gcp'; Kubernetes removed the others in 1\.26"):
        load(kubeconfig(tmp_path, api, "{auth-provider: {name: gcp}}"), trusted=True)


# The way there


class Proxy:
    """A proxy that opens a tunnel to wherever it is asked for, and notes the heads of what it was asked."""

    def __init__(self, status: bytes = b"200 OK", settings: ssl.SSLContext | None = None) -> None:
        self.heads: list[str] = []
        self.status = status
        plain = socket.create_server(("127.0.0.1", 0))
        self.listening = settings.wrap_socket(plain, server_side=True) if settings else plain
        self.port = self.listening.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self.listening.accept()
            except OSError:
                return
            threading.Thread(target=self._serve_one, args=(client,), daemon=True).start()

    def _serve_one(self, client: socket.socket) -> None:
        # A client that is interrupted ends its connection without a word.
        with contextlib.suppress(OSError):
            self._tunnel(client)

    def _tunnel(self, client: socket.socket) -> None:
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += client.recv(1)
        self.heads.append(head.decode())
        client.sendall(b"HTTP/1.1 " + self.status + b"\r\n\r\n")
        if not self.status.startswith(b"200"):
            client.close()
            return
        host, port = head.split()[1].decode().split(":")
        with client, socket.create_connection((host, int(port))) as there:
            ends = {client: there, there: client}
            while True:
                for end in select.select(list(ends), [], [], 30)[0]:
                    data = end.recv(1 << 16)
                    if not data:
                        return
                    ends[end].sendall(data)


def secured(api: ScriptedApi, tmp_path: Path) -> str:
    """Let the API server speak TLS, and return what a kubeconfig says of it."""
    authority = Authority("api")
    pair = authority.server("api", ["api.example.org"])
    (tmp_path / "api.pem").write_bytes(pair.certificate + pair.key)
    settings = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    settings.load_cert_chain(tmp_path / "api.pem")
    assert api._server is not None
    api._server.socket = settings.wrap_socket(api._server.socket, server_side=True)
    trusted = base64.b64encode(authority.pair.certificate).decode()
    return f", certificate-authority-data: {trusted}, tls-server-name: api.example.org"


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy_leads_to_an_api_server_of_another_name(
    api: ScriptedApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scheme: str
) -> None:
    deployment(api, "a", "default")
    settings = None
    if scheme == "https":
        authority = Authority("proxy")
        pair = authority.server("proxy", [IPv4Address("127.0.0.1")])
        (tmp_path / "proxy.pem").write_bytes(pair.certificate + pair.key)
        (tmp_path / "known.pem").write_bytes(authority.pair.certificate)
        settings = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        settings.load_cert_chain(tmp_path / "proxy.pem")
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "known.pem"))
    proxy = Proxy(settings=settings)
    cluster = f"{secured(api, tmp_path)}, proxy-url: '{scheme}://jane:p%40ss@127.0.0.1:{proxy.port}'"
    path = kubeconfig(tmp_path, api, "{token: t0k3n}", cluster, f"https://127.0.0.1:{api.port}")
    assert explain(path) == 0
    assert cli.main(["wait", "deploy/a", "-n", "default", "--for", "1s", "--kubeconfig", str(path)]) == 0
    assert asked_by(api) == {"Bearer t0k3n"}
    assert api.asked(watch="true")
    with Reader(load(path)) as kube:
        query = {"watch": True, "resourceVersion": str(api.revision)}
        stream = kube._http.open(Request("GET", "/api/v1/namespaces/default/pods", params=query))
        threading.Timer(0.2, stream.interrupt).start()
        began = time.monotonic()
        with contextlib.suppress(Unavailable):
            list(stream.lines())
        assert time.monotonic() - began < 5, "it was not ended from outside"
    for head in proxy.heads:
        assert head.startswith(f"CONNECT 127.0.0.1:{api.port} HTTP/1.")
        assert f"Proxy-Authorization: Basic {base64.b64encode(b'jane:p@ss').decode()}" in head.replace(
            "proxy-a", "Proxy-A"
        )
        assert "t0k3n" not in head


@pytest.mark.parametrize("status", [b"407 Proxy Authentication Required", b"502 Bad Gateway"])
def test_a_proxy_that_refuses_is_named_without_its_password(
    api: ScriptedApi, tmp_path: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch, status: bytes
) -> None:
    monkeypatch.setattr("platform_e2e.commands.explain.PATIENCE", 0)
    proxy = Proxy(status)
    cluster = f"{secured(api, tmp_path)}, proxy-url: 'http://jane:passw0rd@127.0.0.1:{proxy.port}'"
    path = kubeconfig(tmp_path, api, "{token: t0k3n}", cluster, f"https://127.0.0.1:{api.port}")
    assert explain(path) == 3
    err = capsys.readouterr().err
    assert f"does not answer through the proxy 127.0.0.1 (Tunnel connection failed: {status.decode()})" in err
    assert "passw0rd" not in err
