"""The process that renders: who it is, what it leaves, and that it writes only into its copies."""

from __future__ import annotations

import hashlib
import os
import tarfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from confinement.conftest import Stranger, application
from platform_e2e import paths
from platform_e2e.layer.argocd_render import Bounds
from platform_e2e.layer.renderer import Chart, Reason

linux = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="only Linux has namespaces")


def family(process: int) -> Iterator[int]:
    """Yield a process and all that it has started."""
    yield process
    for listed in Path(f"/proc/{process}/task").glob("*/children"):
        for child in listed.read_text().split():
            yield from family(int(child))


def status(process: int) -> dict[str, str]:
    """Return what the kernel says of a process."""
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


@linux
def test_what_renders_is_nobody_without_any_right_or_network(stranger: Stranger) -> None:
    with stranger.begin() as render:
        assert render.engine.confined == "namespaces"
        *_, innermost = family(render.process)
        said = status(innermost)
        assert said["Name"].startswith("argocd")
        user = 65534 if os.geteuid() == 0 else os.geteuid()
        assert (said["Uid"].split(), said["Gid"].split()) == ([str(user)] * 4, [str(user)] * 4)
        assert {said[name] for name in ("CapInh", "CapPrm", "CapEff", "CapAmb")} == {"0" * 16}
        assert said["Groups"] in {"", "65534"}
        assert (said["NoNewPrivs"], said["Seccomp"]) == ("1", "2")
        own, its = Path("/proc/self/ns"), Path(f"/proc/{innermost}/ns")
        for name in ("user", "mnt", "net", "pid", "ipc", "uts"):
            assert (own / name).readlink() != (its / name).readlink(), name
        interfaces = Path(f"/proc/{innermost}/net/dev").read_text().splitlines()[2:]
        assert [line.split(":")[0].strip() for line in interfaces] == ["lo"]
        limits = Path(f"/proc/{innermost}/limits").read_text().splitlines()
        assert any(line.split()[:4] == ["Max", "data", "size", str(2 << 30)] for line in limits)
        environment = Path(f"/proc/{innermost}/environ").read_bytes().decode().split("\0")
        assert {line.partition("=")[0] for line in environment if line} == {
            "ARGOCD_BINARY_NAME", "ARGOCD_LOG_LEVEL", "GOMEMLIMIT", "HOME", "PATH", "TMPDIR",
        }  # fmt: skip


def lives(process: int) -> bool:
    """Tell whether a process is there and has not ended."""
    try:
        return status(process)["State"][:1] != "Z"
    except OSError:
        return False


def assert_gone_soon(processes: Iterable[int]) -> None:
    """Wait until the kernel has taken down processes that were killed, which takes a moment for much memory."""
    deadline = time.monotonic() + 10
    for process in processes:
        while lives(process):
            assert time.monotonic() < deadline, f"process {process} still lives"


@linux
def test_nothing_of_it_is_left(stranger: Stranger, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PLATFORM_E2E_CACHE", str(tmp_path / "cache"))
    endless = "{{ range until 1000000 }}{{ range until 1000000 }}{{ end }}{{ end }}"
    stranger.write(
        {"chart/Chart.yaml": "apiVersion: v2\nname: chart\nversion: 1.0.0\n", "chart/templates/a.yaml": endless}
    )
    with stranger.begin(bounds=Bounds(seconds=5)) as render:
        before = list(family(render.process))
        (found,) = render([application("chart")])
        assert found.problem is not None
        assert found.problem.reason == Reason.TIME
        after = list(family(render.process))
        assert not set(before) & set(after)
        assert_gone_soon(before)
        left = list((paths.cache() / "scratch").iterdir())
        assert len(left) == 1
    assert list((paths.cache() / "scratch").iterdir()) == []
    assert_gone_soon(after)


def state(root: Path) -> dict[str, tuple[int, int, int, str]]:
    """Return of each path below a directory its mode, owner, time of change, and content."""
    found = {}
    for path in sorted(root.rglob("*")):
        stat = path.lstat()
        if path.is_symlink():
            content = os.readlink(path)  # noqa: PTH115  byte for byte
        else:
            content = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
        found[str(path.relative_to(root))] = stat.st_mode, stat.st_uid, stat.st_mtime_ns, content
    return found


def test_the_user_s_tree_is_the_same_byte_for_byte(stranger: Stranger, tmp_path: Path) -> None:
    deployment = "apiVersion: v1\nkind: Pod\nmetadata: {name: web}\nspec: {containers: [{name: web, image: web}]}\n"
    stranger.write(
        {
            "app/kustomization.yaml": "# kept\nresources: [pod.yaml]\n",
            "app/pod.yaml": deployment,
            "component/kustomization.yaml": "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\nnameSuffix: -c\n",
            "needy/Chart.yaml": "apiVersion: v2\nname: needy\nversion: 1.0.0\n"
            "dependencies: [{name: other, version: 1.0.0, repository: 'file://../other'}]\n",
            "other/Chart.yaml": "apiVersion: v2\nname: other\nversion: 1.0.0\n",
            "other/templates/a.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: {{ .Release.Name }}}\n",
        }
    )
    (stranger.root / "link").symlink_to("./app")
    with tarfile.open(tmp_path / "other.tgz", "w:gz") as archive:
        archive.add(stranger.root / "other", "other")
    before = state(stranger.root)
    chart = Chart("https://charts.example", "other", "1.0.0", tmp_path / "other.tgz")
    packed = chart.archive.read_bytes()
    found = stranger.render(
        application("app", kustomize={"images": ["web=other:1"], "namePrefix": "a-", "commonLabels": {"a": "b"}}),
        application("app", kustomize={"images": ["web=other:2"], "components": ["../component"]}),
        application(
            "app",
            kustomize={
                "patches": [{"patch": "- op: remove\n  path: /spec/containers/0/image\n", "target": {"kind": "Pod"}}]
            },
        ),
        application("app"),
        application("link", kustomize={"nameSuffix": "-z"}),
        application("needy"),
        application(repoURL="https://charts.example", chart="other", targetRevision="1.0.0"),
        charts=[chart],
    )
    assert [each.problem for each in found] == [None] * 7
    images = [str(each.sources[0].objects[0]["spec"]["containers"][0].get("image")) for each in found[:5]]
    assert images == ["other:1", "other:2", "None", "web", "web"], "each has its own options only"
    names = [each.sources[0].objects[0]["metadata"]["name"] for each in found[:5]]
    assert names == ["a-web", "web-c", "web", "web", "web-z"]
    assert state(stranger.root) == before
    assert chart.archive.read_bytes() == packed
