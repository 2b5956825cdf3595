"""Fields as a person writes them: what they lead to, and what is said when they lead nowhere."""

from __future__ import annotations

from typing import Any

import pytest

from platform_e2e.errors import WrongUsage
from platform_e2e.kube.expect import Met, Pending
from platform_e2e.kube.fields import field

OBJECT: dict[str, Any] = {
    "kind": "Pod",
    "metadata": {"annotations": {"example.org/owner": "jane"}},
    "spec": {"replicas": 0, "paused": True, "ports": [{"name": "http", "port": 80}, {"name": "metrics", "port": 90}]},
    "status": {"phase": "Running", "ingress": [], "long": "x" * 200, "none": None},
}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (".status.phase=Running", "Running"),
        ("status.phase=Running", "Running"),
        ("{.status.phase}=Running", "Running"),
        (".status.phase==Running", "Running"),
        (".status.phase='Running'", "Running"),
        (".status.phase!=Failed", "Running"),
        (".status.phase", "Running"),
        (".spec.replicas=0", 0),
        (".spec.paused=true", True),
        (".spec.ports[1].name=metrics", "metrics"),
        (".spec.ports[*].name!=other", ["http", "metrics"]),
        ('.spec.ports[0]={"name":"http","port":80}', {"name": "http", "port": 80}),
        (".metadata.annotations['example.org/owner']=jane", "jane"),
        ('.metadata.annotations["example.org/owner"]=jane', "jane"),
        (r".metadata.annotations.example\.org/owner=jane", "jane"),
    ],
)
def test_a_field_that_is_as_demanded_is_met_with_its_value(text: str, value: Any) -> None:
    assert field(text).judge(OBJECT) == Met(value)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (".status.phase=Failed", ".status.phase is Running, not Failed"),
        (".status.phase!=Running", ".status.phase is Running"),
        (".spec.paused=false", ".spec.paused is true, not false"),
        (".spec.ports[*].name=http", ".spec.ports[*].name is http, metrics, not http"),
        (".status.long=y", f".status.long is {'x' * 77}..., not y"),
        # What is absent, null or empty is not there yet.
        (".status.absent.deep=1", "has no .status.absent.deep"),
        (".status.absent!=1", "has no .status.absent"),
        (".status.ingress", "has no .status.ingress"),
        (".status.ingress[0].ip", "has no .status.ingress[0].ip"),
        (".status.none", "has no .status.none"),
        (".spec.ports[7].name=x", "has no .spec.ports[7].name"),
        (".spec.ports.name=x", "has no .spec.ports.name"),
        (".status.phase[0]=R", "has no .status.phase[0]"),
    ],
)
def test_a_field_that_is_not_says_what_it_is(text: str, why: str) -> None:
    assert field(text).judge(OBJECT) == Pending(why)


def test_an_absent_object_is_pending() -> None:
    assert field(".a=1").judge(None) == Pending("does not exist")


@pytest.mark.parametrize("path", [".data.key", ".metadata.annotations.last"])
def test_nothing_of_a_secret_is_shown(path: str) -> None:
    secret = {"kind": "Secret", "data": {"key": "c2VjcmV0"}, "metadata": {"annotations": {"last": "c2VjcmV0"}}}
    assert field(f"{path}=x").judge(secret) == Pending(f"{path} is a value that is not shown, not x")


@pytest.mark.parametrize(
    ("text", "phrase"),
    [(".a.b=c", "has .a.b=c"), ("{.a}!=b", "has .a!=b"), ("a[0]", "has .a[0]")],
)
def test_a_field_says_what_is_demanded(text: str, phrase: str) -> None:
    assert field(text).phrase == phrase


@pytest.mark.parametrize("text", ["", "=x", ".a b=c", ".a[", ".a[x]=1", ".a..b=1", "{.a=1", ".a[?(@.b=='c')].d=1"])
def test_what_is_no_field_is_wrong_usage(text: str) -> None:
    with pytest.raises(WrongUsage, match=r"a field must be written .*, got `[^\n]*\n  remedy: write a path such as"):
        field(text)
