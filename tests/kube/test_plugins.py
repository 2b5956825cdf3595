"""Exec plugins through `wait` and `explain`: what they are told, when they run, what becomes of what they print, and who may run."""

from __future__ import annotations

import ast
import json
import os
import re
import ssl
import subprocess
import sys
import textwrap
import threading
import time
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import pytest

from platform_e2e import cli, paths
from platform_e2e.cluster.connection import connect
from platform_e2e.cluster.directory import ClusterDirectory
from platform_e2e.cluster.kubernetes.pki import Authority
from platform_e2e.cluster.provider import ClusterFacts
from platform_e2e.kube.client import Kube
from platform_e2e.kube.errors import KubeconfigError
from platform_e2e.kube.kubeconfig import load
from tests.fakes.scripted_api import ScriptedApi
from tests.support.command_line import api, deployment

__all__ = ["api"]

V1 = "client.authentication.k8s.io/v1"
TOKEN = "t0k3n-of-the-plugin-"

PLUGIN = """
#!{python}
import json, os, sys, time
runs = open({runs!r}, "a+")
runs.write(json.dumps({{"args": sys.argv[1:], "info": json.loads(os.environ["KUBERNETES_EXEC_INFO"]),
                       "variable": os.environ.get("VARIABLE"), "terminal": sys.stdin.isatty(), "read": sys.stdin.read()}}) + "\\n")
runs.flush()
runs.seek(0)
number = len(runs.readlines())
version = json.loads(os.environ["KUBERNETES_EXEC_INFO"])["apiVersion"]
status = {{"token": {token!r} + str(number)}}
def answer(**more):
    print(json.dumps({{"kind": "ExecCredential", "apiVersion": version, "status": {{**status, **more}}}}))
{code}
"""
"""A credential plugin that notes how it was run; the last line is the test's."""


class Plugin:
    """A plugin in a directory of its own, and the kubeconfig that names it."""

    def __init__(self, directory: Path, server: str) -> None:
        self.directory, self.server = directory, server
        self.program, self.kubeconfig = directory / "get-token", directory / "kubeconfig"
        self.write("answer()")
        self.name()

    def write(self, code: str) -> None:
        """Let it do something else."""
        runs = str(self.directory / "runs")
        self.program.write_text(
            PLUGIN.format(python=sys.executable, runs=runs, token=TOKEN, code=textwrap.dedent(code)).lstrip()
        )
        self.program.chmod(0o700)

    def name(self, cluster: str = "", user: str = "", **fields: Any) -> None:
        """Write the kubeconfig; JSON is YAML."""
        entry = {"apiVersion": V1, "command": str(self.program), "interactiveMode": "Never", **fields}
        self.kubeconfig.write_text(
            f"""
current-context: managed
contexts: [{{name: managed, context: {{cluster: c, user: u}}}}]
clusters: [{{name: c, cluster: {{server: "{self.server}" {cluster}}}}}]
users: [{{name: u, user: {{exec: {json.dumps(entry)} {user}}}}}]
"""
        )

    @property
    def runs(self) -> list[dict[str, Any]]:
        file = self.directory / "runs"
        return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


@pytest.fixture(autouse=True)
def nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """See no cluster of this machine, and write no temporary file: the official client would write keys there."""
    monkeypatch.setenv("PLATFORM_E2E_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("PLATFORM_E2E_CLUSTER", raising=False)
    monkeypatch.delenv("KUBECONFIG", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "nowhere"))
    monkeypatch.setattr("platform_e2e.kube.wait.LAST_LOOK", 0.3)


@pytest.fixture
def plugin(api: ScriptedApi, tmp_path: Path) -> Plugin:
    deployment(api, "a", "default")
    (tmp_path / "managed").mkdir()
    return Plugin(tmp_path / "managed", f"http://127.0.0.1:{api.port}")


def explain(plugin: Plugin, *words: str) -> int:
    return cli.main(["explain", "deploy/a", "-n", "default", "--kubeconfig", str(plugin.kubeconfig), *words])


def asked_by(api: ScriptedApi) -> list[str]:
    """Return the distinct tokens of all requests, in their order."""
    return list(dict.fromkeys(dict(headers).get("Authorization", "") for headers in api.headers))


# What it is told, and when it runs


def test_every_request_of_a_command_has_the_token_of_one_run(api: ScriptedApi, plugin: Plugin) -> None:
    assert explain(plugin) == 0
    words = ["wait", "deploy/a", "-n", "default", "--for", "1s", "--kubeconfig", str(plugin.kubeconfig)]
    assert cli.main(words) == 0
    assert len(api.headers) > 4
    assert asked_by(api) == [f"Bearer {TOKEN}1", f"Bearer {TOKEN}2"]
    assert len(plugin.runs) == 2


@pytest.mark.parametrize("version", [V1, f"{V1}beta1"])
def test_it_has_its_arguments_its_variables_and_the_cluster_and_no_terminal(plugin: Plugin, version: str) -> None:
    plugin.name(
        cluster=", tls-server-name: api, extensions: [{name: client.authentication.k8s.io/exec, extension: {a: 1}}]",
        apiVersion=version,
        args=["get", "--cluster", ""],
        env=[{"name": "VARIABLE", "value": "value"}],
        provideClusterInfo=True,
    )
    assert explain(plugin) == 0
    cluster = {"server": plugin.server, "tls-server-name": "api", "config": {"a": 1}}
    assert plugin.runs == [
        {
            "args": ["get", "--cluster", ""],
            "info": {
                "kind": "ExecCredential",
                "apiVersion": version,
                "spec": {"interactive": False, "cluster": cluster},
            },
            "variable": "value",
            "terminal": False,
            "read": "",
        }
    ]


def test_it_is_not_told_of_the_cluster_unless_asked_for(plugin: Plugin) -> None:
    assert explain(plugin) == 0
    assert plugin.runs[0]["info"]["spec"] == {"interactive": False}


def test_it_may_be_named_beside_the_kubeconfig_or_on_path_but_not_in_the_working_directory(
    plugin: Plugin, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    plugin.name(command="./get-token")
    assert explain(plugin) == 0
    plugin.name(command="get-token")
    monkeypatch.chdir(plugin.directory)
    monkeypatch.setenv("PATH", ":.:")
    assert explain(plugin) == 4
    assert "by 'get-token', which is not there" in capsys.readouterr().err
    monkeypatch.setenv("PATH", str(plugin.directory))
    assert explain(plugin) == 0
    assert len(plugin.runs) == 2


@pytest.mark.parametrize(("seconds", "runs"), [(3600, 1), (5, 3), (-5, 3)])
def test_it_runs_again_when_its_credential_ends(plugin: Plugin, seconds: int, runs: int) -> None:
    ends = datetime.now(UTC) + timedelta(seconds=seconds)
    plugin.write(f"answer(expirationTimestamp={ends.isoformat()!r})")
    with connect(kubeconfig=plugin.kubeconfig, cluster="", context="", patience=0).kube as kube:
        for _ in range(3):
            kube.version()
    assert len(plugin.runs) == runs


def test_it_runs_again_when_its_credential_is_refused(api: ScriptedApi, plugin: Plugin) -> None:
    with connect(kubeconfig=plugin.kubeconfig, cluster="", context="", patience=0).kube as kube:
        kube.version()
        api.fail("GET", "/version", 401)
        kube.version()
        assert len(plugin.runs) == 2
        api.fail("GET", "watch=true", 401)
        kube.version()
        assert asked_by(api) == [f"Bearer {TOKEN}1", f"Bearer {TOKEN}2"]


def test_what_is_refused_again_is_asked_for_no_third_time(
    api: ScriptedApi, plugin: Plugin, capsys: pytest.CaptureFixture[str]
) -> None:
    api.fail("GET", "", 401, times=100)
    assert explain(plugin) == 3
    assert len(plugin.runs) == 2
    assert len(api.requests) == 2
    assert "401" in capsys.readouterr().err


@pytest.mark.point("impersonation-sent")
def test_who_is_meant_is_sent_beside_the_token(api: ScriptedApi, plugin: Plugin) -> None:
    plugin.name(user=", as: jane, as-groups: [ops]")
    assert explain(plugin) == 0
    assert all(
        ("Impersonate-User", "jane") in headers and ("Impersonate-Group", "ops") in headers for headers in api.headers
    )
    assert asked_by(api) == [f"Bearer {TOKEN}1"]


def test_what_is_written_down_needs_no_plugin(api: ScriptedApi, plugin: Plugin) -> None:
    plugin.name(user=", token: written")
    assert explain(plugin) == 0
    assert (asked_by(api), plugin.runs) == (["Bearer written"], [])


# What goes wrong


@pytest.mark.point("credentials-stay")
@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("answer(); print('cannot log in', status['token'], file=sys.stderr); sys.exit(1)", "cannot log in ***"),
        ("answer(); sys.exit(1)", "get-token` ended with status 1"),
        ("print(status)", "must print JSON, got something else"),
        ("print('[' * 100000)", "must print JSON, got something else"),
        ("print(json.dumps(status))", "must print an ExecCredential"),
        ("version = 'v2'; answer()", f"must print one of {V1}"),
        ("answer(token='')", "must print one with a token, or with clientCertificateData and clientKeyData"),
        ("answer(token='', clientKeyData=status['token'])", "must print one with a token, or with clientCert"),
        ("answer(token=[status['token']])", "must print an ExecCredential with texts in its status"),
        ("answer(token=status['token'] + '\\r\\nX: y')", "must be printable ASCII in one line"),
        ("answer(expirationTimestamp=status['token'])", "must print an expirationTimestamp in the format of RFC 3339"),
        ("answer(token=status['token'] * 100000)", "printed more than 1048576 bytes"),
    ],
)
def test_a_plugin_that_fails_is_a_sentence_without_what_it_printed(  # noqa: PLR0917  fixtures
    api: ScriptedApi,
    plugin: Plugin,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
    code: str,
    said: str,
) -> None:
    caplog.set_level("DEBUG")
    plugin.write(code)
    plugin.name(installHint="Install it\nfrom example.org", args=["--secret", "s3cr3t-argument"])
    assert explain(plugin) == 3
    out, err = capsys.readouterr()
    from platform_e2e.redact import HIDDEN

    assert said.replace("***", HIDDEN) in err
    assert f"user 'u' of {plugin.kubeconfig}" in err
    assert "Install it from example.org" in err
    for text in (out, err, caplog.text):
        assert TOKEN not in text
        assert "s3cr3t-argument" not in text
    assert (len(plugin.runs), api.requests) == (1, [])


def test_a_plugin_that_is_not_there_ends_with_its_hint(plugin: Plugin, capsys: pytest.CaptureFixture[str]) -> None:
    plugin.name(command="no-such-plugin", installHint="brew install no-such-plugin")
    assert explain(plugin) == 4
    err = capsys.readouterr().err
    assert f"user 'u' of {plugin.kubeconfig} gets its credential by 'no-such-plugin', which is not there" in err
    assert "remedy: brew install no-such-plugin" in err


@pytest.mark.parametrize("code", ["time.sleep(60)", "answer(); os.close(1); time.sleep(60)"])
def test_a_plugin_that_hangs_ends_with_the_commands_time(
    plugin: Plugin, capsys: pytest.CaptureFixture[str], code: str
) -> None:
    plugin.write(code)
    began = time.monotonic()
    assert explain(plugin, "--timeout", "1") == 3
    assert time.monotonic() - began < 5
    assert "get-token` did not end within" in capsys.readouterr().err


def test_a_plugin_that_leaves_something_behind_is_not_waited_for(plugin: Plugin) -> None:
    plugin.write("answer(); sys.stdout.flush(); os.fork() or time.sleep(8)")
    began = time.monotonic()
    assert explain(plugin) == 0
    assert time.monotonic() - began < 6


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"interactiveMode": "Always"}, "must run without a terminal, got interactiveMode: Always"),
        ({"interactiveMode": None}, "interactiveMode of user 'u' .* must be one of Never, IfAvailable, Always, got ''"),
        ({"apiVersion": f"{V1}alpha1"}, "exec.apiVersion of user 'u' .* must be .*/v1 or .*/v1beta1, got '.*v1alpha1'"),
        ({"args": "a"}, "exec.args of user 'u' .* must be a list of texts"),
        ({"args": [7]}, "exec.args of user 'u' .* must be a list of texts"),
        ({"env": [{"name": "A=B", "value": "c"}]}, "exec.env a list of names and values, got another value"),
        ({"env": ["a"]}, "exec.env a list of names and values, got another value"),
        ({"command": ""}, "by '', which is not there"),
        ({"command": "/"}, "by '/', which is not there"),
        ({"command": "/a\0b"}, "which is not there"),
    ],
)
def test_an_entry_that_cannot_be_run_is_named(plugin: Plugin, fields: dict[str, Any], said: str) -> None:
    plugin.name(**fields)
    with pytest.raises(KubeconfigError, match=said) as error:
        load(plugin.kubeconfig, trusted=True)
    assert error.value.remedy


def test_one_user_has_one_way_to_get_a_credential(plugin: Plugin) -> None:
    plugin.name(user=", auth-provider: {name: oidc}")
    with pytest.raises(KubeconfigError, match="must have exec or auth-provider, got both"):
        load(plugin.kubeconfig, trusted=True)


# A certificate in place of a token


@pytest.fixture
def secured(api: ScriptedApi, tmp_path: Path) -> Authority:
    """Let the API server speak TLS and take whoever has a certificate, and return who issues those."""
    authority = Authority("test")
    pair = authority.server("127.0.0.1", [IPv4Address("127.0.0.1")])
    settings = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    settings.verify_mode = ssl.CERT_REQUIRED
    settings.load_verify_locations(cadata=authority.pair.certificate.decode())
    (tmp_path / "server.pem").write_bytes(pair.certificate + pair.key)
    settings.load_cert_chain(tmp_path / "server.pem")
    assert api._server is not None
    api._server.socket = settings.wrap_socket(api._server.socket, server_side=True)
    return authority


@pytest.mark.point("credentials-stay")
def test_a_certificate_of_a_plugin_is_shown_and_written_nowhere(
    api: ScriptedApi, secured: Authority, plugin: Plugin, tmp_path: Path
) -> None:
    pair = secured.client("jane")
    (tmp_path / "ca.crt").write_bytes(secured.pair.certificate)
    plugin.server = plugin.server.replace("http:", "https:")
    plugin.name(cluster=f", certificate-authority: {tmp_path / 'ca.crt'}", provideClusterInfo=True)
    plugin.write(
        f"answer(token='', clientCertificateData={pair.certificate.decode()!r}, clientKeyData={pair.key.decode()!r})"
    )
    before = {file: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()}
    assert explain(plugin) == 0
    assert api.asked("GET", "deployments")
    assert len(plugin.runs) == 1
    assert plugin.runs[0]["info"]["spec"]["cluster"]["certificate-authority-data"]
    after = {file for file in tmp_path.rglob("*") if file.is_file()} - set(before)
    assert not [file for file in after if b"PRIVATE KEY" in file.read_bytes()]


@pytest.mark.point("credentials-stay")
def test_a_command_that_is_killed_leaves_no_key(
    api: ScriptedApi, secured: Authority, plugin: Plugin, tmp_path: Path
) -> None:
    pair = secured.client("jane")
    (tmp_path / "ca.crt").write_bytes(secured.pair.certificate)
    plugin.server = plugin.server.replace("http:", "https:")
    plugin.name(cluster=f", certificate-authority: {tmp_path / 'ca.crt'}")
    plugin.write(
        f"answer(token='', clientCertificateData={pair.certificate.decode()!r}, clientKeyData={pair.key.decode()!r})"
    )
    asked = threading.Event()

    def hang(_: object) -> None:
        asked.set()
        time.sleep(30)

    api.hack("/api", hang)
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    words = [sys.executable, "-m", "platform_e2e", "explain", "--kubeconfig", str(plugin.kubeconfig)]
    command = subprocess.Popen(
        words,
        cwd=paths.ROOT,
        env={**os.environ, "TMPDIR": str(scratch), "HOME": str(scratch)},
        stderr=subprocess.DEVNULL,
    )
    try:
        assert asked.wait(30), "it has shown its certificate"
    finally:
        command.kill()
        command.wait()
    assert [file for file in scratch.rglob("*") if file.is_file()] == []


def test_a_certificate_that_is_none_is_a_sentence(
    secured: Authority, plugin: Plugin, capsys: pytest.CaptureFixture[str]
) -> None:
    plugin.server = plugin.server.replace("http:", "https:")
    plugin.name()
    plugin.write(f"answer(token='', clientCertificateData='a', clientKeyData={TOKEN!r})")
    assert explain(plugin) == 3
    err = capsys.readouterr().err
    assert "must print a certificate and its key as PEM" in err
    assert TOKEN not in err


# Who may run a program


@pytest.mark.point("plugins-of-users-only")
@pytest.mark.parametrize("words", [["explain", "deploy/a"], ["wait", "deploy/a", "--timeout", "1"], ["capture"]])
@pytest.mark.parametrize("way", ["option", "variable", "home"])
def test_it_runs_for_a_kubeconfig_that_the_user_names(
    plugin: Plugin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], way: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    if way == "variable":
        monkeypatch.setenv("KUBECONFIG", str(plugin.kubeconfig))
    elif way == "home":
        (tmp_path / "home" / ".kube").mkdir(parents=True)
        plugin.kubeconfig.rename(tmp_path / "home" / ".kube" / "config")
    plugin.write("sys.exit(1)")  # what it would print does not matter here
    assert cli.main([*words, *(["--kubeconfig", str(plugin.kubeconfig)] if way == "option" else [])]) == 3
    assert len(plugin.runs) == 1


@pytest.mark.point("plugins-of-users-only")
@pytest.mark.parametrize("words", [["explain"], ["wait", "deploy/a"], ["capture"]])
def test_it_runs_for_no_cluster_of_this_harness(
    plugin: Plugin,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    words: list[str],
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    place = ClusterDirectory("mine")
    place.path.mkdir(parents=True)
    place.keep.touch()
    facts = ClusterFacts("mine", "embedded", str(place.path), str(plugin.kubeconfig), "v1", ())
    facts.write(place.facts_file)
    with place.supervisor.held("test"):
        assert cli.main([*words, "--cluster", "mine"]) == 4
        assert cli.main(words) == 4
    assert (
        capsys.readouterr().err.count("by exec, which runs only for a kubeconfig that your own environment names") == 2
    )
    assert plugin.runs == []


@pytest.mark.point("plugins-of-users-only")
def test_it_runs_for_no_other_caller(plugin: Plugin) -> None:
    for call in (load, Kube.from_kubeconfig):
        with pytest.raises(KubeconfigError, match="which runs only for a kubeconfig that your own environment names"):
            call(plugin.kubeconfig)
    assert plugin.runs == []


@pytest.mark.point("plugins-of-users-only")
def test_only_the_commands_for_a_named_cluster_trust_a_kubeconfig() -> None:
    """Incidents, replays and layers load kubeconfigs of this harness only; a new caller that trusts one has to be looked at."""
    trusting = {
        str(file.relative_to(paths.ROOT))
        for folder in ("platform_e2e", "fixtures", "e2e", "benchmarks")
        for file in (paths.ROOT / folder).rglob("*.py")
        # To parse all of them takes most of a second.
        if re.search(r"trusted\s*=", text := file.read_text())
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Call) and any(each.arg == "trusted" for each in node.keywords)
    }
    assert trusting == {"platform_e2e/cluster/connection.py", "platform_e2e/kube/kubeconfig/endpoint.py"}


def test_the_official_client_is_imported_for_those_alone_that_need_it(plugin: Plugin) -> None:
    code = (
        "import sys; from pathlib import Path; from platform_e2e.cluster.connection import connect\n"
        "c = connect(kubeconfig=Path(sys.argv[1]), cluster='', context='', patience=0)\n"
        "print('kubernetes' in sys.modules); c.kube.version(); print('kubernetes' in sys.modules)"
    )
    said = []
    for user in ("", ", token: written"):
        plugin.name(user=user)
        words = [sys.executable, "-c", code, str(plugin.kubeconfig)]
        said.append(subprocess.run(words, capture_output=True, check=True, text=True, cwd=paths.ROOT).stdout.split())
    assert said == [["False", "True"], ["False", "False"]]
