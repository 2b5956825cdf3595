"""What Python on macOS lacks of Linux, taken away from a process: `import tests.fakes.mac` before anything else.

It is no macOS: what it shows is that nothing on the way asks for what only Linux has.
"""

from __future__ import annotations

import builtins
import importlib.abc
import io
import os
import platform
import signal
import socket
import sys
import zoneinfo  # noqa: F401 - asks for how Python was built, which is only there for this system
from types import ModuleType
from typing import Any, NoReturn

LINUX_ONLY = ("pyroute2", "netns")
"""Distributions that cannot be imported there."""

LACKING: tuple[tuple[Any, tuple[str, ...]], ...] = (
    (socket, ("AF_PACKET", "AF_NETLINK", "SO_PEERCRED")),
    (os, ("pidfd_open", "memfd_create", "setns", "unshare", "eventfd", "sched_getaffinity", "getrandom", "splice")),
    (signal, ("pidfd_send_signal",)),
)


class _NotThere(importlib.abc.MetaPathFinder):
    def find_spec(self, name: str, *_: object) -> None:
        if name.partition(".")[0] in LINUX_ONLY:
            raise ImportError(f"{name} is for Linux")


def _without_proc(real: Any) -> Any:
    def opened(path: Any, *args: Any, **options: Any) -> Any:
        if str(path).startswith(("/proc", "/sys")):
            raise FileNotFoundError(2, "No such file or directory", str(path))
        return real(path, *args, **options)

    return opened


def become() -> None:
    """Be a Mac from here on."""
    sys.platform = "darwin"
    sys.meta_path.insert(0, _NotThere())
    for module, names in LACKING:
        for name in names:
            if hasattr(module, name):
                delattr(module, name)
    for module, name in (
        (builtins, "open"),
        (io, "open"),
        (os, "listdir"),
        (os, "scandir"),
        (os, "stat"),
        (os, "readlink"),
    ):
        setattr(module, name, _without_proc(getattr(module, name)))
    platform.system = lambda: "Darwin"
    platform.machine = lambda: "arm64"


def refuse(*_: object, **__: object) -> NoReturn:
    """Stand for what is not called on a Mac."""
    raise AssertionError("this is for Linux")


sys.modules["_scproxy"] = ModuleType("_scproxy")
"""Of urllib, on macOS only: the settings of its proxies."""
sys.modules["_scproxy"].__dict__.update(_get_proxy_settings=dict, _get_proxies=dict)
become()
