"""A fault is data; what is wrong with a file is said by the field."""

from __future__ import annotations

from pathlib import Path

import pytest

from platform_e2e import paths
from platform_e2e.errors import WrongUsage
from platform_e2e.faults.declaration import Fault, Step, load, load_all

SOUND = """\
why: nobody is left
alert: Down
labels: {namespace: shop}
annotations: {summary: It is down.}
parts: [shop]
needs: [argocd]
do:
- patch: apps/v1/Deployment/api -n shop
  with: {spec: {replicas: 0}}
- create: {kind: ConfigMap}
  times: sum(up)
- delete-pods: app=api -n shop
"""


def write(directory: Path, text: str, name: str = "down") -> Path:
    """Return a file with a fault."""
    path = directory / f"{name}.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_fault_is_read(tmp_path: Path) -> None:
    assert load(write(tmp_path, SOUND)) == Fault(
        "down",
        "Down",
        [
            Step("patch", "apps/v1/Deployment/api -n shop", {"spec": {"replicas": 0}}),
            Step("create", "", {"kind": "ConfigMap"}, "sum(up)"),
            Step("delete-pods", "app=api -n shop"),
        ],
        {"namespace": "shop"},
        {"summary": "It is down."},
        frozenset({"shop"}),
        frozenset({"argocd"}),
        why="nobody is left",
    )


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ("alert: Down\n", "", "must have alert and do"),
        ("why:", "reason:", "must have alert and do"),
        ("- patch:", "- patches:", "a step is `patch: OBJECT, with: PATCH`"),
        ("  times:", "  count:", "a step is `patch: OBJECT, with: PATCH`"),
        ("labels: {namespace: shop}", "labels: [shop]", "labels must be a mapping"),
        ("do:\n", "do: ]\n", "cannot be read"),
        ("do:\n", "then: [{create: {}}]\ndo:\n", "then may only have `delete-pods: LABELS`"),
    ],
)
def test_file_that_is_no_fault_is_told(before: str, after: str, told: str, tmp_path: Path) -> None:
    with pytest.raises(WrongUsage, match=told):
        load(write(tmp_path, SOUND.replace(before, after)))


def test_fault_without_a_step_is_told(tmp_path: Path) -> None:
    with pytest.raises(WrongUsage, match="do is empty, so nothing would make Down fire"):
        load(write(tmp_path, "alert: Down\ndo: []\n"))


def test_two_faults_for_one_alert_are_told(tmp_path: Path) -> None:
    write(tmp_path, SOUND, "a")
    write(tmp_path, SOUND, "b")
    with pytest.raises(WrongUsage, match=r"b\.yaml and a\.yaml are both for Down"):
        load_all(tmp_path)


def test_layer_without_faults_has_none(tmp_path: Path) -> None:
    assert load_all(tmp_path / "faults") == []


def test_every_fault_of_this_repository_can_be_read() -> None:
    found = load_all(paths.project() / "faults")
    assert len(found) >= 11
    assert all(fault.why and fault.parts for fault in found)
