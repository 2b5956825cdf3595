"""Collect the content of the wheel `platform-e2e-programs`; `nox -s programs-wheel` builds the wheel from it.

The wheel holds what a first run would compile or fetch, see `platform_e2e.toolbox.prebuilt`: programs with k3d, root
file systems, pieces of Go modules. `.ci/programs-wheel/` has the wheel's metadata.
"""

from __future__ import annotations

import re
import sys
import tarfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from platform_e2e import paths
from platform_e2e.cluster.k3d import binary, versions
from platform_e2e.errors import BrokenHarness, HarnessError, WrongUsage
from platform_e2e.shell import run
from platform_e2e.timeline import Timeline
from platform_e2e.toolbox import gomod, modules, prebuilt, programs, rootfs, toolchain
from platform_e2e.toolbox.prebuilt import Prebuilt

LICENCE = re.compile(r"(?i)^(licen[cs]e|copying|copyright|notice|patents)")
"""File names of licences."""

LICENCES = "LICENSES-OF-GO-MODULES.txt"

ABOUT = '"""What platform-e2e would compile and fetch on this platform; platform-e2e finds it by itself; it is not for import."""\n'


class Printed(Timeline):
    """A timeline that prints each step; a build of 20 minutes must not be silent."""

    def __init__(self) -> None:
        """Write no file."""
        super().__init__(None)
        self._last = ""

    def progress(self, name: str, text: str) -> None:
        """Print one line for each new step; texts of one step differ only in their numbers."""
        step = re.sub(r"\d+", "", text)
        if step != self._last:
            sys.stdout.write(f"{name}: {text}\n")
            sys.stdout.flush()
        self._last = step


def pack(directory: Path, version: str, timeline: Timeline) -> Prebuilt:
    """Make the wheel's package, building what the cache lacks.

    Args:
        directory: the package to make.
        version: the version of the wheel.
        timeline: shows the progress.

    Raises:
        WrongUsage: the directory exists.
        BrokenHarness: a build fails, or an earlier wheel is installed here.
    """
    if directory.exists():
        raise WrongUsage(f"{directory} must not exist, got one that does", "name another directory, or remove it")
    installed = prebuilt.find()
    if installed is not None:
        raise BrokenHarness(
            f"{installed} must not be installed where a new one is made, got it in {installed.directory}",
            f"pip uninstall {prebuilt.DISTRIBUTION}",
        )
    built = programs.ensure(timeline, [program.name for program in programs.table()])
    k3d = binary.own(timeline).path
    roots = rootfs.get_all(list(rootfs.KINDS), timeline)
    go = toolchain.choose().version
    keys = {**built.keys, "k3d": binary.key(versions.MODULE, binary.target(), go)}
    (directory / "programs").mkdir(parents=True)
    (directory / "rootfs").mkdir()
    (directory / "__init__.py").write_text(ABOUT)
    files = {**{name: built.path(name) for name in built.keys}, "k3d": k3d}
    for name, path in files.items():
        prebuilt.take(path, directory / "programs" / name)
    for kind, made in roots.items():
        timeline.progress("wheel", f"packs the root file system {kind}")
        _pack_root(made, Prebuilt.archive(directory, kind))
    place = Prebuilt.modules(directory)
    modules.copy_all(programs.module_directory, lambda name: place / gomod.read().module(name).directory)
    timeline.progress("wheel", "collects the licences")
    (directory / LICENCES).write_text(licences(files.values(), timeline))
    packed = Prebuilt(directory, version, go, keys, {kind: rootfs.key(kind) for kind in roots}, modules.key())
    packed.write()
    return packed


def _pack_root(made: rootfs.Rootfs, archive: Path) -> None:
    """Write a root file system of the cache as an archive.

    Raises:
        BrokenHarness: the licence texts of its packages are missing.
    """
    entry = made.path.parent
    if not (entry / rootfs.COPYRIGHT).is_file():
        # An earlier version made it; the wheel may be passed on only with the licence texts.
        raise BrokenHarness(f"{entry} must have {rootfs.COPYRIGHT}, got one without", f"remove {entry.parent}")
    with tarfile.open(archive, "w:xz", format=tarfile.PAX_FORMAT) as tar:
        for path in sorted(entry.iterdir()):
            tar.add(path, arcname=path.name, filter=_of_nobody)


def _of_nobody(info: tarfile.TarInfo) -> tarfile.TarInfo:
    """Keep owners as numbers only: their names belong to this host."""
    info.uname = info.gname = ""
    return info


def licences(files: Iterable[Path], timeline: Timeline) -> str:
    """Return the licences of all Go modules that are linked into programs, each text once.

    Raises:
        BrokenHarness: a module's source is missing, or has no licence.
    """
    go = toolchain.choose().command(timeline)
    linked = {found for path in files for found in linked_modules(run([go, "version", "-m", path], timeout=60).stdout)}
    root = Path(run([go, "env", "GOROOT"], timeout=60).stdout.strip())
    return texts({"go": root, **{name: paths.cache() / "go" / "mod" / name for name in sorted(linked)}})


def linked_modules(said: str) -> set[str]:
    """Return the modules in the output of `go version -m PROGRAM`, as directories of a module cache, replacements applied."""
    found: list[gomod.Module] = []
    for line in said.splitlines():
        words = line.split()
        if words[:1] == ["dep"]:
            found.append(gomod.Module(words[1], words[2]))
        elif words[:1] == ["=>"]:
            found[-1] = gomod.Module(words[1], words[2])
    return {module.directory for module in found}


def texts(sources: Mapping[str, Path]) -> str:
    """Return the texts of licences, each with the names of those that have it.

    Args:
        sources: for each name the directory of its source.

    Raises:
        BrokenHarness: a source has no licence.
    """
    found: dict[str, list[str]] = {}
    for name, directory in sources.items():
        listed = sorted(directory.iterdir()) if directory.is_dir() else ()
        files = [path for path in listed if path.is_file() and LICENCE.match(path.name)]
        if not files:
            raise BrokenHarness(
                f"{directory} must have a file with the licence, got none",
                f"see whether {name} may be passed on, and where it says so; then mend {__name__}.LICENCE",
            )
        for path in files:
            found.setdefault(path.read_text(encoding="utf-8", errors="replace").strip(), []).append(name)
    return "\n".join(f"==== {', '.join(names)}\n\n{text}\n" for text, names in found.items())


def main(words: Sequence[str]) -> int:
    """Make the package in the directory of the first argument, for the version of the second one."""
    try:
        directory, version = words
        made = pack(Path(directory), version, Printed())
    except HarnessError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    size = sum(path.stat().st_size for path in made.directory.rglob("*") if path.is_file())
    sys.stdout.write(f"{made.directory}: {len(made.programs)} programs, {size >> 20} MiB\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
