"""The client of the renderer, with a program that dies, hangs and lies: who is at fault, what is bounded, and what is left."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from platform_e2e import paths
from platform_e2e.errors import BrokenHarness, WrongUsage
from platform_e2e.layer import argocd_render
from platform_e2e.layer.argocd_render import ArgoCD, Bounds, renderer
from platform_e2e.layer.renderer import Chart, Engine, Material, Reason, Rendering, Repository
from tests.fakes import argocd_render as fake

pytestmark = pytest.mark.point("layer-rendered-apart")

URLS = ("https://git.example/layer.git", "git@git.example:layer")


@pytest.fixture
def layer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a repository; what is begun to render it lies in a cache of its own."""
    monkeypatch.setenv("PLATFORM_E2E_CACHE", str(tmp_path / "cache"))
    root = tmp_path / "layer"
    (root / ".git").mkdir(parents=True)
    (root / ".git" / "config").write_text("[core]\n")
    (root / "app.yaml").write_text("kind: ConfigMap\n")
    return root


@contextmanager
def begun(layer: Path, seconds: float = 20, **material: Any) -> Iterator[ArgoCD]:
    """Begin to render a layer with the fake program."""
    programs = layer.parent / "bin"
    programs.mkdir(exist_ok=True)
    for name in ("helm", "kustomize"):
        (programs / name).touch()
    program = fake.install(programs)
    begin = renderer(program, programs / "helm", programs / "kustomize", kubernetes="1.34.4", bounds=Bounds(seconds))
    with begin(Material((Repository(layer, URLS),), **material)) as render:
        yield render


def named(*names: str) -> list[Mapping[str, Any]]:
    return [{"kind": "Application", "metadata": {"name": name}} for name in names]


def reasons(found: list[Rendering]) -> list[Reason | None]:
    return [each.problem.reason if each.problem else None for each in found]


def alive(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().split()[2] != "Z"
    except OSError:
        return False


def starts(layer: Path) -> list[int]:
    (scratch,) = (layer.parent / "cache" / "scratch").iterdir()
    return [int(line) for line in (scratch / "starts").read_text().split()]


def test_each_object_has_its_own_result_in_order(layer: Path) -> None:
    with begun(layer) as render:
        names = [f"app-{number}" for number in range(50)]
        found = render([*named(*names), *named("refuse")])
        assert [each.sources[0].objects[0]["metadata"]["name"] for each in found[:-1]] == names
        assert [source.type for source in found[0].sources] == ["Directory", "Ref"]
        problem = found[-1].problem
        assert problem is not None
        assert (problem.reason, problem.text, problem.source) == (Reason.PLUGIN, "tanka", 1)
        assert render(()) == []
        assert len(starts(layer)) == 1
        assert render.engine == Engine("namespaces", "3.2.11", "3.19.4", "5.8.1")


@pytest.mark.parametrize(
    ("name", "reason", "text"),
    [
        ("die", Reason.MEMORY, "the renderer ended with status 2"),
        ("hang", Reason.TIME, "it takes more than 0.5 s"),
        ("flood", Reason.MEMORY, "it becomes more than 0 MiB"),
        ("lie", Reason.MEMORY, "the renderer answered what it was not asked"),
        ("garble", Reason.SHAPE, "what it becomes cannot be read"),
        ("half", Reason.SHAPE, "what it becomes cannot be read"),
        ("many", Reason.MEMORY, "it becomes more than 2000 values"),
    ],
)
def test_exactly_the_guilty_object_has_no_result(
    layer: Path, monkeypatch: pytest.MonkeyPatch, name: str, reason: Reason, text: str
) -> None:
    monkeypatch.setattr(argocd_render, "LARGEST_ANSWER", 100_000)
    monkeypatch.setattr(argocd_render, "MOST_VALUES", 2000)
    names = [f"app-{number}" for number in range(20)]
    names[4] = names[5] = names[17] = name
    with begun(layer, seconds=0.5) as render:
        found = render(named(*names))
        assert reasons(found) == [reason if each == name else None for each in names]
        assert all(each.problem is None or text in each.problem.text for each in found)
        # Nothing of those that were ended is left, and the next question is answered.
        *before, last = starts(layer)
        assert not any(map(alive, before))
        assert alive(last)
        assert reasons(render(named("app"))) == [None]
    assert not alive(last)


def test_only_what_was_under_way_is_rendered_by_itself(layer: Path) -> None:
    with begun(layer) as render:
        render(named("die", *(f"app-{number}" for number in range(30))))
        # The first, the one after the death, the one after the death of the suspect alone.
        assert len(starts(layer)) == 3


@pytest.mark.parametrize("odd", [float("nan"), object(), {1, 2}, b"bytes"])
def test_what_json_cannot_say_is_a_shape(layer: Path, odd: object) -> None:
    with begun(layer) as render:
        found = render([*named("app"), {"kind": "Application", "spec": odd}, *named("last")])
        assert reasons(found) == [None, Reason.SHAPE, None]


def test_an_object_that_contains_itself_is_a_shape(layer: Path) -> None:
    loop: dict[str, Any] = {"kind": "Application"}
    loop["spec"] = loop
    deep: Any = []
    for _ in range(100_000):
        deep = [deep]
    with begun(layer) as render:
        assert reasons(render([loop, {"spec": deep}, *named("app")])) == [Reason.SHAPE, Reason.SHAPE, None]


def test_it_gets_copies_and_no_variable(layer: Path, tmp_path: Path) -> None:
    (tmp_path / "web.tgz").write_bytes(b"archive")
    chart = Chart("https://charts.example", "web", "1.2.3", tmp_path / "web.tgz")
    options = "--enable-helm --enable-exec --load-restrictor LoadRestrictionsNone"
    with begun(
        layer, charts=(chart,), build_options=options, api_versions=("a/v1",), clusters=({"kind": "Secret"},)
    ) as render:
        (found,) = render(named("note"))
        data = found.sources[0].objects[0]["data"]
        # sh adds PWD, and the kernel's loader none.
        assert set(data["environment"].split()) - {"PWD", "SHLVL", "_", "OLDPWD", "LC_CTYPE"} == {"ARGOCD_BINARY_NAME"}
        config = json.loads(data["config"])
        (scratch,) = (layer.parent / "cache" / "scratch").iterdir()
        root = scratch / "root"
        copied = root / config["repositories"][0]["directory"]
        assert {path.name for path in copied.iterdir()} == {"app.yaml"}
        assert config["repositories"][0]["urls"] == list(URLS)
        assert (root / config["charts"][0].pop("file")).read_bytes() == b"archive"
        assert config["charts"] == [{"repository": "https://charts.example", "name": "web", "version": "1.2.3"}]
        assert config["buildOptions"] == "--enable-helm --load-restrictor=LoadRestrictionsNone"
        assert (config["apiVersions"], config["clusters"]) == (["a/v1"], [{"kind": "Secret"}])
        assert (config["kubeVersion"], config["namespace"]) == ("1.34.4", "argocd")
        assert config["confinement"]["memory"] == 2 << 30
        assert config["confinement"]["trusted"] is False
        assert [bind["target"] for bind in config["confinement"]["binds"]] == ["/bin/helm", "/bin/kustomize"]
        assert scratch.stat().st_mode & 0o077 == 0, "no other user sees the copy"


def test_where_it_cannot_be_kept_apart_the_remedy_is_said(layer: Path) -> None:
    (layer / "how").write_text("refuse")
    with pytest.raises(WrongUsage) as error, begun(layer):
        pass
    assert str(error.value).startswith("a layer cannot be kept apart from your files: operation not permitted")
    for word in ("kernel.unprivileged_userns_clone", "apparmor_restrict_unprivileged_userns", "run as root", "--trust"):
        assert word in error.value.remedy
    assert list((paths.cache() / "scratch").iterdir()) == []


def test_a_program_that_cannot_begin_is_the_harness_s_fault(layer: Path) -> None:
    (layer / "how").write_text("fail")
    with pytest.raises(BrokenHarness) as error, begun(layer):
        pass
    assert str(error.value) == "argocd-render cannot begin: it ended with status 1: config.json: unexpected end"
    assert list((paths.cache() / "scratch").iterdir()) == []


def test_nothing_is_left_when_the_block_fails(layer: Path) -> None:
    processes: list[int] = []

    def fail() -> None:
        with begun(layer) as render:
            processes.append(render.process)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert list((paths.cache() / "scratch").iterdir()) == []
    assert not any(map(alive, processes))


def test_a_slow_one_does_not_hold_what_is_done(layer: Path) -> None:
    start = time.monotonic()
    with begun(layer, seconds=1) as render:
        found = render(named(*(f"app-{number}" for number in range(10)), "hang"))
    assert reasons(found) == [None] * 10 + [Reason.TIME]
    assert time.monotonic() - start < 20


def test_the_user_s_tree_is_the_same_byte_for_byte(layer: Path) -> None:
    (layer / "link").symlink_to("./app.yaml")

    def state() -> list[tuple[object, ...]]:
        found: list[tuple[object, ...]] = []
        for path in sorted(layer.rglob("*")):
            stat = path.lstat()
            content = path.read_bytes() if path.is_file() else b""
            found.append((path, path.is_symlink(), stat.st_mode, stat.st_uid, stat.st_mtime_ns, content))
        return found

    before = state()
    with begun(layer) as render:
        render(named("app"))
    assert state() == before
