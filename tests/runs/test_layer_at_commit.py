"""A layer at a commit is restored from a checkout."""

from __future__ import annotations

from pathlib import Path

import pytest

from platform_e2e.errors import BrokenHarness
from platform_e2e.runs import layer_at_commit
from tests.fakes.incidents import commit


@pytest.fixture
def layer(tmp_path: Path) -> Path:
    made = tmp_path / "layer"
    (made / "apps" / "deep").mkdir(parents=True)
    (made / "apps" / "deep" / "one.yaml").write_text("one")
    return made


def test_files_links_and_executable_bits_are_as_in_git(layer: Path, tmp_path: Path) -> None:
    (layer / "run").write_text("#!/bin/sh\n")
    (layer / "run").chmod(0o755)
    (layer / "apps" / "same.yaml").symlink_to("deep/one.yaml")
    out = tmp_path / "out"
    layer_at_commit.export(layer, commit(layer), out)
    assert (out / "apps" / "deep" / "one.yaml").read_text() == "one"
    assert (out / "apps" / "same.yaml").readlink() == Path("deep/one.yaml")
    modes = [(out / name).stat().st_mode & 0o777 for name in ("run", "apps/deep/one.yaml")]
    assert modes == [0o755, 0o644]
    assert sorted(one.name for one in tmp_path.iterdir()) == ["layer", "out"], "the archive is gone"


@pytest.mark.parametrize("leads_to", ["/etc/passwd", "../../outside", "deep/../../../outside"])
def test_a_link_that_leads_out_of_the_layer_is_refused(layer: Path, tmp_path: Path, leads_to: str) -> None:
    (layer / "apps" / "out.yaml").symlink_to(leads_to)
    with pytest.raises(BrokenHarness, match=r"cannot be used: apps/out\.yaml: is a symbolic link to"):
        layer_at_commit.export(layer, commit(layer), tmp_path / "out")
    assert not (tmp_path / "out" / "apps" / "out.yaml").is_symlink()
