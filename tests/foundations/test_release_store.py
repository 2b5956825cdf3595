"""What Helm keeps of a release is read, and what a killed Helm left behind is removed."""

from __future__ import annotations

import base64
import gzip
import json

import pytest

from platform_e2e.foundations import release_store
from platform_e2e.shell import CommandError
from tests.fakes.memory_kube import MemoryKube, release_secret

MANIFEST = "---\n# Source: x\napiVersion: v1\nkind: Service\nmetadata:\n  name: a\n---\n# only a comment\n"


def test_a_release_that_was_never_installed_is_none() -> None:
    assert release_store.newest(MemoryKube().kube, "metallb", "ns") is None


def test_the_newest_revision_counts() -> None:
    memory = MemoryKube(
        release_secret("metallb", "ns", "", revision=9, status="superseded"),
        release_secret("metallb", "ns", MANIFEST, revision=10, **{release_store.FINGERPRINT: "abc"}),
        release_secret("other", "ns", "", revision=11),
    )
    found = release_store.newest(memory.kube, "metallb", "ns")
    assert found is not None
    assert (found.revision, found.status, found.fingerprint) == (10, "deployed", "abc")
    assert [item["kind"] for item in found.manifest] == ["Service"]


def test_a_release_that_somebody_else_installed_has_no_fingerprint() -> None:
    found = release_store.newest(MemoryKube(release_secret("metallb", "ns", MANIFEST)).kube, "metallb", "ns")
    assert found is not None
    assert found.fingerprint == ""


@pytest.mark.parametrize("status", ["pending-install", "pending-upgrade", "pending-rollback"])
def test_an_interrupted_revision_is_removed(status: str) -> None:
    memory = MemoryKube(
        release_secret("metallb", "ns", MANIFEST), release_secret("metallb", "ns", "", revision=2, status=status)
    )
    release_store.forget_interrupted(memory.kube, "metallb", "ns")
    found = release_store.newest(memory.kube, "metallb", "ns")
    assert found is not None
    assert found.revision == 1


def test_a_finished_revision_stays() -> None:
    memory = MemoryKube(release_secret("metallb", "ns", MANIFEST))
    release_store.forget_interrupted(memory.kube, "metallb", "ns")
    assert release_store.newest(memory.kube, "metallb", "ns") is not None


def test_a_release_of_hooks_alone_has_no_objects_and_its_hooks_are_told() -> None:
    release = {"name": "init", "hooks": [{"name": "rights", "kind": "Role"}, {"name": "init", "kind": "Job"}]}
    secret = release_secret("init", "ns", "")
    secret["data"]["release"] = base64.b64encode(base64.b64encode(gzip.compress(json.dumps(release).encode()))).decode()
    memory = MemoryKube(secret)
    found = release_store.newest(memory.kube, "init", "ns")
    assert found is not None
    assert found.manifest == ()
    assert release_store.hooks(memory.kube, "init", "ns") == [("batch/v1/Job", "init")]
    assert release_store.hooks(memory.kube, "other", "ns") == []


def test_an_unreadable_release_is_named_without_its_content() -> None:
    broken = release_secret("metallb", "ns", MANIFEST)
    broken["data"]["release"] = base64.b64encode(b"not a release").decode()
    with pytest.raises(CommandError, match=r"left the Secret sh.helm.release.v1.metallb.v1 -n ns unreadable") as error:
        release_store.newest(MemoryKube(broken).kube, "metallb", "ns")
    assert "not a release" not in str(error.value)
