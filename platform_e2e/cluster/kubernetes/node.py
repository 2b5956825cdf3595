"""A node: its directories, and the configuration of the launcher (`programs/cmd/node`) that becomes its process 1."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from platform_e2e.cluster import cgroups
from platform_e2e.cluster.cgroups import Hierarchy
from platform_e2e.cluster.kubernetes import controlplane
from platform_e2e.cluster.network.addressing import Plan

PROGRAMS = "/opt/platform-e2e"
"""The read-only directory of the built programs in a node."""

PATH = f"{PROGRAMS}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

CONTAINERD_SOCKET = "/run/containerd/containerd.sock"

STAND_INS_SOCKET = "/run/platform-e2e/runtime.sock"
"""Where the kubelet finds the program that puts stand-ins between it and containerd."""

LOGS = "/var/log"
"""The node's logs: its programs' as NAME.log, its pods' under pods/. It lies in the cluster's directory."""

DEVICES = ("null", "zero", "full", "random", "urandom", "tty", "kmsg", "fuse")
"""The devices of every container runtime, and kmsg, from which the kubelet learns of processes killed when memory ran out."""


@dataclass(frozen=True)
class Node:
    """The name, number and directories of a node.

    Attributes:
        name: its host name and the name of its Node object.
        number: its index in the plan; 0 is the server, which also runs the control plane.
        directory: its directory on this host, with `upper`, `work`, `root`, `containerd`, `kubelet` and `etcd`.
        logs: its directory of logs on this host.
    """

    name: str
    number: int
    directory: Path
    logs: Path

    @property
    def is_server(self) -> bool:
        """Tell whether the control plane runs on it."""
        return self.number == 0

    @property
    def config(self) -> Path:
        """Return the launcher's configuration."""
        return self.directory / "node.json"

    def make_directories(self) -> None:
        """Make the directories that are mounted into the node; `containerd` is made with the images in it."""
        for name in ("upper", "work", "root", "kubelet", "etcd"):
            (self.directory / name).mkdir(parents=True, exist_ok=True)
        self.logs.mkdir(parents=True, exist_ok=True)


def launcher(
    node: Node,
    plan: Plan,
    hierarchies: Sequence[Hierarchy],
    *,
    rootfs: Path,
    programs: Path,
    stand_ins: Sequence[str] = (),
) -> dict[str, Any]:
    """Return the launcher's configuration for a node in private namespaces of this host.

    Args:
        node: the node.
        plan: the cluster's addresses.
        hierarchies: the host's cgroups.
        rootfs: the root file system that all nodes share, read-only.
        programs: directory of the built programs.
        stand_ins: the options of the program that puts stand-ins in the place of containers; empty for none.
    """
    cgroup_mounts, cgroup_links = cgroups.mounts(hierarchies)
    here = node.directory
    overlay = [f"lowerdir={rootfs}", f"upperdir={here / 'upper'}", f"workdir={here / 'work'}"]
    quiet = ["nosuid", "nodev"]
    return {
        "root": str(here / "root"),
        "mounts": [
            mount("overlay", "/", overlay, source="overlay"),
            mount("proc", "/proc", [*quiet, "noexec"]),
            mount("sysfs", "/sys", [*quiet, "noexec"]),
            *cgroup_mounts,
            mount("tmpfs", "/dev", ["nosuid", "mode=755"]),
            mount("devpts", "/dev/pts", ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=620", "gid=5"]),
            mount("tmpfs", "/dev/shm", [*quiet, "mode=1777"]),  # noqa: S108 - in the node, not on this host
            mount("mqueue", "/dev/mqueue", [*quiet, "noexec"]),
            mount("tmpfs", "/run", [*quiet, "mode=755"]),
            mount("tmpfs", "/tmp", [*quiet, "mode=1777"]),  # noqa: S108 - the same
            mount("bind", PROGRAMS, ["ro", "nodev"], source=programs),
            mount("bind", LOGS, source=node.logs),
            # The overlay cannot carry the overlays of containers.
            mount("bind", "/var/lib/containerd", source=here / "containerd"),
            mount("bind", "/var/lib/kubelet", source=here / "kubelet"),
            *([mount("bind", "/var/lib/etcd", source=here / "etcd")] if node.is_server else []),
        ],
        "devices": list(DEVICES),
        "links": {
            "/dev/fd": "/proc/self/fd",
            "/dev/stdin": "/proc/self/fd/0",
            "/dev/stdout": "/proc/self/fd/1",
            "/dev/stderr": "/proc/self/fd/2",
            "/dev/ptmx": "pts/ptmx",
            **cgroup_links,
        },
        "delegate": cgroups.delegated(hierarchies),
        **inside(node, plan, stand_ins=stand_ins),
    }


def inside(node: Node, plan: Plan, *, contained: bool = False, stand_ins: Sequence[str] = ()) -> dict[str, Any]:
    """Return the part of the launcher's configuration that does not depend on how the node is isolated from the host.

    Args:
        node: the node.
        plan: the cluster's addresses.
        contained: whether the node is a container: then its runtime sets the host name, and an address that is known only
            when it runs.
        stand_ins: as in `launcher`.
    """
    return {
        "hostname": "" if contained else node.name,
        "sysctls": {
            "net.ipv4.ip_forward": "1",
            "net.bridge.bridge-nf-call-iptables": "1",
        },
        "commands": [
            # Answers to packets that pods send out of the cluster must find their way back: only nodes are known there.
            [
                *("iptables", "-w", "-t", "nat", "-A", "POSTROUTING", "-s", str(plan.pods), "!", "-d", str(plan.pods)),
                *("-m", "comment", "--comment", "pods to outside of the cluster", "-j", "MASQUERADE"),
            ]
        ],
        "programs": [
            {**program, "log": f"{LOGS}/{program['name']}.log"}
            for program in [
                *(controlplane.programs(plan, by_name=contained) if node.is_server else []),
                *_programs(node, plan, contained=contained, stand_ins=stand_ins),
            ]
        ],
    }


def mount(
    kind: str, target: str, options: Sequence[str] = (), *, source: str | Path | None = None
) -> dict[str, object]:
    """Return one mount for the launcher."""
    return {"type": kind, "source": str(source or kind), "target": target, "options": list(options)}


def _programs(node: Node, plan: Plan, *, contained: bool, stand_ins: Sequence[str]) -> list[dict[str, Any]]:
    # Only the server can tell when its API server is ready; elsewhere the kubelet retries.
    after = ["kube-apiserver"] if node.is_server else []
    runtime = ["stand-ins" if stand_ins else "containerd"]
    return [
        {
            "name": "containerd",
            "argv": ["containerd", "--config=/etc/containerd/config.toml"],
            "ready": {"unix": CONTAINERD_SOCKET},
        },
        *(
            [
                {
                    "name": "stand-ins",
                    "argv": [
                        "stand-ins",
                        f"--listen={STAND_INS_SOCKET}",
                        f"--runtime={CONTAINERD_SOCKET}",
                        "--kubeconfig=/etc/kubernetes/kubelet.conf",
                        *stand_ins,
                    ],
                    "ready": {"unix": STAND_INS_SOCKET},
                    "after": ["containerd"],
                }
            ]
            if stand_ins
            else []
        ),
        {
            "name": "kubelet",
            "argv": [
                "kubelet",
                "--config=/etc/kubernetes/kubelet.json",
                f"--hostname-override={node.name}",
                "--kubeconfig=/etc/kubernetes/kubelet.conf",
                # Over the configuration's.
                *([f"--container-runtime-endpoint=unix://{STAND_INS_SOCKET}"] if stand_ins else []),
                # A container's own /etc/hosts gives the kubelet its address.
                *([] if contained else [f"--node-ip={plan.nodes[node.number]}"]),
            ],
            "after": [*runtime, *after],
        },
        {"name": "kube-proxy", "argv": ["kube-proxy", "--config=/etc/kubernetes/kube-proxy.json"], "after": after},
        {
            "name": "kube-router",
            "argv": [
                "kube-router",
                "--kubeconfig=/etc/kubernetes/kube-router.conf",
                f"--node={node.name}",
                f"--services={plan.services}",
            ],
            "after": after,
        },
    ]


def write_config(node: Node, config: Mapping[str, Any]) -> None:
    """Write the launcher's configuration to its path."""
    node.config.write_text(json.dumps(config, indent=1))


def command(node: Node, *, program: Path, network: Path, groups: Sequence[Path], parent: int) -> list[str | Path]:
    """Return the command line that starts a node.

    Args:
        node: the node.
        program: the launcher.
        network: file of the node's network namespace.
        groups: the node's cgroups.
        parent: id of the process that the node must not outlive.
    """
    inside_groups = [word for group in groups for word in ("-cgroup", group)]
    return [program, "enter", "-parent", str(parent), "-network", network, *inside_groups, node.config]
