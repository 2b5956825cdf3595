"""A SealedSecret that nothing applies yet, and that no key would open, is found in Git; one that is applied is told elsewhere."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from platform_e2e.checks.secrets import files
from platform_e2e.checks.secrets.kubeseal import Kubeseal
from platform_e2e.errors import BrokenHarness
from platform_e2e.finding import Finding, Promise
from platform_e2e.layer import Layer, sealed_secrets, sealing_keys, yamlfile
from platform_e2e.paths import ROOT
from tests.fakes import layers, recorded
from tests.fakes.recorded_view import RecordedView
from tests.fakes.sealing import key, sealed

OVERLAY = "manifests/chat/overlays/dev"
COMMITTED = sealing_keys.known(ROOT / "fixtures" / "sealed-secrets-key" / "key.yaml")


def opens(obj: Mapping[str, Any]) -> bool:
    return sealed_secrets.opening(obj, [*COMMITTED, key(0)]).seal is sealed_secrets.Seal.OPENS


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Layer:
    directory = tmp_path_factory.mktemp("layer") / "platform"
    shutil.copytree(layers.DEMO, directory)
    return layers.load(directory, recorded.kustomize(directory, layers.RECORDS))


def found(layer: Layer, path: str, obj: Any) -> tuple[int, list[Finding], list[Finding]]:
    file = layer.directory / path
    file.write_text(obj if isinstance(obj, str) else yamlfile.as_json(obj, indent=1))
    return files.check(replace(layer, files=(*layer.files, file)), opens, [*COMMITTED, key(0)], RecordedView())


def test_all_of_the_demo_layer_open(demo: Layer) -> None:
    assert files.check(demo, opens, COMMITTED, RecordedView()) == (4, [], [])


def test_one_beside_them_that_opens_is_counted(demo: Layer) -> None:
    assert found(demo, f"{OVERLAY}/smtp.json", sealed("smtp", "chat-dev", password="x")) == (5, [], [])


@pytest.mark.parametrize(
    ("obj", "cause", "says"),
    [
        (
            lambda: sealed("smtp", "chat-dev", label="chat-staging/chat-signing-key", password="x"),
            "sealed-secret-other-scope",
            "password is sealed for `chat-staging/chat-signing-key`, and must be for `chat-dev/smtp`",
        ),
        (lambda: sealed("smtp", "chat-dev", 1, password="x"), "sealed-secret-other-key", "a key that is not there, or"),
    ],
)
def test_one_beside_them_that_will_not_open(demo: Layer, obj: Any, cause: str, says: str) -> None:
    looked_at, (finding,), held = found(demo, f"{OVERLAY}/smtp.json", obj())
    assert (looked_at, held, finding.promise, finding.cause.id) == (5, [], Promise.SECRETS, cause)
    assert says in finding.cause.sentence
    assert finding.object == "sealedsecret/smtp -n chat-dev"
    assert f"{OVERLAY}/smtp.json:1" in finding.cause.remedy


def test_what_was_cut_off_is_malformed(demo: Layer) -> None:
    obj = sealed("smtp", "chat-dev", password="x")
    obj["spec"]["encryptedData"]["password"] = obj["spec"]["encryptedData"]["password"][:60]
    _, (finding,), _ = found(demo, f"{OVERLAY}/smtp.json", obj)
    assert finding.cause.id == "sealed-secret-malformed"


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("README-dev.json", None),  # of a directory that no Application reads, so perhaps of another cluster
        (f"{OVERLAY}/smtp.md", None),
        (f"{OVERLAY}/smtp.yaml", "kind: SealedSecret\nmetadata: {name: {{ .Values.name }}, namespace: a}\n"),
        (f"{OVERLAY}/smtp.yaml", "kind: SealedSecret\nmetadata: {name: smtp}\n"),
        (
            f"{OVERLAY}/smtp.yaml",
            "kind: SealedSecret\nmetadata:\n  name: smtp\n  namespace: a\n  annotations: {platform-e2e/exempt-secrets: of the other cluster}\n",
        ),
    ],
)
def test_what_cannot_be_judged_here_is_left_out(demo: Layer, path: str, text: str | None) -> None:
    assert found(demo, path, text or sealed("smtp", "chat-dev", 1, password="x")) == (4, [], [])


def test_one_that_is_applied_is_told_by_its_own_test(demo: Layer) -> None:
    (each,) = [each for each in demo.of_kind(sealed_secrets.API) if each.namespace == "chat-dev"]
    live = {**each.object, "status": {"conditions": [{"type": "Synced", "status": "False", "message": "no key"}]}}
    closed = lambda obj: obj["metadata"]["namespace"] != "chat-dev"  # noqa: E731
    looked_at, findings, (held,) = files.check(demo, closed, COMMITTED, RecordedView(live))
    assert (looked_at, findings, held.promise, held.cause.id) == (4, [], Promise.APPLICATIONS, "secret-not-unsealed")


# The program


def program(tmp_path: Path, script: str) -> Kubeseal:
    path = tmp_path / "kubeseal"
    path.write_text(f'#!/bin/sh\ncat > {tmp_path}/given\necho "$@" > {tmp_path}/words\n{script}\n')
    path.chmod(0o755)
    return Kubeseal(path, Path("/k"), "kube-system", "sealed-secrets")


def test_kubeseal_is_asked_for_the_controller(tmp_path: Path) -> None:
    assert program(tmp_path, "exit 0").validates({"kind": "SealedSecret"})
    words = "--validate --kubeconfig /k --controller-namespace kube-system --controller-name sealed-secrets\n"
    assert (tmp_path / "words").read_text() == words
    assert (tmp_path / "given").read_text() == '{"kind": "SealedSecret"}'


def test_what_kubeseal_cannot_open_is_no_error(tmp_path: Path) -> None:
    assert not program(tmp_path, "echo error: unable to decrypt sealed secret: a >&2; exit 1").validates({})


def test_kubeseal_is_asked_again_where_it_was_asked_too_often(tmp_path: Path) -> None:
    often = (
        f"if [ -e {tmp_path}/second ]; then exit 0; fi; touch {tmp_path}/second; echo 429 Too Many Requests >&2; exit 1"
    )
    assert program(tmp_path, often).validates({})


def test_a_controller_that_cannot_be_asked_is_no_verdict(tmp_path: Path) -> None:
    with pytest.raises(BrokenHarness, match="must tell whether it can be opened, got `error: no route`"):
        program(tmp_path, "echo error: no route >&2; exit 1").validates({})
