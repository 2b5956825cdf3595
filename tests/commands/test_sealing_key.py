"""Keys of Sealed Secrets are backed up, verified and restored, and none is ever printed."""

from __future__ import annotations

import base64
import stat
from pathlib import Path
from typing import Any

import pytest

from platform_e2e import cli
from platform_e2e.checks.secrets.files import SealedFile
from platform_e2e.commands import sealing_key
from platform_e2e.layer import sealing_keys
from tests.fakes import sealing
from tests.fakes.scripted_api import ScriptedApi
from tests.support.command_line import Run, api, run

__all__ = ["api", "run"]

pytestmark = pytest.mark.point("sealing-key-backup")


@pytest.fixture
def cluster(api: ScriptedApi) -> ScriptedApi:
    """Return a cluster with two keys, the second one newer, and a controller."""
    api.serve("bitnami.com/v1alpha1", "sealedsecrets", "SealedSecret")
    api.put("namespaces", "", "kube-system")
    for number in (0, 1):
        put(api, number)
    metadata = {"labels": {"app.kubernetes.io/name": "sealed-secrets"}, "generation": 1}
    status = {"observedGeneration": 9, "replicas": 1, "updatedReplicas": 1, "availableReplicas": 1, "readyReplicas": 1}
    spec = {"replicas": 1, "selector": {}, "template": {"metadata": {}}}
    api.put("deployments", "kube-system", "sealed-secrets", metadata=metadata, spec=spec, status=status)
    return api


def put(api: ScriptedApi, number: int, label: str = "active", name: str = "") -> None:
    secret = sealing.secret(number, label)
    metadata = {"labels": secret["metadata"]["labels"], "creationTimestamp": "2026-01-01T00:00:00Z", "uid": "u"}
    name = name or secret["metadata"]["name"]
    api.put("secrets", "kube-system", name, metadata=metadata, data=secret["data"], type=secret["type"])


@pytest.fixture
def layer(monkeypatch: pytest.MonkeyPatch) -> list[SealedFile]:
    """Return what Git has sealed: one for each of the two keys."""
    found = [
        SealedFile(sealing.sealed("db", "shop", number, password="x"), f"shop/db-{number}.yaml:1") for number in (0, 1)
    ]
    monkeypatch.setattr(sealing_key, "_sealed", lambda _: found)
    return found


def backup(tmp_path: Path, *numbers: int) -> str:
    path = tmp_path / "keys.yaml"
    path.write_text(sealing.backup(*numbers))
    return str(path)


def silent(capsys: Any) -> str:
    """Return what was printed, and demand that there is no part of a key in it."""
    out, err = capsys.readouterr()
    for number in (0, 1):
        pem = base64.b64decode(sealing.secret(number)["data"]["tls.key"]).decode()
        for line in [*pem.splitlines()[1:-1], sealing.secret(number)["data"]["tls.key"][:60]]:
            assert line not in out + err
    assert "PRIVATE" not in out + err
    return str(out + err)


def changes(api: ScriptedApi) -> list[str]:
    return [f"{method} {path.rpartition('/')[2]}" for method, path, _ in api.requests if method != "GET"]


# backup


def test_a_backup_has_every_key_for_its_owner_alone(
    cluster: ScriptedApi, run: Run, tmp_path: Path, capsys: Any
) -> None:
    put(cluster, 2, "compromised")
    path = tmp_path / "keys.yaml"
    assert run("sealing-key", "backup", "--output", str(path)) == 0
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    keys = sealing_keys.read(path)
    assert [each.name for each in keys] == ["sealed-secrets-key2", "sealed-secrets-key1", "sealed-secrets-key0"]
    assert [each.active for each in keys] == [False, True, True]
    assert "uid" not in path.read_text()
    assert changes(cluster) == []
    said = silent(capsys)
    assert "has 3 keys, the newest first" in said
    assert f"{keys[0]}, not active" in said


def test_a_backup_is_never_overwritten(cluster: ScriptedApi, run: Run, tmp_path: Path, capsys: Any) -> None:
    path = tmp_path / "keys.yaml"
    path.write_text("the only one")
    assert run("sealing-key", "backup", "--output", str(path)) == 4
    assert path.read_text() == "the only one"
    assert "may be the only backup" in silent(capsys)
    assert list(tmp_path.glob(".*")) == []


def test_a_cluster_without_a_key_has_no_backup(api: ScriptedApi, run: Run, tmp_path: Path, capsys: Any) -> None:
    path = tmp_path / "keys.yaml"
    assert run("sealing-key", "backup", "--output", str(path)) == 1
    assert "must have a Secret with the label" in capsys.readouterr().err
    put(api, 0)
    api.put(
        "secrets", "kube-system", "odd", metadata={"labels": {sealing_keys.LABEL: "active"}}, data={"a": "aGlkZGVu"}
    )
    assert run("sealing-key", "backup", "--output", str(path)) == 1
    err = capsys.readouterr().err
    assert "secret/odd -n kube-system must have a key and its certificate" in err
    assert "aGlkZGVu" not in err
    assert not path.exists()


def test_secrets_that_may_not_be_read_are_no_empty_backup(
    cluster: ScriptedApi, run: Run, tmp_path: Path, capsys: Any
) -> None:
    cluster.forbid("secrets")
    assert run("sealing-key", "backup", "--output", str(tmp_path / "k")) == 3
    assert not (tmp_path / "k").exists()
    assert "secrets" in capsys.readouterr().err


# verify


@pytest.mark.usefixtures("layer")
def test_a_whole_backup_is_verified_without_a_cluster(tmp_path: Path, capsys: Any) -> None:
    assert cli.main(["sealing-key", "verify", backup(tmp_path, 0, 1)]) == 0
    said = silent(capsys)
    assert "has 2 keys, and opens 2 of 2 SealedSecrets" in said
    assert "whether it has the newest key is not known" in said


@pytest.mark.usefixtures("layer")
def test_what_a_backup_cannot_open_is_named(tmp_path: Path, capsys: Any) -> None:
    assert cli.main(["sealing-key", "verify", backup(tmp_path, 0)]) == 1
    said = silent(capsys)
    assert "has 1 key, and opens 1 of 2 SealedSecrets" in said
    assert "sealedsecret/db -n shop will not open: password is sealed with a key that is not there" in said
    assert "[sealed-secret-other-key]" in said
    assert "shop/db-1.yaml:1" in said


@pytest.mark.usefixtures("layer")
def test_a_key_that_is_not_active_opens_nothing(tmp_path: Path, capsys: Any) -> None:
    path = tmp_path / "keys.yaml"
    path.write_text(sealing.backup(0, 1, compromised=(1,)))
    assert cli.main(["sealing-key", "verify", str(path)]) == 1
    assert "opens 1 of 2 SealedSecrets" in silent(capsys)


@pytest.mark.usefixtures("layer")
def test_a_backup_without_the_newest_key_is_a_finding(
    cluster: ScriptedApi, run: Run, tmp_path: Path, capsys: Any
) -> None:
    put(cluster, 2)
    assert run("sealing-key", "verify", backup(tmp_path, 0, 1)) == 1
    said = silent(capsys)
    assert "it has 2 of 3 active keys of context scripted" in said
    assert "lacks the newest key of context scripted" in said
    assert "sealed-secrets-key2" in said
    assert "[sealing-key-not-backed-up]" in said
    assert changes(cluster) == []
    (tmp_path / "keys.yaml").unlink()
    assert run("sealing-key", "verify", backup(tmp_path, 0, 1, 2)) == 0
    assert "it has 3 of 3 active keys" in silent(capsys)


@pytest.mark.usefixtures("layer")
def test_an_older_key_that_is_lacking_is_told_as_such(
    cluster: ScriptedApi, run: Run, tmp_path: Path, capsys: Any
) -> None:
    assert run("sealing-key", "verify", backup(tmp_path, 1)) == 1
    assert "lacks a key of context scripted" in silent(capsys)


# restore


def test_a_foreign_cluster_must_be_named_twice(cluster: ScriptedApi, run: Run, tmp_path: Path, capsys: Any) -> None:
    words = ("sealing-key", "restore", backup(tmp_path, 0, 1, 2))
    for more in ((), ("--context", "scripted"), ("--confirm", "scripted"), ("--context", "scripted", "--confirm", "x")):
        assert run(*words, *more) == 4
        assert "--context scripted --confirm scripted" in silent(capsys)
    assert changes(cluster) == []


CONFIRMED = ("--context", "scripted", "--confirm", "scripted")


def test_missing_keys_are_loaded_and_the_controller_restarts(
    cluster: ScriptedApi, run: Run, tmp_path: Path, capsys: Any
) -> None:
    assert run("sealing-key", "restore", backup(tmp_path, 0, 1, 2), *CONFIRMED) == 0
    assert changes(cluster) == ["PATCH sealed-secrets-key2", "PATCH sealed-secrets"]
    said = silent(capsys)
    assert "had 2 of 3 keys already" in said
    assert "restarted deployment/sealed-secrets -n kube-system" in said
    assert "all of 0 SealedSecrets are unsealed" in said


def test_another_key_of_the_same_name_is_not_overwritten(
    cluster: ScriptedApi, run: Run, tmp_path: Path, capsys: Any
) -> None:
    put(cluster, 2, name="sealed-secrets-key1")
    assert run("sealing-key", "restore", backup(tmp_path, 0, 1), *CONFIRMED) == 4
    assert "secret/sealed-secrets-key1 -n kube-system must be absent or the key of the backup" in silent(capsys)
    assert changes(cluster) == []


def test_before_the_controller_is_there_keys_wait_for_it(
    api: ScriptedApi, run: Run, tmp_path: Path, capsys: Any
) -> None:
    assert run("sealing-key", "restore", backup(tmp_path, 0), *CONFIRMED) == 0
    assert changes(api) == ["PATCH kube-system", "PATCH sealed-secrets-key0"]
    assert "it will read the keys when it starts" in silent(capsys)


def test_what_still_does_not_open_is_told(
    cluster: ScriptedApi, run: Run, tmp_path: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sealing_key, "UNSEALED_SECONDS", 0.2)
    conditions = [{"type": "Synced", "status": "False", "message": "no key could decrypt secret (password)"}]
    cluster.put("sealedsecrets", "shop", "db", status={"conditions": conditions})
    assert run("sealing-key", "restore", backup(tmp_path, 0, 1), *CONFIRMED) == 1
    said = silent(capsys)
    assert "sealedsecret/db -n shop makes no Secret, because of `no key could decrypt secret (password)`" in said


def test_a_file_that_is_no_backup_is_refused_before_anything(
    cluster: ScriptedApi, run: Run, tmp_path: Path, capsys: Any
) -> None:
    (tmp_path / "x").write_text("kind: ConfigMap\n")
    for words in (("verify", str(tmp_path / "x")), ("restore", str(tmp_path / "x"), *CONFIRMED)):
        assert run("sealing-key", *words) == 4
        assert "must be a backup of a Sealed Secrets key" in silent(capsys)
    assert cluster.requests == []


def test_a_wrong_word_is_wrong_usage(capsys: Any) -> None:
    assert cli.main(["sealing-key", "burn"]) == 4
    assert cli.main(["sealing-key"]) == 4
    assert "platform-e2e sealing-key" in capsys.readouterr().err
