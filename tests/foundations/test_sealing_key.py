"""What a release finds when it starts."""

from __future__ import annotations

from pathlib import Path

import pytest

from platform_e2e.errors import WrongUsage
from platform_e2e.foundations import restore_sealing_key, sealing_key
from platform_e2e.paths import ROOT
from tests.fakes.memory_kube import MemoryKube


def test_the_namespace_is_made() -> None:
    memory = MemoryKube()
    sealing_key.prepare(memory.kube, "argo-cd", "argocd", "argocd")
    assert [(item["kind"], item["metadata"]["name"]) for item in memory.applied] == [("Namespace", "argocd")]


def test_the_speakers_secret_is_made_once_and_differs_from_cluster_to_cluster() -> None:
    keys = []
    for _ in range(2):
        memory = MemoryKube()
        for _ in range(2):
            sealing_key.prepare(memory.kube, "metallb", "metallb", "metallb-system")
        (secret,) = [item for item in memory.applied if item["kind"] == "Secret"]
        assert secret["metadata"] == {"name": "metallb-memberlist", "namespace": "metallb-system"}
        keys.append(secret["stringData"]["secretkey"])
    assert keys[0] != keys[1]
    assert len(keys[0]) >= 16


def test_the_speakers_secret_is_named_by_the_chart_s_rule() -> None:
    memory = MemoryKube()
    sealing_key.prepare(memory.kube, "metallb", "lb", "ns")
    assert memory.applied[-1]["metadata"]["name"] == "lb-metallb-memberlist"


def test_the_committed_backup_of_the_sealing_key_is_restored() -> None:
    memory = MemoryKube()
    names = restore_sealing_key(memory.kube, ROOT / "fixtures" / "sealed-secrets-key" / "key.yaml")
    assert names
    assert all(item["type"] == "kubernetes.io/tls" for item in memory.applied)


def test_a_file_that_is_no_backup_is_refused_before_anything_is_applied(tmp_path: Path) -> None:
    path = tmp_path / "key.yaml"
    good = "kind: Secret\nmetadata:\n  name: k\n  labels: {sealedsecrets.bitnami.com/sealed-secrets-key: active}\n"
    path.write_text(f"{good}---\nkind: Secret\nmetadata:\n  name: password\ndata: {{a: aGlkZGVu}}\n")
    memory = MemoryKube()
    with pytest.raises(WrongUsage, match=r"key.yaml must be a backup of a Sealed Secrets key") as error:
        restore_sealing_key(memory.kube, path)
    assert "kubectl get secret" in error.value.remedy
    assert "aGlkZGVu" not in str(error.value)
    assert memory.applied == []
