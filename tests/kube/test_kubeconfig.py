"""Kubeconfigs: what is read from them, and what is said when they cannot be used. Never a key in an error."""

from __future__ import annotations

import base64
import os
import ssl
import time
from pathlib import Path

import pytest

from platform_e2e import cli
from platform_e2e.errors import BrokenHarness
from platform_e2e.kube.errors import KubeconfigError
from platform_e2e.kube.kubeconfig import bearer, load
from tests.fakes.kubeconfigs import pems, write

__all__ = ["pems"]


def test_a_token_and_the_contexts(tmp_path: Path) -> None:
    path = write(tmp_path)
    here = load(path)
    assert here.server == "https://127.0.0.1:6443"
    assert here.headers == {"Authorization": "Bearer t0k3n"}
    assert here.tls is not None
    assert here.tls.verify_mode == ssl.CERT_REQUIRED
    assert here.tls.check_hostname
    there = load(path, "there")
    assert (there.server, there.tls) == ("http://there:8080", None)
    assert (here.context, there.context) == ("here", "there")


def test_the_namespace_of_the_context(tmp_path: Path) -> None:
    path = write(tmp_path)
    assert load(path).namespace is None
    path.write_text(path.read_text().replace("cluster: c, user: u", "cluster: c, user: u, namespace: chat-dev"))
    assert load(path).namespace == "chat-dev"


@pytest.mark.parametrize("inline", [True, False])
def test_certificates_inline_or_as_files_beside_the_kubeconfig(
    tmp_path: Path, pems: tuple[bytes, bytes], monkeypatch: pytest.MonkeyPatch, *, inline: bool
) -> None:
    certificate, key = pems
    if inline:
        c, k = (base64.b64encode(pem).decode() for pem in pems)
        cluster = f"server: 'https://a', certificate-authority-data: {c}"
        user = f"client-certificate-data: {c}, client-key-data: {k}"
    else:
        (tmp_path / "c.crt").write_bytes(certificate)
        (tmp_path / "c.key").write_bytes(key)
        cluster, user = (
            "server: 'https://a', certificate-authority: c.crt",
            "client-certificate: c.crt, client-key: c.key",
        )
    # A process that is killed at the wrong moment would leave the key there.
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "nowhere"))
    tls = load(write(tmp_path, cluster, user)).tls
    assert tls is not None
    assert len(tls.get_ca_certs()) == 1


def test_a_token_file_is_named_and_not_read_yet(tmp_path: Path) -> None:
    assert load(write(tmp_path, user="tokenFile: t")).token_file == tmp_path / "t"


def test_a_user_and_password(tmp_path: Path) -> None:
    headers = load(write(tmp_path, user="username: a, password: b")).headers
    assert headers == {"Authorization": f"Basic {base64.b64encode(b'a:b').decode()}"}


def test_a_server_name_and_no_verification(tmp_path: Path) -> None:
    found = load(write(tmp_path, "server: 'https://a', tls-server-name: b, insecure-skip-tls-verify: true"))
    assert found.server_name == "b"
    assert found.tls is not None
    assert found.tls.verify_mode == ssl.CERT_NONE


@pytest.mark.parametrize(
    ("entry", "user", "problem", "remedy"),
    [
        (
            "server: 'https://a'",
            "exec: {command: aws}",
            "gets its credential by exec, which runs only for a kubeconfig that your own environment names",
            "kubectl create token",
        ),
        (
            "server: 'https://a'",
            "auth-provider: {name: x}",
            "gets its credential by auth-provider",
            "kubectl create token",
        ),
        (
            "server: 'https://a', proxy-url: 'socks5://u:pw@p'",
            "",
            "must be http:// or https://HOST:PORT, got ano",
            "HTTP",
        ),
        ("server: here", "", "must be a URL, got 'here'", "https://HOST:PORT"),
        ("server: 'https://a', certificate-authority: none.crt", "", "certificate-authority of", "does none.crt exist"),
        ("server: 'https://a', certificate-authority-data: '%%'", "", "must be base64", "base64 -w0"),
        ("server: 'https://a', certificate-authority-data: aGk=", "", "cannot be loaded", "write it as PEM"),
    ],
)
def test_what_cannot_be_used_is_named_with_its_remedy(
    tmp_path: Path, entry: str, user: str, problem: str, remedy: str
) -> None:
    path = write(tmp_path, entry, user)
    with pytest.raises(KubeconfigError) as error:
        load(path)
    assert problem in error.value.problem
    assert str(path) in error.value.problem
    assert remedy in error.value.remedy


def test_a_missing_file_context_or_mapping(tmp_path: Path) -> None:
    with pytest.raises(KubeconfigError, match="cannot be read: No such file or directory"):
        load(tmp_path / "absent")
    with pytest.raises(KubeconfigError, match=r"no context 'x' in contexts\n  remedy: it has: here, there"):
        load(write(tmp_path), "x")
    path = tmp_path / "list"
    path.write_text("[]")
    with pytest.raises(KubeconfigError, match="must be a mapping"):
        load(path)
    path.write_text("contexts: []")
    with pytest.raises(KubeconfigError, match="has no current-context"):
        load(path)


def test_broken_yaml_is_reported_by_its_line_without_what_it_says(tmp_path: Path) -> None:
    with pytest.raises(KubeconfigError) as error:
        load(write(tmp_path, more="client-key-data: [s3cr3t"))
    assert "must be YAML, got something else, line 1" in str(error.value)
    assert "s3cr3t" not in str(error.value)
    assert error.value.__cause__ is None
    assert error.value.__suppress_context__


SOUND = "contexts: [{name: c, context: {cluster: c, user: u}}]\nclusters: [{name: c, cluster: {server: 'https://a'}}]\n"
BOMB = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{one}: &{one} [{','.join([f'*{before}'] * 9)}]\n"
    for before, one in zip("abcdefghijklmn", "bcdefghijklmno", strict=True)
)
MERGES = "a: &a {x: 1}\n" + "".join(
    f"{one}: &{one}\n  <<: [{','.join([f'*{before}'] * 9)}]\n"
    for before, one in zip("abcdefghijk", "bcdefghijkl", strict=True)
)
HOSTILE = {
    "empty": "",
    "text": "hello",
    "list": "[]",
    "null": "null",
    "nul": "a\0b",
    "huge": "# " + "x" * 3_000_000,
    "nested": "[" * 20_000,
    "nested-far": "[" * 900_000,
    "many-items": "- a\n" * 200_000,
    "many-texts": "[" + "a," * 400_000 + "]",
    "nested-in-blocks": "".join(f"{' ' * n}a:\n" for n in range(1200)),
    "aliases": f"{BOMB}current-context: *o\n{SOUND}",
    "merged-aliases": f"{MERGES}current-context: c\n{SOUND}",
    "alias-as-a-name": f"{BOMB}current-context: c\ncontexts: [{{name: c, context: {{cluster: *o}}}}]\n",
    "odd-tag": "a: !!int x",
    "another-tag": "a: !!python/object/apply:os.system [id]",
    "odd-date": "a: 2026-99-99",
    "a-key-that-is-a-list": "? [a]\n: b",
    "twice": "current-context: a\ncurrent-context: b\n",
    "a-context-that-is-a-number": f"current-context: 7\n{SOUND}",
    "contexts-are-a-text": "current-context: c\ncontexts: abc",
    "contexts-are-a-mapping": "current-context: c\ncontexts: {a: b}",
    "contexts-are-numbers": "current-context: c\ncontexts: [1]",
    "a-context-is-a-list": "current-context: c\ncontexts: [{name: c, context: [1]}]",
    "a-name-is-a-list": "current-context: c\ncontexts: [{name: [1], context: {}}]",
    "a-cluster-is-a-list": SOUND.replace("{server: 'https://a'}", "[1]") + "current-context: c",
    "a-server-is-a-list": SOUND.replace("'https://a'", "[1]") + "current-context: c",
    "a-server-without-host": SOUND.replace("https://a", "https://") + "current-context: c",
    "a-server-with-an-odd-port": SOUND.replace("https://a", "https://a:99999999") + "current-context: c",
    "a-server-with-a-bracket": SOUND.replace("https://a", "https://[::1") + "current-context: c",
    "a-server-with-a-line-end": SOUND.replace("'https://a'", '"https://a\\r\\nX: y"') + "current-context: c",
    "a-file": SOUND.replace("https://a", "file:///etc/passwd") + "current-context: c",
    "a-user-is-a-text": SOUND + "current-context: c\nusers: [{name: u, user: abc}]",
    "a-token-is-a-mapping": SOUND + "current-context: c\nusers: [{name: u, user: {token: {a: b}}}]",
    "a-token-file-is-a-list": SOUND + "current-context: c\nusers: [{name: u, user: {tokenFile: [a]}}]",
    "a-password-is-a-number": SOUND + "current-context: c\nusers: [{name: u, user: {username: a, password: 7}}]",
    "a-ca-is-a-list": SOUND.replace("'https://a'", "'https://a', certificate-authority-data: [1]")
    + "current-context: c",
    "a-ca-is-no-ascii": SOUND.replace("'https://a'", "'https://a', certificate-authority-data: ü")
    + "current-context: c",
    "a-ca-is-endless": SOUND.replace("'https://a'", "'https://a', certificate-authority: /dev/zero")
    + "current-context: c",
    "a-ca-is-a-terminal": SOUND.replace("'https://a'", "'https://a', certificate-authority: /dev/tty")
    + "current-context: c",
    "a-ca-is-a-pipe": SOUND.replace("'https://a'", "'https://a', certificate-authority: pipe") + "current-context: c",
    "a-ca-is-a-directory": SOUND.replace("'https://a'", "'https://a', certificate-authority: .") + "current-context: c",
    "a-key-is-endless": SOUND
    + "current-context: c\nusers: [{name: u, user: {client-certificate: /dev/zero, client-key: /dev/zero}}]",
    "a-plugin-of-no-version": SOUND
    + "current-context: c\nusers: [{name: u, user: {exec: {command: touch, args: [ran]}}}]",
    "a-plugin-that-asks": SOUND
    + "current-context: c\nusers: [{name: u, user: {exec: {command: touch, args: [ran], interactiveMode: Always, "
    "apiVersion: client.authentication.k8s.io/v1}}}]",
    "a-plugin-with-a-nul": SOUND
    + 'current-context: c\nusers: [{name: u, user: {exec: {command: touch, args: ["ran\\0"], '
    "apiVersion: client.authentication.k8s.io/v1beta1}}}]",
    "a-plugin-that-is-a-list": SOUND + "current-context: c\nusers: [{name: u, user: {exec: [touch]}}]",
    "a-provider-that-is-gone": SOUND + "current-context: c\nusers: [{name: u, user: {auth-provider: {name: gcp}}}]",
    "a-login-of-numbers": SOUND
    + "current-context: c\nusers: [{name: u, user: {auth-provider: {name: oidc, config: {id-token: 7}}}}]",
    "a-proxy": SOUND.replace("'https://a'", "'https://a', proxy-url: 'file:///p'")
    + "current-context: c\nusers: [{name: u, user: {}}]",
}


@pytest.mark.point("kubeconfig-bounded")
@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_kubeconfig_is_a_sentence_with_4(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PLATFORM_E2E_CACHE", str(tmp_path / "cache"))
    os.mkfifo(tmp_path / "pipe")
    path = tmp_path / "kubeconfig"
    path.write_text(HOSTILE[name])
    began = time.monotonic()
    assert cli.main(["explain", "--kubeconfig", str(path), "--timeout", "1"]) == 4
    assert time.monotonic() - began < 5
    err = capsys.readouterr().err
    assert str(path) in err
    assert "remedy: " in err
    assert len(err) < 3000
    assert "Traceback" not in err
    assert not (tmp_path / "ran").exists()


@pytest.mark.point("kubeconfig-bounded")
@pytest.mark.parametrize("file", ["/dev/zero", "pipe", "."])
def test_a_kubeconfig_that_is_no_file(tmp_path: Path, file: str) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(KubeconfigError, match="cannot be read"):
        load(tmp_path / file)


def test_a_kubeconfig_may_be_what_a_program_writes(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.write(writing, write(tmp_path).read_bytes())
    os.close(writing)
    assert load(Path(f"/dev/fd/{reading}")).context == "here"
    os.close(reading)


@pytest.mark.point("kubeconfig-bounded")
@pytest.mark.parametrize("content", [b"", b"a\nb", b"\xff", b"a\x00", b"x" * 2_000_000])
def test_a_token_file_has_one_token(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "t").write_bytes(content)
    with pytest.raises(BrokenHarness, match="the token file"):
        bearer(tmp_path / "t")
    (tmp_path / "t").write_text("abc\n")
    assert bearer(tmp_path / "t") == "Bearer abc"
