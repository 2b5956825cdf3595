"""What is built for others: the source archive, both wheels, and the command that an installer makes of one."""

from __future__ import annotations

import email
import hashlib
import os
import sysconfig
import tarfile
import zipfile
from email.message import Message
from pathlib import Path
from typing import Any

import pytest
from hatchling.build import build_wheel

from platform_e2e import paths
from platform_e2e.cluster import packing
from platform_e2e.toolbox import prebuilt, toolchain
from platform_e2e.toolbox.prebuilt import Prebuilt
from tests.support.installed import ROOT, Environment, built, environment

AS_THE_SCRIPT_DOES = """\
import sys
from importlib.metadata import entry_points
(found,) = entry_points(group="console_scripts", name="platform-e2e")
sys.argv = ["platform-e2e", *sys.argv[1:]]
sys.exit(found.load()())
"""
WHERE_THE_WHEEL_IS = (
    "from platform_e2e.toolbox import prebuilt; found = prebuilt.find(); print(found and found.directory)"
)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built("build_wheel", tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def programs_wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of programs as its session builds it, with one small program."""
    package = tmp_path_factory.mktemp("package") / prebuilt.PACKAGE
    (package / "programs").mkdir(parents=True)
    (package / "__init__.py").write_text(packing.ABOUT)
    (package / "programs" / "helm").write_text("#!/bin/sh\necho from the wheel\n")
    (package / "programs" / "helm").chmod(0o755)
    Prebuilt(package, "0.1.0", "1.26.8", {"helm": "key"}, {}, "key").write()
    return of_programs(package, tmp_path_factory.mktemp("dist"))


def of_programs(package: Path | None, directory: Path) -> Path:
    here = Path.cwd()
    os.chdir(ROOT / ".ci" / "programs-wheel")
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("PROGRAMS_WHEEL_PACKAGE", str(package or ""))
            return directory / build_wheel(str(directory))
    finally:
        os.chdir(here)


def contents(wheel: Path) -> dict[str, str]:
    with zipfile.ZipFile(wheel) as archive:
        return {name: hashlib.sha256(archive.read(name)).hexdigest() for name in archive.namelist()}


def metadata(wheel: Path) -> Message:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
        return email.message_from_bytes(archive.read(name))


def script(here: Environment, *words: str, where: Path) -> Any:
    (where / "script.py").write_text(AS_THE_SCRIPT_DOES)
    return here.run("script", *words, where=where, PYTHONPATH=str(where))


def test_the_command_that_an_installer_makes_of_the_wheel_works_anywhere(wheel: Path, tmp_path: Path) -> None:
    here = environment(tmp_path / "env", wheel)
    (tmp_path / "empty").mkdir()
    helped = script(here, "--help", where=tmp_path / "empty")
    assert helped.returncode == 0, helped.stderr
    assert helped.stdout.startswith("usage: platform-e2e ")
    assert "say what this machine lacks for a run" in helped.stdout
    # One that reads a layer and files.
    chosen = ("--cases", str(ROOT / "breaks"), "--layer", str(ROOT / "tests" / "data" / "platform"))
    listed = script(here, "breaks", "--list", *chosen, where=tmp_path / "empty")
    assert listed.returncode == 0, listed.stderr
    assert "servicemonitor-label" in listed.stdout


def test_the_source_archive_makes_the_same_wheel(wheel: Path, tmp_path: Path) -> None:
    archive = built("build_sdist", tmp_path)
    with tarfile.open(archive) as tar:
        links = [member.name for member in tar.getmembers() if not (member.isfile() or member.isdir())]
        tar.extraction_filter = lambda member, _: member  # Python 3.11.2 has no argument for it
        tar.extractall(tmp_path)
    assert links == []
    here = Path.cwd()
    os.chdir(tmp_path / archive.name.removesuffix(".tar.gz"))
    try:
        again = tmp_path / build_wheel(str(tmp_path))
    finally:
        os.chdir(here)
    assert contents(again) == contents(wheel)


def test_the_wheel_has_the_plugin_and_says_that_it_is_typed(wheel: Path) -> None:
    names = contents(wheel)
    fixtures = {f"platform_e2e/fixtures/{path.name}" for path in (ROOT / "fixtures").glob("*.py")}
    assert fixtures
    assert fixtures <= names.keys()
    assert "platform_e2e/py.typed" in names
    assert not [name for name in names if "sealed-secrets-key" in name]
    assert {name.partition("/")[0] for name in names} == {"platform_e2e", "platform_e2e-0.1.0.dist-info"}
    said = metadata(wheel)
    assert "Framework :: Pytest" in said.get_all("Classifier", [])
    assert "Typing :: Typed" in said.get_all("Classifier", [])
    # Where there is no public repository there is no address to name.
    assert said.get_all("Project-URL") is None


def test_the_wheel_of_programs_is_for_this_platform_and_of_the_same_version(programs_wheel: Path, wheel: Path) -> None:
    platform = sysconfig.get_platform().replace("-", "_").replace(".", "_")
    version = metadata(wheel)["Version"]
    assert programs_wheel.name == f"platform_e2e_programs-{version}-py3-none-{platform}.whl"
    assert metadata(programs_wheel)["Version"] == version
    # It is too large for the public index, and of a platform that this one takes no wheels of.
    assert "Private :: Do Not Upload" in metadata(programs_wheel).get_all("Classifier", [])


def test_the_wheel_of_programs_is_found_where_it_is_installed(
    programs_wheel: Path, wheel: Path, tmp_path: Path
) -> None:
    here = environment(tmp_path / "env", wheel)
    toolchain.unpack(programs_wheel, here.packages)
    (tmp_path / "empty").mkdir()
    (tmp_path / "ask.py").write_text(WHERE_THE_WHEEL_IS)
    asked = here.run("ask", where=tmp_path / "empty", PYTHONPATH=str(tmp_path))
    assert asked.stdout.strip() == str(here.packages / prebuilt.PACKAGE), asked.stderr
    assert (here.packages / prebuilt.PACKAGE / "programs" / "helm").stat().st_mode & 0o777 == 0o755


def test_what_calls_itself_so_in_somebodys_repository_is_not_taken(
    programs_wheel: Path, wheel: Path, tmp_path: Path
) -> None:
    here = environment(tmp_path / "env", wheel)
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    toolchain.unpack(programs_wheel, theirs)
    (theirs / "ask.py").write_text(WHERE_THE_WHEEL_IS)
    asked = here.run("ask", where=theirs, PYTHONPATH=str(theirs), PYTHONSAFEPATH="")
    assert asked.stdout.strip() == "None", asked.stderr


def test_without_a_package_no_wheel_of_programs_is_built(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="must name the directory of the package, got nothing"):
        of_programs(None, tmp_path)


def test_the_wheel_is_looked_for_beside_the_package_first() -> None:
    assert prebuilt.places()[0] == paths.ROOT
