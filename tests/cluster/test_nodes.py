from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
import testinfra.backend

from platform_e2e import shell
from platform_e2e.cluster import cgroups, nodes
from platform_e2e.cluster import nodes as backend
from platform_e2e.cluster.nodes import NoSuchNode
from platform_e2e.cluster.provider import NodeFacts

IDS = {11: ["11", "1"], 12: ["12", "7"], 13: ["13", "40", "1"]}
"""A node's process 1, one of its programs, and the process 1 of a container in it."""


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Let a node of these processes run, and return the command lines that are started."""
    started: list[list[str]] = []

    def run(argv: Sequence[str], **_: Any) -> shell.Completed:
        started.append(list(argv))
        return shell.Completed(tuple(argv), 3, "out", "err", 0.0)

    monkeypatch.setattr(cgroups, "processes", lambda _all, *where: set(IDS) if where == ("c", "n1") else set())
    monkeypatch.setattr(backend, "_ids", IDS.get)
    monkeypatch.setattr(backend, "run", run)
    return started


def test_a_command_runs_in_the_namespaces_of_the_nodes_first_process(asked: list[list[str]]) -> None:
    done = nodes.host(NodeFacts("n1", "10.89.0.2", "embedded://n1@c")).run("ls %s", "a b")
    (argv,) = asked
    assert argv[:2] == ["nsenter", "--target=11"]
    assert argv[-3:] == ["/bin/sh", "-c", "ls 'a b'"]
    assert (done.rc, done.stdout, done.stderr) == (3, "out", "err")


def test_nothing_of_the_callers_environment_reaches_the_node(asked: list[list[str]]) -> None:
    nodes.host(NodeFacts("n1", "10.89.0.2", "embedded://n1@c")).run("true")
    assert asked[0][asked[0].index("--") :][:3] == ["--", "env", "-i"]


def test_a_node_that_does_not_run_is_named(asked: list[list[str]]) -> None:
    with pytest.raises(NoSuchNode, match=r"node n2 of cluster c does not run\n.*cluster -- list"):
        nodes.host(NodeFacts("n2", "10.89.0.3", "embedded://n2@c")).run("true")
    assert asked == []


def test_testinfra_knows_the_scheme() -> None:
    assert testinfra.backend.get_backend_class("embedded") is backend.EmbeddedBackend
