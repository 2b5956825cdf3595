"""How nodes reach registries: mirrors under one name, logins, proxies, certificates, and nothing of it where it does not belong."""

from __future__ import annotations

import base64
import json
import logging
import stat
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from platform_e2e.cluster.directory import read_spec, write_spec
from platform_e2e.cluster.k3d import (
    access,
    appimage,
    daemon,
    image_sources,
    judging,
    mirrors,
    network,
    proxies,
    pulled,
    registry_logins,
)
from platform_e2e.cluster.k3d.access import Access
from platform_e2e.cluster.k3d.binary import Binary
from platform_e2e.cluster.k3d.daemon import Daemon
from platform_e2e.cluster.k3d.docker import Docker
from platform_e2e.cluster.k3d.failures import K3dFailed
from platform_e2e.cluster.k3d.making import Making
from platform_e2e.cluster.k3d.registry_logins import Login
from platform_e2e.cluster.network import addressing
from platform_e2e.cluster.provider import ClusterSpec, Images
from platform_e2e.errors import HarnessError, WrongUsage
from platform_e2e.kube.errors import ApiError
from platform_e2e.timeline import Timeline
from platform_e2e.toolbox.waiting import NotInTime
from tests.fakes.docker import FakeTools, tools
from tests.fakes.k3d import INFO, SOUND, rendered

__all__ = ["tools"]

DESKTOP = Daemon("28.2.2", "Docker Desktop", local=False, endpoint="unix:///home/me/.docker/desktop/docker.sock")
REMOTE = Daemon("28.2.2", "Debian", local=False, endpoint="ssh://me@build")
GATEWAY = "10.89.0.1"
PLAN = network.foreseen(addressing.plan([], 1, []), 1, 0)
SECRET = "s3cr$t-w0rd"
CERTIFICATE = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Have no proxies, no certificates and no Docker configuration of whoever runs the tests."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy", "SSL_CERT_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))
    (tmp_path / "docker").mkdir()


def configured(tmp_path: Path, config: Any) -> None:
    (tmp_path / "docker" / "config.json").write_text(json.dumps(config))


def basic(user: str, password: str) -> dict[str, str]:
    return {"auth": base64.b64encode(f"{user}:{password}".encode()).decode()}


def lay(tmp_path: Path, **chosen: Any) -> Access:
    (tmp_path / "cluster").mkdir(exist_ok=True)
    spec = ClusterSpec("c", source=Images.REGISTRY, **chosen)
    return access.lay(spec, Docker(), SOUND, PLAN, names=["k3d-c-server-0"], directory=tmp_path / "cluster")


# --- mirrors


@pytest.mark.point("mirrors")
@pytest.mark.parametrize(
    ("url", "there"),
    [
        ("http://localhost:5001", "http://10.89.0.1:5001"),
        ("http://127.0.0.1:5001/cache", "http://10.89.0.1:5001/cache"),
        ("http://[::1]:5001", "http://10.89.0.1:5001"),
        ("http://localhost", "http://10.89.0.1"),
        ("https://mirror.invalid", "https://mirror.invalid"),
        ("http://192.0.2.7:5000", "http://192.0.2.7:5000"),
    ],
)
def test_a_mirror_on_this_host_has_another_name_in_the_nodes(url: str, there: str) -> None:
    assert mirrors.for_nodes(url, SOUND, GATEWAY) == there


@pytest.mark.point("mirrors")
def test_a_name_that_means_this_host_is_as_good_as_localhost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mirrors, "_addresses", lambda host: ["127.0.1.1"] if host == "cache" else [])
    assert mirrors.for_nodes("http://cache:5000", SOUND, GATEWAY) == "http://10.89.0.1:5000"


@pytest.mark.point("mirrors")
def test_in_a_virtual_machine_this_host_is_known_by_k3ds_name() -> None:
    assert mirrors.for_nodes("http://localhost:5001", DESKTOP, GATEWAY) == "http://host.k3d.internal:5001"


@pytest.mark.point("mirrors")
def test_host_and_nodes_are_told_of_one_mirror_each_by_its_own_name(tmp_path: Path) -> None:
    laid = lay(tmp_path, mirror="http://localhost:5001")
    assert pulled.at("docker.io/rancher/k3s:v1", image_sources.parse_mirror("http://localhost:5001")) == (
        "localhost:5001/rancher/k3s:v1"
    )
    assert laid.registries is not None
    assert json.loads(laid.registries.read_text()) == {"mirrors": {"*": {"endpoint": ["http://10.89.0.1:5001"]}}}


@pytest.mark.point("mirrors")
def test_nodes_take_nothing_from_elsewhere_without_a_word() -> None:
    argument = {"arg": "--disable-default-registry-endpoint", "nodeFilters": ["all"]}
    assert argument in rendered(mirrored=True)["options"]["k3s"]["extraArgs"]
    assert argument not in rendered()["options"]["k3s"]["extraArgs"]


@pytest.mark.point("mirrors")
@pytest.mark.parametrize(
    ("url", "change", "answers", "words"),
    [
        (
            "http://192.0.2.7:5000",
            {},
            "",
            ("Docker asks 192.0.2.7:5000 by https", '"insecure-registries": ["192.0.2.7:5000"]'),
        ),
        ("http://cache.invalid:5000", {}, "", ("Docker asks cache.invalid:5000 by https", "http://localhost:5000")),
        (
            "http://localhost:5001",
            {},
            "ConnectionError",
            ("does not answer where the nodes ask for it, at 172.17.0.1:5001", "-p 5001:5000"),
        ),
        ("https://localhost:5001", {}, "", ("under another name than its certificate has", "serve it by http")),
        (
            "http://localhost:5001",
            {"local": False, "endpoint": "tcp://build:2375"},
            "",
            ("and the nodes are on build", "both reach"),
        ),
    ],
)
def test_a_mirror_that_docker_or_the_nodes_cannot_use_is_refused_at_once(
    monkeypatch: pytest.MonkeyPatch, url: str, change: dict[str, Any], answers: str, words: tuple[str, str]
) -> None:
    monkeypatch.setattr(image_sources, "ask", lambda _: answers)
    (problem,) = mirrors.judge({"*": url}, replace(SOUND, **change), "172.17.0.1")
    assert words[0] in problem.what
    assert words[1] in problem.remedy
    assert problem.fatal


@pytest.mark.point("mirrors")
@pytest.mark.parametrize(
    ("url", "insecure"),
    [
        ("http://localhost:5001", ()),
        ("https://mirror.invalid", ()),
        ("http://cache.invalid:5000", ("cache.invalid:5000",)),
        ("http://192.0.2.7:5000", ("127.0.0.0/8", "192.0.2.0/24")),
    ],
)
def test_a_mirror_that_both_can_use_is_no_problem(
    monkeypatch: pytest.MonkeyPatch, url: str, insecure: tuple[str, ...]
) -> None:
    monkeypatch.setattr(image_sources, "ask", lambda _: "")
    assert mirrors.judge({"*": url}, replace(SOUND, insecure=("127.0.0.0/8", *insecure)), "172.17.0.1") == []


def test_what_docker_asks_by_http_is_read_from_its_settings() -> None:
    settings = {
        "IndexConfigs": {"docker.io": {"Secure": True}, "cache:5000": {"Secure": False}},
        "InsecureRegistryCIDRs": ["127.0.0.0/8"],
    }
    found = daemon.read({**INFO, "RegistryConfig": settings}, "unix:///var/run/docker.sock")
    assert set(found.insecure) >= {"cache:5000", "127.0.0.0/8"}


@pytest.mark.point("credentials-proxies-cas")
@pytest.mark.parametrize("url", ["https://me:word@mirror", "docker.io=http://me@cache:5000"])
def test_a_mirrors_url_has_no_password_that_a_run_would_write_down(url: str) -> None:
    with pytest.raises(WrongUsage, match=r"must have no user and no password\n.*docker login"):
        image_sources.parse_mirror(url)


# --- logins


@pytest.mark.point("credentials-proxies-cas")
def test_logins_are_read_as_docker_keeps_them_and_only_of_registries_that_are_used() -> None:
    config = {
        "auths": {
            "https://index.docker.io/v1/": basic("hub", "one"),
            "quay.io": basic("robot", "two:with:colons"),
            "https://registry.example.com:5000/v2/": {"username": "me", "password": "three"},
            "azure.example.com": {"auth": "AAAA", "identitytoken": "token"},
            "other.example.com": basic("not", "asked"),
            "broken.example.com": {"auth": "%%%"},
            "empty.example.com": {},
        }
    }
    used = [
        "docker.io",
        "quay.io",
        "registry.example.com:5000",
        "azure.example.com",
        "broken.example.com",
        "empty.example.com",
    ]
    found, failed = registry_logins.logins(config, used)
    assert failed == []
    assert found == {
        "docker.io": Login("hub", "one"),
        "quay.io": Login("robot", "two:with:colons"),
        "registry.example.com:5000": Login("me", "three"),
        "azure.example.com": Login(token="token"),
    }


@pytest.fixture
def helper(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A credential helper that knows Docker Hub and one registry by a token, and notes what it was asked."""
    program = tmp_path / "docker-credential-store"
    program.write_text(
        f"""#!/bin/sh
read -r server || true
echo "$1 $server" >> {tmp_path}/asked
case "$server" in
  https://index.docker.io/v1/) echo '{{"ServerURL": "x", "Username": "hub", "Secret": "{SECRET}"}}' ;;
  ghcr.io) echo '{{"Username": "<token>", "Secret": "t0ken"}}' ;;
  locked.example.com) echo "the keychain is locked" >&2; exit 1 ;;
  *) echo "credentials not found in native keychain"; exit 1 ;;
esac
"""
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    return tmp_path / "asked"


@pytest.mark.point("credentials-proxies-cas")
def test_a_credential_store_is_asked_by_dockers_protocol(helper: Path) -> None:
    config = {"credsStore": "store", "auths": {"https://index.docker.io/v1/": {}, "other.example.com": {}}}
    found, failed = registry_logins.logins(config, ["docker.io", "ghcr.io", "quay.io"])
    assert found == {"docker.io": Login("hub", SECRET), "ghcr.io": Login(token="t0ken")}
    assert failed == []
    assert "other.example.com" not in helper.read_text()


@pytest.mark.point("credentials-proxies-cas")
def test_a_helper_of_one_registry_is_asked_for_that_one(helper: Path) -> None:
    config = {"credHelpers": {"ghcr.io": "store"}, "auths": {"quay.io": basic("me", "word")}}
    found, _ = registry_logins.logins(config, ["ghcr.io", "quay.io"])
    assert found == {"ghcr.io": Login(token="t0ken"), "quay.io": Login("me", "word")}
    assert helper.read_text() == "get ghcr.io\n"


@pytest.mark.point("credentials-proxies-cas")
def test_a_helper_that_fails_is_named_and_the_rest_goes_on(helper: Path) -> None:
    config = {
        "credHelpers": {"locked.example.com": "store", "none.example.com": "missing"},
        "auths": {"quay.io": basic("a", "b")},
    }
    found, failed = registry_logins.logins(config, ["locked.example.com", "none.example.com", "quay.io"])
    assert set(found) == {"quay.io"}
    assert failed == [
        "the login at locked.example.com cannot be read: `docker-credential-store get` ended with status 1",
        "the login at none.example.com cannot be read: `docker-credential-missing get` could not be started: No such file or directory",
    ]


@pytest.mark.point("credentials-proxies-cas")
def test_nodes_get_logins_in_a_file_of_their_owner_alone(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    auths = {
        "https://index.docker.io/v1/": basic("hub", SECRET),
        "registry.example.com": basic("me", SECRET),
        "other.example.com": basic("not", "used"),
    }
    configured(tmp_path, {"auths": auths})
    laid = lay(tmp_path, registries=("registry.example.com",))
    assert laid.registries is not None
    assert stat.S_IMODE(laid.registries.stat().st_mode) == 0o600
    auth = {"auth": {"username": "hub", "password": SECRET}}
    assert json.loads(laid.registries.read_text()) == {
        "configs": {
            "docker.io": auth,
            "registry-1.docker.io": auth,
            "registry.example.com": {"auth": {"username": "me", "password": SECRET}},
        }
    }
    assert laid.notes == ("nodes log in at docker.io, registry.example.com",)
    assert SECRET not in repr(laid) + repr(Login("hub", SECRET)) + caplog.text
    configuration = json.dumps(rendered(registries=laid.registries))
    assert str(laid.registries) in configuration, "k3d reads the file"
    assert SECRET not in configuration


@pytest.mark.point("credentials-proxies-cas")
def test_a_mirrors_login_is_handed_over_under_the_name_that_nodes_ask(tmp_path: Path) -> None:
    configured(tmp_path, {"auths": {"localhost:5001": basic("me", "word")}})
    laid = lay(tmp_path, mirror="http://localhost:5001")
    assert laid.registries is not None
    assert json.loads(laid.registries.read_text())["configs"] == {
        "10.89.0.1:5001": {"auth": {"username": "me", "password": "word"}}
    }


@pytest.mark.point("credentials-proxies-cas")
def test_without_logins_proxies_and_certificates_nodes_get_nothing(tmp_path: Path) -> None:
    assert lay(tmp_path) == Access()
    assert list((tmp_path / "cluster").iterdir()) == []


@pytest.mark.point("credentials-proxies-cas")
def test_a_configuration_of_docker_that_is_broken_is_named(tmp_path: Path) -> None:
    (tmp_path / "docker" / "config.json").write_text("{")
    with pytest.raises(K3dFailed, match=r"config.json must be Docker's configuration, got a file that cannot be read"):
        lay(tmp_path)


# --- proxies


@pytest.mark.point("credentials-proxies-cas")
def test_nodes_have_the_users_proxies_and_ask_for_nothing_of_the_cluster_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("https_proxy", f"http://me:{'s3cret'}@proxy.example.com:3128")
    monkeypatch.setenv("NO_PROXY", "example.com, 192.168.0.0/16")
    laid = lay(tmp_path)
    assert laid.proxies["HTTPS_PROXY"] == "http://me:s3cret@proxy.example.com:3128"
    assert "HTTP_PROXY" not in laid.proxies
    spared = laid.proxies["NO_PROXY"].split(",")
    assert spared[:2] == ["example.com", "192.168.0.0/16"]
    assert {
        "127.0.0.0/8",
        "10.42.0.0/16",
        "10.43.0.0/16",
        ".svc",
        ".cluster.local",
        str(PLAN.segment),
        "k3d-c-server-0",
    } <= {*spared}
    variables = [each["envVar"] for each in rendered(environment=tuple(laid.proxies))["env"]]
    assert variables[1:] == ["HTTPS_PROXY=${PLATFORM_E2E_NODE_HTTPS_PROXY}", "NO_PROXY=${PLATFORM_E2E_NODE_NO_PROXY}"]
    assert laid.given["PLATFORM_E2E_NODE_HTTPS_PROXY"] == laid.proxies["HTTPS_PROXY"]
    assert "s3cret" not in repr(laid)


@pytest.mark.point("credentials-proxies-cas")
def test_a_proxy_on_this_host_has_another_name_in_the_nodes() -> None:
    given = {"HTTP_PROXY": "localhost:3128"}
    assert proxies.environment({}, SOUND, GATEWAY, [], given)["HTTP_PROXY"] == "http://10.89.0.1:3128"


@pytest.mark.point("credentials-proxies-cas")
def test_proxies_of_dockers_own_configuration_are_taken_where_there_are_no_variables() -> None:
    config = {"proxies": {"default": {"httpsProxy": "http://p:1", "noProxy": "a.example.com"}}}
    found = proxies.environment(config, SOUND, GATEWAY, [], {})
    assert (found["HTTPS_PROXY"], found["NO_PROXY"].split(",")[0]) == ("http://p:1", "a.example.com")
    assert proxies.environment(config, SOUND, GATEWAY, [], {"HTTPS_PROXY": "http://q:2"})["HTTPS_PROXY"] == "http://q:2"


@pytest.mark.point("credentials-proxies-cas")
@pytest.mark.parametrize(
    "url", ["http://me:two words@p:1", 'http://me:"@p:1', "http://p:1 #", "http://p:1\nx: y", "http://$HOME"]
)
def test_a_proxy_that_would_end_k3ds_line_is_refused(url: str) -> None:
    with pytest.raises(WrongUsage, match="HTTP_PROXY must be a URL, with special characters as %XX") as caught:
        proxies.environment({}, SOUND, GATEWAY, [], {"HTTP_PROXY": url})
    assert "me" not in caught.value.problem.replace("must", ""), "it may have a password"


# --- certificates


@pytest.mark.point("credentials-proxies-cas")
@pytest.mark.parametrize("by", ["option", "variable"])
def test_nodes_trust_the_users_certificates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, by: str) -> None:
    ca = tmp_path / "ca.pem"
    ca.write_text(CERTIFICATE)
    if by == "variable":
        monkeypatch.setenv("SSL_CERT_FILE", str(ca))
    laid = lay(tmp_path, registry_ca=str(ca) if by == "option" else "")
    assert laid.files == {"registry-ca.crt": "/etc/ssl/certs/platform-e2e-registry-ca.crt"}
    assert (tmp_path / "cluster" / "registry-ca.crt").read_text() == CERTIFICATE
    assert rendered(files=laid.files)["files"] == [
        {
            "source": "registry-ca.crt",
            "destination": "/etc/ssl/certs/platform-e2e-registry-ca.crt",
            "nodeFilters": ["all"],
        }
    ]


@pytest.mark.point("credentials-proxies-cas")
@pytest.mark.parametrize(
    ("content", "text"), [(None, "must be readable, got: No such file"), ("DER", "must have certificates in PEM")]
)
def test_certificates_that_cannot_be_used_are_named(tmp_path: Path, content: str | None, text: str) -> None:
    ca = tmp_path / "ca.pem"
    if content is not None:
        ca.write_text(content)
    with pytest.raises(K3dFailed, match=text):
        lay(tmp_path, registry_ca=str(ca))


@pytest.mark.point("credentials-proxies-cas")
def test_what_the_supervisor_reads_has_names_and_no_secrets(tmp_path: Path) -> None:
    spec = ClusterSpec("c", source=Images.REGISTRY, registries=("quay.io",), registry_ca="/ca.pem")
    write_spec(tmp_path / "spec.json", spec, "k3d", None)
    assert read_spec(tmp_path / "spec.json")[0] == spec


# --- a daemon on another machine


@pytest.mark.point("remote-daemon")
@pytest.mark.parametrize(
    ("endpoint", "host"),
    [
        ("ssh://me@build", "build"),
        ("ssh://build:2222", "build"),
        ("tcp://192.0.2.7:2376", "192.0.2.7"),
        ("tcp://[2001:db8::1]:2376", "2001:db8::1"),
        ("tcp://docker:2375", "docker"),
        ("tcp://localhost:2375", ""),
        ("tcp://127.0.0.1:2375", ""),
        ("unix:///var/run/docker.sock", ""),
        ("npipe:////./pipe/docker_engine", ""),
    ],
)
def test_the_machine_of_a_daemon_is_known_by_its_endpoint(endpoint: str, host: str) -> None:
    assert replace(SOUND, endpoint=endpoint).host == host


@pytest.mark.point("remote-daemon")
def test_the_api_server_of_a_cluster_elsewhere_is_published_there_and_certified_for_that_name() -> None:
    assert rendered(api="0.0.0.0", host="build")["kubeAPI"] == {"hostIP": "0.0.0.0", "host": "build"}


@pytest.mark.point("remote-daemon")
def test_a_machine_that_means_nothing_here_is_refused_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    spec = ClusterSpec("c", source=Images.REGISTRY)
    monkeypatch.setattr(judging, "_resolves", lambda host: host == "known")
    (problem,) = [one for one in judging.judge(REMOTE, spec) if one.fatal]
    assert "is on build, which means nothing here" in problem.what
    assert [one for one in judging.judge(replace(REMOTE, endpoint="tcp://known:1"), spec) if one.fatal] == []


@pytest.mark.point("remote-daemon")
def test_an_alias_of_ssh_is_taken_by_the_name_that_it_stands_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ssh = tmp_path / "ssh"
    ssh.write_text(
        '#!/bin/sh\n[ "$*" = "-G -- build" ] && printf "user me\\nhostname build.example.com\\nport 22\\n"\n'
    )
    ssh.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert daemon._endpoint(Docker({"DOCKER_HOST": "ssh://me@build"})) == "ssh://build.example.com"
    assert daemon._endpoint(Docker({"DOCKER_HOST": "tcp://build:2375"})) == "tcp://build:2375"


@pytest.mark.point("credentials-proxies-cas")
def test_a_password_of_any_letters_is_read_by_k3ds_yaml_as_it_is() -> None:
    word = 'pä"ß\\ 😀: #$x'
    text = access.registries_yaml({}, {"quay.io": Login("me", word)})
    assert YAML(typ="safe").load(text)["configs"]["quay.io"]["auth"]["password"] == word
    assert "\\ud83d" not in text, "YAML knows no pairs of surrogates"


@pytest.mark.point("mirrors")
def test_registries_yaml_is_empty_where_there_is_nothing_to_say() -> None:
    assert access.registries_yaml({}, {}) == ""


@pytest.mark.point("mirrors")
def test_a_base_image_comes_from_the_mirror_too(tools: FakeTools, tmp_path: Path) -> None:
    (tmp_path / "Containerfile").write_text(
        "FROM debian:trixie-slim AS build\nRUN x\nfrom --platform=linux/amd64 build\nFROM $BASE\n"
    )
    tools.says("docker image inspect", "[]", err="No such image", status=1)
    appimage.build(Docker(), tmp_path, "chat:1", tmp_path / "chat.tar", {"*": "http://localhost:5001"})
    assert [line for line in tools.asked() if "inspect" not in line] == [
        "docker pull --quiet localhost:5001/library/debian:trixie-slim",
        "docker tag localhost:5001/library/debian:trixie-slim docker.io/library/debian:trixie-slim",
        f"docker build --file {tmp_path}/Containerfile --tag chat:1 {tmp_path}",
        f"docker save --output {tmp_path}/chat.tar chat:1",
    ]


@pytest.mark.point("mirrors")
@pytest.mark.parametrize(
    ("name", "full"),
    [
        ("debian", "docker.io/library/debian"),
        ("docker.io/debian", "docker.io/library/debian"),
        ("team/app:1", "docker.io/team/app:1"),
        ("localhost/app", "localhost/app"),
        ("cache:5000/app", "cache:5000/app"),
        ("quay.io/a/b@sha256:0", "quay.io/a/b@sha256:0"),
    ],
)
def test_an_image_without_a_registry_is_docker_hubs(name: str, full: str) -> None:
    assert pulled.full_name(name) == full


@pytest.mark.point("mirrors")
@pytest.mark.parametrize(
    ("configs", "address"),
    [
        ([{"Subnet": "172.17.0.0/16"}], "172.17.0.1"),
        ([{"Subnet": "fd00::/64", "Gateway": "fd00::1"}, {"Subnet": "10.9.0.0/24", "Gateway": "10.9.0.7"}], "10.9.0.7"),
        (None, ""),
    ],
)
def test_where_containers_reach_this_host_is_known_from_dockers_own_network(
    tools: FakeTools, configs: Any, address: str
) -> None:
    tools.says("docker network inspect bridge", [{"IPAM": {"Config": configs}}])
    assert Docker().gateway() == address


@pytest.mark.point("remote-daemon")
@pytest.mark.parametrize(
    "error", [NotInTime("not within 180 s: no route to host"), ApiError("GET /", 0, "", "refused")]
)
@pytest.mark.parametrize("there", [SOUND, REMOTE])
def test_nodes_elsewhere_that_are_not_seen_point_to_that_machines_firewall(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: HarnessError, there: Daemon
) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(pulled, "wait_until_ready", fail)
    spec = ClusterSpec("c", source=Images.REGISTRY)
    k3d = Binary(Path("k3d"), "v5.9.0", "")
    made = Making(spec, Docker(), there, k3d, PLAN, ["k3d-c-server-0"], tmp_path, Timeline(None))
    with pytest.raises(HarnessError) as caught:
        made._reach(tmp_path / "kubeconfig")
    if there is SOUND:
        assert caught.value is error
    else:
        assert "this host must reach the nodes of cluster c on build, got: " in caught.value.problem
        assert "firewall of build" in caught.value.remedy
