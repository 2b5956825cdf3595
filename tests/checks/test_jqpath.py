from __future__ import annotations

import pytest

from platform_e2e.checks.jqpath import reached

OBJ = {
    "spec": {
        "containers": [{"name": "a", "image": "x", "on": True}, {"name": "b", "image": "y"}],
        "odd/name": {"n": 1},
    },
    "metadata": {"annotations": {"a.b/c": "v"}},
}


@pytest.mark.parametrize(
    ("expression", "pointers"),
    [
        (".spec.containers", ["/spec/containers"]),
        (".spec.containers[].image", ["/spec/containers/0/image", "/spec/containers/1/image"]),
        (".spec.containers[]?.image", ["/spec/containers/0/image", "/spec/containers/1/image"]),
        (".spec?.containers[-1].name", ["/spec/containers/1/name"]),
        ('.spec["odd/name"].n', ["/spec/odd~1name/n"]),
        ('.metadata.annotations."a.b/c"', ["/metadata/annotations/a.b~1c"]),
        ('.metadata.annotations["a.b/c"]', ["/metadata/annotations/a.b~1c"]),
        ('.spec.containers[] | select(.name == "b")', ["/spec/containers/1"]),
        ('.spec.containers[] | select(.name=="b") | .image', ["/spec/containers/1/image"]),
        ('.spec.containers[] | select(.name != "b").image', None),
        ('.spec.containers[] | select(.name != "b") | .image', ["/spec/containers/0/image"]),
        ('.spec.containers[] | select(.name == "a" or .name == "b")', ["/spec/containers/0", "/spec/containers/1"]),
        ('.spec.containers[] | select(.name == "a" and .on == true)', ["/spec/containers/0"]),
        ('.spec.containers[] | select(.name | startswith("b"))', ["/spec/containers/1"]),
        ('.spec.containers[] | select(.name | test("^a$"))', ["/spec/containers/0"]),
        (".spec.missing[].image", []),
        (".", [""]),
    ],
)
def test_a_path_leads_where_jq_leads(expression: str, pointers: list[str] | None) -> None:
    found = reached(expression, OBJ)
    if pointers is None:
        assert not found.exact
    else:
        assert (list(found.pointers), found.exact) == (pointers, True)


@pytest.mark.parametrize(
    "expression", [".spec.containers | map(.image)", "..|.image?", ".spec | to_entries[]", "def f: f; f", ".a - .b"]
)
def test_what_only_jq_understands_is_not_said_to_be_exact(expression: str) -> None:
    assert not reached(expression, OBJ).exact


def test_the_walk_ends_above_what_is_not_understood() -> None:
    assert reached(".spec.containers | map(.image)", OBJ).pointers == ("/spec/containers",)
