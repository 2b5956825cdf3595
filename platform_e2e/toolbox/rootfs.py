"""Root file systems of nodes and images, which mmdebstrap unpacks from Debian packages.

A root file system depends on its recipe below and on the package versions that the mirror has at that time;
`packages.txt` beside it lists those. It is made once for each state of the recipe, and stays while it lies in the cache: a
run without network works, and two runs test the same packages. Stable's packages change with point releases and security
fixes; to get newer ones remove `rootfs-*` in the cache directory.

Packages are unpacked, not configured: their scripts do not run, so the result has nothing of the host. It takes 10 seconds,
and this module makes the few files that the scripts would have made.

Where the wheel `platform-e2e-programs` is installed (`prebuilt`), a root file system of the same recipe is unpacked from it.
"""

from __future__ import annotations

import json
import os
import platform
import re
import shlex
import shutil
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import unquote

from platform_e2e import paths
from platform_e2e.errors import BrokenHarness
from platform_e2e.shell import CommandError, run, stream
from platform_e2e.timeline import Timeline
from platform_e2e.toolbox import cache, debian, image_archive, prebuilt

PHASE = "rootfs"

BUILD_SECONDS = 600.0
"""Timeout for one root file system; 8 to 13 seconds were seen, the rest is for slow mirrors."""

REVISION = 2
"""Part of every key: increase it when `_finish` changes its result for the same packages."""

SIDE_BY_SIDE = 2
"""How many are made at once: half of the time goes into waiting for the mirror."""

NOT_NEEDED = (
    "etc/apt",
    "etc/hostname",  # both are copies of the host's own
    "etc/resolv.conf",
    "usr/share/bash-completion",
    "usr/share/bug",
    "usr/share/doc",
    "usr/share/info",
    "usr/share/lintian",
    "usr/share/locale",
    "usr/share/man",
    "var/cache",
    "var/lib/apt",
    "var/lib/dpkg",
    "var/log",
)
"""Removed from every root file system."""


@dataclass(frozen=True)
class RootfsRecipe:
    """A recipe.

    Attributes:
        packages: Debian packages; those they depend on come with them, those they recommend do not.
        users: lines for /etc/passwd in addition to Debian's own.
        without: paths to remove, as patterns below the root.
        python: whether to compile Python's modules, for users who cannot write beside them.
        directory: whether the result stays a directory; else it becomes an image's layer.
    """

    packages: tuple[str, ...]
    users: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    python: bool = False
    directory: bool = False


COPYRIGHT = "copyright.txt"
"""File beside a root file system with its packages' copyright and licence texts, which are removed from it."""

BASE = ("base-files", "base-passwd", "coreutils", "dash")

KINDS = {
    "node": RootfsRecipe(
        packages=(
            *BASE,
            "bash",
            "ca-certificates",
            "conntrack",
            "containerd",
            "containernetworking-plugins",
            "findutils",
            "grep",
            "hostname",
            "iproute2",
            "ipset",
            "iptables",
            "kmod",
            "libc-bin",
            "mount",
            "netbase",
            "procps",
            "runc",
            "sed",
            "util-linux",
        ),
        directory=True,
    ),
    "git": RootfsRecipe(
        packages=(*BASE, "ca-certificates", "git", "grep", "libc-bin", "sed", "tini"),
        users=("argocd:x:999:999::/home/argocd:/bin/sh",),
        # Git's everyday commands are C; its Perl serves mail, Subversion and CVS, and is a third of the size.
        without=("usr/bin/perl*", "usr/share/perl*", "usr/lib/*/perl*", "usr/lib/*/libperl*", "usr/share/gitweb"),
    ),
    "redis": RootfsRecipe(packages=(*BASE, "redis-server"), users=("redis:x:999:999::/data:/bin/sh",)),
    "alertmanager": RootfsRecipe(packages=(*BASE, "prometheus-alertmanager"), without=("usr/bin/amtool",)),
    "chat": RootfsRecipe(packages=(*BASE, "python3", "python3-aiohttp", "python3-prometheus-client"), python=True),
}
"""Every root file system, by name."""


@dataclass(frozen=True)
class Rootfs:
    """A root file system in the cache.

    Attributes:
        kind: the name of its recipe.
        path: its directory, or the tar file of the layer it became.
        digest: the digest of its packages and of the recipe; part of the key of images made from it.
        packages: version of each package in it.
    """

    kind: str
    path: Path
    digest: str
    packages: dict[str, str]


def ensure(kind: str, timeline: Timeline) -> Path:
    """Return a root file system's directory or layer, making it if the cache lacks it; see `get`."""
    return get(kind, timeline).path


def key(kind: str) -> str:
    """Return the key of the root file system of that kind in the cache."""
    recipe = asdict(KINDS[kind])
    return cache.digest(json.dumps([REVISION, debian.SUITE, platform.machine(), NOT_NEEDED, recipe]))


def to_make() -> list[str]:
    """Return the kinds that a run must make from packages because neither the cache nor the installed wheel has them."""
    wheel = prebuilt.find()
    keys = {kind: key(kind) for kind in KINDS}
    return [
        kind
        for kind, made_of in keys.items()
        if not (paths.cache() / f"rootfs-{kind}" / made_of).is_dir() and not (wheel and wheel.root(kind, made_of))
    ]


class Abandoned(BrokenHarness):
    """Another root file system failed, or the run was interrupted, so this one is no longer needed."""


def get(kind: str, timeline: Timeline, stop: threading.Event | None = None) -> Rootfs:
    """Return a root file system and its content, making it if the cache lacks it.

    Args:
        kind: a name in `KINDS`.
        timeline: shows the progress.
        stop: ends the making once it is set.

    Raises:
        NoDebian: the packages cannot be fetched or verified.
        Abandoned: `stop` was set.
        LockBusy: another process has been making it for too long.
    """
    recipe = KINDS[kind]
    made_of = key(kind)

    def make(directory: Path) -> None:
        if os.geteuid() != 0:
            raise BrokenHarness(f"only root can make the root file system {kind}", "run as root")
        wheel = prebuilt.find()
        packed = wheel.root(kind, made_of) if wheel else None
        if packed is not None:
            timeline.progress(PHASE, f"{kind}: comes from {wheel}")
            prebuilt.unpack(packed, directory)
            return
        if wheel is not None:
            timeline.progress(PHASE, f"{kind}: {wheel} has it from another recipe, so it is made here")
        _make(kind, directory, timeline, stop or threading.Event())

    place = cache.entry(f"rootfs-{kind}", made_of, make, phase=PHASE, timeline=timeline)
    listing = place / "packages.txt"
    packages = dict(line.split("\t") for line in listing.read_text().splitlines())
    path = place / ("root" if recipe.directory else "layer.tar")
    return Rootfs(kind, path, cache.digest(made_of, listing), packages)


def get_all(kinds: Sequence[str], timeline: Timeline) -> dict[str, Rootfs]:
    """Return several root file systems, made side by side; errors as `get`."""
    stop = threading.Event()
    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        made = [pool.submit(get, kind, timeline, stop) for kind in kinds]
        try:
            return {kind: future.result() for kind, future in zip(kinds, made, strict=True)}
        except BaseException:
            # Those that have not begun must not begin, and a slow mirror must not delay the end.
            stop.set()
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _make(kind: str, directory: Path, timeline: Timeline, stop: threading.Event) -> None:
    def look() -> None:
        if stop.is_set():
            raise Abandoned(f"the making of the root file system {kind} was stopped")

    look()
    recipe = KINDS[kind]
    root = directory / "root"
    fetched = directory / "packages.txt"
    scratch = directory / "tmp"
    scratch.mkdir()
    # Namespaces of its own: mmdebstrap's children and its mounts below the root always end with it.
    argv: list[str | Path] = ["unshare", "--mount", "--propagation", "private", "--pid", "--fork", "--kill-child"]
    argv += ["--mount-proc", "--", "mmdebstrap", "--mode=root", "--variant=extract", "--architectures", _architecture()]
    argv += ["--hook-dir=/usr/share/mmdebstrap/hooks/merged-usr", "--include", ",".join(recipe.packages)]
    argv += [f"--aptopt={line}" for line in debian.apt_options()]
    argv += [f'--extract-hook=ls "$1/var/cache/apt/archives" > {shlex.quote(str(fetched))}']
    argv += [debian.SUITE, root, f"deb [signed-by={debian.keyring()}] {debian.mirror()} {debian.SUITE} main"]

    def line(text: str) -> None:
        if text.startswith("I: "):
            timeline.progress(PHASE, f"{kind}: {text[3:]}")

    log = cache.log_file(f"rootfs-{kind}")
    try:
        stream(
            argv,
            timeout=BUILD_SECONDS,
            on_line=line,
            on_tick=look,
            log_file=log,
            env={"SOURCE_DATE_EPOCH": str(image_archive.EPOCH), "LC_ALL": "C.UTF-8", "TMPDIR": str(scratch)},
            tied=True,
        )
    except CommandError as error:
        raise _explain(kind, error, log) from error
    cache.remove(scratch)
    versions = package_versions(fetched.read_text().splitlines())
    fetched.write_text("".join(f"{name}\t{version}\n" for name, version in sorted(versions.items())))
    (directory / COPYRIGHT).write_text(_copyright(root))
    _finish(root, recipe)
    if not recipe.directory:
        timeline.progress(PHASE, f"{kind}: writes the layer")
        image_archive.write_tree(directory / "layer.tar", root)
        shutil.rmtree(root)


def _copyright(root: Path) -> str:
    """Return the packages' copyright and licence texts, which must accompany the root file system where it is passed on."""
    found: dict[str, list[str]] = {}
    for path in sorted(root.glob("usr/share/doc/*/copyright")):
        # A package of the same source often has a link to its sibling's directory.
        found.setdefault(path.read_text(encoding="utf-8", errors="replace"), []).append(path.parent.name)
    return "\n".join(f"==== {', '.join(names)}\n\n{text}" for text, names in found.items())


def package_versions(files: Sequence[str]) -> dict[str, str]:
    """Return the version of each package by the names of its .deb files, in which a colon is written %3a."""
    matches = (re.fullmatch(r"([^_]+)_([^_]+)_[^_]+\.deb", name) for name in files)
    return {match[1]: unquote(match[2]) for match in matches if match}


def _architecture() -> str:
    return run(["dpkg", "--print-architecture"], timeout=30).stdout.strip()


def _explain(kind: str, error: CommandError, log: Path) -> debian.NoDebian:
    """Return an error that blames keys or the mirror, as far as apt's messages tell."""
    if re.search(r"NO_PUBKEY|not signed|Missing key|no acceptable signatures", error.output):
        remedy = f"install a newer debian-archive-keyring: this one does not know the keys of {debian.SUITE}"
    elif re.search(r"Could not (resolve|connect)|Failed to fetch|Temporary failure", error.output):
        remedy = f"check that {debian.mirror()} can be reached from here, through apt's proxy if there is one"
    else:
        remedy = f"read {log}"
    return debian.NoDebian(f"the root file system {kind} cannot be made:\n  {error.problem}", remedy)


def _finish(root: Path, recipe: RootfsRecipe) -> None:
    """Remove unneeded files, and make those that the packages' scripts would have made."""
    for pattern in (*NOT_NEEDED, *recipe.without):
        for path in root.glob(pattern):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()
    # A runtime mounts its own /dev.
    shutil.rmtree(root / "dev")
    for name in ("dev", "mnt", "opt", "proc", "run", "srv", "sys", "usr/local/bin", "var/cache", "var/lib", "var/log"):
        (root / name).mkdir(parents=True, exist_ok=True)
    for name in ("tmp", "var/tmp"):
        (root / name).mkdir(exist_ok=True)
        (root / name).chmod(0o1777)
    (root / "etc/hosts").write_text("127.0.0.1 localhost\n::1 localhost\n")
    (root / "etc/resolv.conf").write_text("")
    _accounts(root, recipe.users)
    _certificates(root)
    _links(root)
    if recipe.python:
        # unchecked-hash: the result depends on the source alone, not on its time stamp.
        compiled = ["-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash"]
        library = f"/usr/lib/{(root / 'usr/bin/python3').readlink().name}"
        argv: list[str | Path] = ["chroot", root, "/usr/bin/python3", *compiled, "/usr/lib/python3", library]
        run(argv, timeout=300, env={"PYTHONHASHSEED": "0"})


def _accounts(root: Path, users: Sequence[str]) -> None:
    """Write /etc/passwd and /etc/group: Debian's own, `nonroot` as in distroless images, and the given users."""
    masters = root / "usr/share/base-passwd"
    lines = ("nonroot:x:65532:65532::/home/nonroot:/usr/sbin/nologin", *users)
    groups = [f"{name}:x:{group}:" for name, _, _, group, *_ in (line.split(":") for line in lines)]
    for name, added in (("passwd", lines), ("group", groups)):
        master = (masters / f"{name}.master").read_text()
        (root / "etc" / name).write_text(re.sub(r"(?m)^([^:]+):\*:", r"\1:x:", master) + "\n".join(added) + "\n")
    (root / "etc/nsswitch.conf").write_text("passwd: files\ngroup: files\nhosts: files dns\n")


def _certificates(root: Path) -> None:
    """Join the CA certificates into the one file that programs read."""
    found = sorted((root / "usr/share/ca-certificates").rglob("*.crt"))
    if found:
        bundle = root / "etc/ssl/certs/ca-certificates.crt"
        bundle.parent.mkdir(parents=True, exist_ok=True)
        bundle.write_text("".join(path.read_text().rstrip("\n") + "\n" for path in found))


def _links(root: Path) -> None:
    """Make the links that update-alternatives and the choice of a shell would make."""
    shell = next((name for name in ("bash", "dash") if (root / "usr/bin" / name).exists()), None)
    if shell:
        # bash where it is installed: k3d's entrypoint traps SIGTERM by a name that dash refuses.
        (root / "usr/bin/sh").unlink(missing_ok=True)
        (root / "usr/bin/sh").symlink_to(shell)
    if (root / "usr/bin/mawk").exists():
        (root / "usr/bin/awk").symlink_to("mawk")
    if (root / "usr/sbin/xtables-nft-multi").exists():
        for name in ("iptables", "ip6tables"):
            for ending in ("", "-save", "-restore"):
                (root / f"usr/sbin/{name}{ending}").symlink_to(f"{name}-nft{ending}")
