"""A layer that is hostile, rendered by the real programs: it runs, reads, reaches and takes nothing of this host."""

from __future__ import annotations

import contextlib
import os
import secrets
import socket
import stat
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from confinement.conftest import URL, Stranger, application
from platform_e2e.layer import argocd_render
from platform_e2e.layer.argocd_render import Bounds
from platform_e2e.layer.renderer import Reason, Rendering

SOUND = {"sound/configmap.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: sound}\n"}
"""An Application that is to be rendered beside the hostile one."""

CHART = {"chart/Chart.yaml": "apiVersion: v2\nname: chart\nversion: 1.0.0\n"}


UP = "../" * 20
"""More than there are directories above any copy."""


@pytest.fixture
def everything_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every option of kustomize pass, so that only the confinement is left."""
    monkeypatch.setattr(argocd_render, "allowed_options", lambda text: (text, ()))


@pytest.fixture
def sentinel(tmp_path: Path) -> Path:
    """Return a file of this host that every user can read, beside the layer."""
    for above in (tmp_path, *tmp_path.parents):
        with contextlib.suppress(PermissionError):
            if above.stat().st_uid == os.geteuid() and above != Path("/"):
                above.chmod(above.stat().st_mode | stat.S_IXGRP | stat.S_IXOTH)
    path = tmp_path / "sentinel"
    path.write_text(secrets.token_hex(16))
    return path


def leaked(found: list[Rendering], sentinel: Path) -> bool:
    """Tell whether the content of a file of this host, or that of its accounts, is in what a layer became or was told."""
    return sentinel.read_text() in str(found) or "root:x:0:0" in str(found)


PROGRAM = """
    #!/bin/sh
    touch {marker}
    exec cat
"""


def program(stranger: Stranger, marker: Path) -> None:
    """Put a program into the layer that leaves a mark on this host."""
    stranger.write({"exec/run.sh": PROGRAM.format(marker=marker)})
    (stranger.root / "exec" / "run.sh").chmod(0o755)


FUNCTION = """
    apiVersion: example.org/v1
    kind: Stranger
    metadata:
      name: stranger
      annotations:
        config.kubernetes.io/function: |
          exec:
            path: ./run.sh
"""


@pytest.mark.parametrize(
    "options", ["--enable-alpha-plugins --enable-exec", "--enable-alpha-plugins --enable-exec --network"]
)
@pytest.mark.parametrize("passes", [False, True])
def test_a_plugin_of_kustomize_runs_nothing(
    stranger: Stranger, tmp_path: Path, options: str, request: pytest.FixtureRequest, *, passes: bool
) -> None:
    if passes:
        request.getfixturevalue("everything_passes")
    marker = tmp_path / "marker"
    program(stranger, marker)
    stranger.write(
        {"exec/kustomization.yaml": "generators: [function.yaml]\n", "exec/function.yaml": FUNCTION, **SOUND}
    )
    hostile, sound = stranger.render(application("exec"), application("sound"), options=options)
    assert not marker.exists()
    assert hostile.problem is not None
    assert hostile.problem.reason == Reason.RENDER
    assert [each["metadata"]["name"] for each in sound.sources[0].objects] == ["sound"]


@pytest.mark.parametrize("passes", [False, True])
def test_a_helm_command_of_kustomize_runs_nothing(
    stranger: Stranger, tmp_path: Path, request: pytest.FixtureRequest, *, passes: bool
) -> None:
    if passes:
        request.getfixturevalue("everything_passes")
    marker = tmp_path / "marker"
    program(stranger, marker)
    stranger.write({"exec/kustomization.yaml": "helmCharts: [{name: chart}]\nhelmGlobals: {chartHome: .}\n"})
    stranger.write({f"exec/{name}": text for name, text in CHART.items()})
    # The path that it would have in the user's own tree, in the copy, and beside the kustomization.
    for command in (stranger.root / "exec/run.sh", "/repositories/0/exec/run.sh", "./run.sh"):
        stranger.render(application("exec"), options=f"--enable-helm --helm-command {command}")
        assert not marker.exists()


@pytest.mark.parametrize("path", ["/etc/passwd", f"{UP}etc/passwd", "{sentinel}", "../../sentinel"])
def test_kustomize_without_restrictions_reads_the_copy_only(stranger: Stranger, sentinel: Path, path: str) -> None:
    named = path.format(sentinel=sentinel)
    stranger.write(
        {
            "read/kustomization.yaml": f"configMapGenerator: [{{name: read, files: ['leak={named}']}}]\n",
            "within/kustomization.yaml": "configMapGenerator: [{name: read, files: [../sound/configmap.yaml]}]\n",
            **SOUND,
        }
    )
    options = "--load-restrictor LoadRestrictionsNone"
    hostile, within = stranger.render(application("read"), application("within"), options=options)
    assert not leaked([hostile], sentinel)
    assert hostile.problem is not None
    assert within.sources[0].objects[0]["data"].keys() == {"configmap.yaml"}, (
        "another directory of the layer is no secret"
    )


@pytest.mark.parametrize("target", ["{sentinel}", "../../sentinel", "/etc/passwd"])
def test_a_chart_reads_no_file_through_a_link(stranger: Stranger, sentinel: Path, target: str) -> None:
    text = 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: read}\ndata: {leak: {{ .Files.Get "leak" | quote }}}\n'
    stranger.write({**CHART, "chart/templates/read.yaml": text, **SOUND})
    (stranger.root / "chart" / "leak").symlink_to(target.format(sentinel=sentinel))
    found = stranger.render(application("chart"), application("sound"))
    assert not leaked(found, sentinel)
    # As Argo CD does, which takes nothing of such a repository.
    assert [(each.problem.reason, each.problem.text) for each in found if each.problem] == [
        (Reason.LINK, "chart/leak")
    ] * 2


def test_a_link_out_of_a_repository_is_refused_and_one_within_is_not(stranger: Stranger, sentinel: Path) -> None:
    stranger.write({**SOUND, "same/kustomization.yaml": "resources: [link.yaml]\n"})
    (stranger.root / "same" / "link.yaml").symlink_to("../sound/configmap.yaml")
    (rendered,) = stranger.render(application("same"), options="--load-restrictor=LoadRestrictionsNone")
    assert [each["metadata"]["name"] for each in rendered.sources[0].objects] == ["sound"]
    (stranger.root / "sound" / "leak.yaml").symlink_to(sentinel)
    (refused,) = stranger.render(application("sound"))
    assert refused.problem is not None
    assert (refused.problem.reason, refused.problem.text) == (Reason.LINK, "sound/leak.yaml")


@pytest.mark.parametrize("path", ["/etc/passwd", "{sentinel}", f"{UP}etc/passwd"])
@pytest.mark.parametrize("how", ["import", "importstr"])
def test_a_jsonnet_imports_no_file_of_this_host(stranger: Stranger, sentinel: Path, path: str, how: str) -> None:
    named = path.format(sentinel=sentinel)
    text = f"{{apiVersion: 'v1', kind: 'ConfigMap', metadata: {{name: 'read'}}, data: {{leak: {how} '{named}'}}}}\n"
    stranger.write({"read/read.jsonnet": text})
    found = stranger.render(application("read"))
    assert not leaked(found, sentinel)
    assert found[0].problem is not None


@dataclass
class Listener:
    """A server on this host's loopback interface that counts who comes."""

    port: int
    came: list[str] = field(default_factory=list)


@pytest.fixture
def listener() -> Iterator[Listener]:
    """Yield a server that answers nobody."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        found = Listener(server.getsockname()[1])

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connection, address = server.accept()
                    found.came.append(str(address))
                    connection.close()

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield found
        server.shutdown(socket.SHUT_RDWR)
        thread.join(5)


def test_a_dependency_a_remote_base_and_values_reach_no_network(stranger: Stranger, listener: Listener) -> None:
    there = f"http://127.0.0.1:{listener.port}"
    dependency = f"dependencies: [{{name: other, version: 1.0.0, repository: {there}}}]\n"
    stranger.write(
        {
            **CHART,
            "chart/templates/none.yaml": "# nothing\n",
            "needy/Chart.yaml": f"apiVersion: v2\nname: needy\nversion: 1.0.0\n{dependency}",
            "base/kustomization.yaml": f"resources: [{there}/all.yaml]\n",
            "git/kustomization.yaml": f"resources: ['{there}/repository.git//base?ref=main']\n",
            "pull/kustomization.yaml": f"helmCharts: [{{name: other, version: 1.0.0, repo: '{there}'}}]\n",
            **SOUND,
        }
    )
    values = application("chart", helm={"valueFiles": [f"{there}/values.yaml"]})
    *hostile, sound = stranger.render(
        *map(application, ("needy", "base", "git", "pull")), values, application("sound"), options="--enable-helm"
    )
    assert listener.came == []
    reasons = [each.problem.reason for each in hostile if each.problem]
    assert reasons == [Reason.CHART, Reason.REPOSITORY, Reason.REPOSITORY, Reason.CHART, Reason.REPOSITORY]
    assert sound.problem is None


def test_a_template_that_takes_all_memory_is_the_only_one_that_is_missing(stranger: Stranger) -> None:
    stranger.write({**CHART, "chart/templates/large.yaml": 'a: {{ repeat 4294967296 "x" | len }}\n', **SOUND})
    stranger.write({"wide/wide.jsonnet": "{a: std.length(std.makeArray(3e8, function(i) i))}\n"})
    objects = [application(path) for path in ("sound", "chart", "sound", "wide", "sound")]
    found = stranger.render(*objects)
    assert [each.problem and each.problem.reason for each in found] == [None, Reason.MEMORY, None, Reason.MEMORY, None]


def test_one_that_never_ends_is_the_only_one_that_is_missing(stranger: Stranger) -> None:
    endless = "{{ range until 1000000 }}{{ range until 1000000 }}{{ end }}{{ end }}"
    stranger.write({**CHART, "chart/templates/endless.yaml": f"{endless}\n", **SOUND})
    stranger.write({"loop/loop.jsonnet": "local f(n) = if n < 2 then n else f(n - 1) + f(n - 2); {a: f(90)}\n"})
    objects = [application(path) for path in ("sound", "chart", "sound", "loop", "sound")]
    found = stranger.render(*objects, bounds=Bounds(seconds=8))
    assert [each.problem and each.problem.reason for each in found] == [None, Reason.TIME, None, Reason.TIME, None]


def test_no_variable_of_this_host_is_seen(stranger: Stranger, monkeypatch: pytest.MonkeyPatch) -> None:
    value = secrets.token_hex(16)
    monkeypatch.setenv("HOST_SECRET", value)
    monkeypatch.setenv("ARGOCD_HOST_SECRET", value)
    names = "HOST_SECRET\nARGOCD_HOST_SECRET\nHOME\nPATH\nUSER\nPLATFORM_E2E_CACHE\n"
    stranger.write(
        {"env/kustomization.yaml": "configMapGenerator: [{name: seen, envs: [names]}]\n", "env/names": names}
    )
    text = 'a: {{ env "HOST_SECRET" }}{{ expandenv "$HOST_SECRET" }}\n'
    stranger.write({**CHART, "chart/templates/env.yaml": text})
    (seen, chart) = stranger.render(application("env"), application("chart"))
    data = seen.sources[0].objects[0]["data"]
    assert set(data.values()) == {""}
    assert chart.problem is not None
    assert value not in str([seen, chart])


def test_an_applicationset_sees_no_variable_and_no_file(stranger: Stranger, sentinel: Path) -> None:
    template = {
        "metadata": {"name": "made-{{ env `HOST_SECRET` }}"},
        "spec": {**application("sound")["spec"]},
    }
    there = {"git": {"repoURL": URL, "revision": "HEAD", "files": [{"path": str(sentinel)}, {"path": "../sentinel"}]}}
    made = {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "ApplicationSet",
        "metadata": {"name": "set", "namespace": "argocd"},
        "spec": {"goTemplate": True, "generators": [{"list": {"elements": [{"a": "b"}]}}], "template": template},
    }
    stranger.write(SOUND)
    found = stranger.render(made, {**made, "spec": {**made["spec"], "generators": [there]}})  # type: ignore[dict-item]
    assert not leaked(found, sentinel)
    assert all(each.problem for each in found)
