"""What only a node itself knows: addresses, routes, neighbours, kube-proxy's rules, disk, memory."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

COMMANDS = (
    ("addresses", "ip address show"),
    ("routes", "ip route show table all"),
    ("neighbours", "ip neighbour show"),
    ("disk", "df -h"),
    ("inodes", "df -i"),
    ("memory", "head -n 5 /proc/meminfo"),
    ("pressure", "head /proc/pressure/cpu /proc/pressure/memory /proc/pressure/io"),
    ("load", "cat /proc/loadavg"),
    ("kubelet's log", "journalctl --no-pager -n 300 -u kubelet"),
    ("containerd's log", "journalctl --no-pager -n 300 -u containerd"),
)
"""What is asked and how; where a node lacks the program its answer says so. Embedded nodes have their logs on the host."""

RULES = "iptables-save -t nat"
"""kube-proxy in its iptables mode has its rules in this table."""

_CHAIN = re.compile(r"KUBE-(?:SVC|EXT|SEP|FW|XLB)-[A-Z0-9]+")


def facts(host: Any, services: Iterable[str]) -> str:
    """Return what a node says of itself, a heading before each answer.

    Args:
        host: testinfra's host of the node.
        services: `namespace/name` of those with the rules that are wanted.
    """
    parts = []
    for title, command in COMMANDS:
        done = host.run(command)
        if done.rc == 127 and "log" in title:
            continue  # no systemd; the provider keeps that log
        said = done.stdout if done.rc == 0 else f"{done.stdout}{done.stderr.strip()} (status {done.rc})\n"
        parts.append(f"=== {title}: {command}\n{said}")
    done = host.run(RULES)
    found = rules(done.stdout, services) if done.rc == 0 else f"{done.stderr.strip()} (status {done.rc})\n"
    parts.append(f"=== rules of kube-proxy for the Services involved: {RULES}\n{found}")
    return "\n".join(parts)


def rules(saved: str, services: Iterable[str]) -> str:
    """Return the rules for some Services: those that name them, and the chains that these lead to.

    Args:
        saved: what iptables-save prints.
        services: `namespace/name`.
    """
    lines = [line for line in saved.splitlines() if line.startswith("-A")]
    names = [re.compile(rf'"{re.escape(service)}(?:[:" ]|$)') for service in services]
    wanted: set[str] = set()
    kept = {line for line in lines if any(name.search(line) for name in names)}
    for line in kept:
        wanted.update(_CHAIN.findall(line))
    for _ in range(3):  # KUBE-EXT leads to KUBE-SVC leads to KUBE-SEP
        new = {line for line in lines if (words := line.split()) and words[1] in wanted} - kept
        kept |= new
        wanted.update(chain for line in new for chain in _CHAIN.findall(line))
    return "".join(line + "\n" for line in lines if line in kept) or "none\n"
