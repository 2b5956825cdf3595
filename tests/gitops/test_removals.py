"""Documents that are not served go from their files, and lines stay where they are."""

from __future__ import annotations

import pytest

from platform_e2e.errors import BrokenHarness
from platform_e2e.gitops import removals
from platform_e2e.gitops.transform import message, transform
from platform_e2e.layer.left_out import LeftOut
from platform_e2e.layer.not_judged import NotJudged
from tests.fakes.rendered import rendered

TEXT = """\
# What there is.
apiVersion: v1
kind: ConfigMap
metadata: {name: kept}
---
apiVersion: v1
kind: ConfigMap
metadata:
  name: gone
data:
  a: b
---
apiVersion: v1
kind: ConfigMap
metadata: {name: last}
"""


def test_a_document_goes_and_the_others_stay_on_their_lines() -> None:
    content, told = removals.remove("a.yaml", TEXT.encode(), {("ConfigMap", "gone", 6)})
    lines = content.decode().splitlines()
    assert told == [(6, "configmap/gone")]
    assert "gone" not in content.decode()
    assert len(lines) == len(TEXT.splitlines())
    assert lines.index("metadata: {name: last}") == TEXT.splitlines().index("metadata: {name: last}")


def test_a_document_that_is_not_there_is_the_harness_fault() -> None:
    with pytest.raises(BrokenHarness, match="must have 1 objects that are not served, got 0"):
        removals.remove("a.yaml", TEXT.encode(), {("ConfigMap", "gone", 7)})


def test_what_cannot_be_taken_out_is_left_to_argo_cd() -> None:
    unknown = NotJudged("configmap/a", "stand-in", "", "", "", None)
    left = [LeftOut(each, unknown) for each in rendered(TEXT, file="platform/a.yaml")]
    found = removals.by_file([left[1]], {"platform/a.yaml": "a.yaml"})
    assert found == {"a.yaml": frozenset({("ConfigMap", "gone", 6)})}


def test_the_commit_names_what_was_left_out_and_refuses_nothing_in_it() -> None:
    text = """\
apiVersion: argoproj.io/v1alpha1
kind: Application
metadata: {name: foreign}
spec: {source: {repoURL: https://charts.example.com, chart: a, targetRevision: 1.0.0}}
"""
    made = transform(
        {"apps/a.yaml": text.encode()}, url="http://git", left_out={"apps/a.yaml": {("Application", "foreign", 1)}}
    )
    assert made.files["apps/a.yaml"].strip() == b""
    assert "apps/a.yaml:1: application/foreign, the object: served -> left out" in message(made)
