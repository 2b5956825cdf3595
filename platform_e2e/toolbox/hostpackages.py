"""Packages of the host: util-linux, and to make a root file system mmdebstrap with Debian's archive keys.

No other package is ever installed.

containerd, runc, CNI plugins and iptables are in the nodes' root file system, so that the user's own stay in place and no
service is started.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Callable, Mapping
from pathlib import Path

from platform_e2e.errors import BrokenHarness
from platform_e2e.shell import CommandError, run, which
from platform_e2e.timeline import Timeline
from platform_e2e.toolbox import cache, debian, rootfs

PHASE = "host"

PACKAGES: Mapping[str, Callable[[], bool]] = {
    "mmdebstrap": lambda: which("mmdebstrap") is not None and Path("/usr/share/mmdebstrap/hooks/merged-usr").is_dir(),
    "debian-archive-keyring": lambda: any(path.is_file() for path in debian.KEYRINGS),
    "util-linux": lambda: all(which(program) is not None for program in ("unshare", "nsenter", "setpriv", "mount")),
}
"""Debian's name of each package, and a check that its needed parts exist, from whichever source they were installed."""

FOR_ROOTFS = frozenset({"mmdebstrap", "debian-archive-keyring"})
"""Packages that are needed only while neither the cache nor the installed wheel has every root file system."""

INSTALL_SECONDS = 600.0
"""Timeout for fetching and installing 2 MB of packages, and for another apt to end."""


class MissingPackages(BrokenHarness):
    """The host lacks packages that were not installed."""


def missing() -> list[str]:
    """Return the names of the missing packages, without changing anything."""
    absent = [package for package, present in PACKAGES.items() if not present()]
    return absent if FOR_ROOTFS.isdisjoint(absent) or rootfs.to_make() else sorted(set(absent) - FOR_ROOTFS)


def command(packages: list[str]) -> list[str]:
    """Return the one command that installs the packages, as a person would type it."""
    return ["apt-get", "install", "--no-install-recommends", *packages]


def can_install() -> bool:
    """Tell whether `install_or_explain` may install: root on a distribution of Debian's family."""
    is_debian = "debian" in debian.family(debian.os_release())
    return hasattr(os, "geteuid") and os.geteuid() == 0 and is_debian and which("apt-get") is not None


def install_or_explain(timeline: Timeline) -> list[str]:
    """Install the missing packages where that is safe, else say which command installs them.

    Args:
        timeline: shows what is installed.

    Returns:
        The packages that were installed; empty when nothing was missing.

    Raises:
        MissingPackages: this is not root or not Debian's family; or apt does not know the packages; or it would remove
            others. The text lists all that is missing and the one command.
    """
    absent = missing()
    if not absent:
        return []
    typed = shlex.join(command(absent))
    listed = ", ".join(absent)
    if not can_install():
        raise MissingPackages(
            f"this host lacks {listed}",
            f"as root: {typed} (on other distributions: the packages of the same names)",
        )
    with cache.held("host-packages", phase=PHASE, timeline=timeline):
        absent = missing()
        if not absent:
            return []
        removed = _would_remove(absent)
        if removed:
            raise MissingPackages(
                f"this host lacks {listed}, and installing them would remove {', '.join(removed)}; nothing was changed",
                f"decide yourself: {typed}",
            )
        timeline.progress(PHASE, f"installs {', '.join(absent)}: {typed}")
        _apt(["install", "--yes", "--no-remove", "--no-install-recommends", *absent], typed)
    left = missing()
    if left:
        raise MissingPackages(f"this host lacks {', '.join(left)} also after `{typed}`", f"see what `{typed}` says")
    return absent


def _would_remove(packages: list[str]) -> list[str]:
    """Return the packages that apt would remove; fetches apt's lists first if they lack one of ours."""
    typed = shlex.join(command(packages))
    arguments = ["--simulate", "install", "--no-install-recommends", *packages]
    try:
        simulated = _apt(arguments, typed)
    except MissingPackages:
        _apt(["update"], "apt-get update")
        simulated = _apt(arguments, typed)
    return removals(simulated)


def removals(simulated: str) -> list[str]:
    """Return the packages that the output of `apt-get --simulate` marks for removal."""
    return re.findall(r"(?m)^(?:Remv|Purg) (\S+)", simulated)


def _apt(arguments: list[str], typed: str) -> str:
    try:
        return run(
            ["apt-get", "-o", "DPkg::Lock::Timeout=120", *arguments],
            timeout=INSTALL_SECONDS,
            env={"DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8"},
        ).stdout
    except CommandError as error:
        raise MissingPackages(
            f"packages that this host lacks were not installed:\n  {error.problem}", f"try: {typed}"
        ) from error
