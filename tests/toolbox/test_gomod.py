"""go.mod as the one place of the versions."""

from __future__ import annotations

from pathlib import Path

import pytest

from platform_e2e.errors import BrokenHarness
from platform_e2e.toolbox import gomod

TEXT = """\
module example.org/x

go 1.26.0

require github.com/Azure/SDK/v2 v2.1.0 // indirect

require (
	k8s.io/api v0.0.0 // replaced below
	k8s.io/api/nested v1.0.0
)

tool (
	k8s.io/api/cmd/one
	k8s.io/api/nested/cmd/two
)

tool example.org/three

replace (
	k8s.io/api => k8s.io/api v0.34.4
)

replace github.com/a/b v1.0.0 => github.com/c/d v1.1.2
"""


@pytest.fixture
def parsed(tmp_path: Path) -> gomod.GoMod:
    (tmp_path / "go.mod").write_text(TEXT)
    return gomod.read(tmp_path / "go.mod")


def test_blocks_and_single_lines_are_read(parsed: gomod.GoMod) -> None:
    assert parsed.go == "1.26.0"
    assert parsed.tools == ("k8s.io/api/cmd/one", "k8s.io/api/nested/cmd/two", "example.org/three")
    assert parsed.requires["github.com/Azure/SDK/v2"] == "v2.1.0"
    assert parsed.replaced["github.com/a/b"] == gomod.Module("github.com/c/d", "v1.1.2")


def test_a_replacement_wins(parsed: gomod.GoMod) -> None:
    assert parsed.module("k8s.io/api").version == "v0.34.4"


def test_a_module_that_is_not_required_is_an_error_that_names_it(parsed: gomod.GoMod) -> None:
    with pytest.raises(BrokenHarness, match=r"go\.mod must require example\.org/none"):
        parsed.module("example.org/none")


def test_a_directory_in_the_module_cache_escapes_capitals(parsed: gomod.GoMod) -> None:
    assert parsed.module("github.com/Azure/SDK/v2").directory == "github.com/!azure/!s!d!k/v2@v2.1.0"


def test_all_kubernetes_libraries_have_the_version_of_kubernetes() -> None:
    """A mixture compiles until some interface changed, and then fails far from the cause."""
    pinned = gomod.read()
    minor_and_patch = pinned.module("k8s.io/kubernetes").version.removeprefix("v1")
    staging = {path: module.version for path, module in pinned.replaced.items() if path.startswith("k8s.io/")}
    # Not part of the release, and not served in that version.
    staging.pop("k8s.io/sample-controller", None)
    assert len(staging) > 20
    assert set(staging.values()) == {f"v0{minor_and_patch}"}
