"""Images: the same bytes for the same content, and names, paths and users as charts and manifests expect."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import struct
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest

from platform_e2e import paths
from platform_e2e.cluster.kubernetes import addons, nodefiles
from platform_e2e.errors import WrongUsage
from platform_e2e.shell import run
from platform_e2e.timeline import Timeline
from platform_e2e.toolbox import image_archive, image_specs, images, modules, programs, rootfs
from platform_e2e.toolbox.image_archive import Config, LayerEntry
from platform_e2e.toolbox.image_specs import Sources
from platform_e2e.toolbox.images import Image
from platform_e2e.toolbox.programs import Programs
from platform_e2e.toolbox.rootfs import Rootfs
from tests.fakes import layers

SILENT = Timeline(None)


def test_a_layer_is_the_same_whenever_and_in_whatever_order_it_is_written(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_text("program")
    entries = [
        LayerEntry("/usr/bin/x", source=source),
        LayerEntry("/etc/y", content=b"y", mode=0o600),
        LayerEntry("/z", link="etc/y"),
    ]
    first = image_archive.write_entries(tmp_path / "1.tar", entries)
    os.utime(source, (0, 0))
    assert image_archive.write_entries(tmp_path / "2.tar", entries[::-1]) == first
    assert image_archive.file_digest(tmp_path / "1.tar") == first


def test_a_layer_has_the_directories_above_its_entries(tmp_path: Path) -> None:
    image_archive.write_entries(
        tmp_path / "l.tar", [LayerEntry("/data/deep/file", content=b"x"), LayerEntry("/data", owner=(999, 999))]
    )
    with tarfile.open(tmp_path / "l.tar") as tar:
        members = {member.name: member for member in tar}
    assert list(members) == ["data", "data/deep", "data/deep/file"]
    assert (members["data"].uid, members["data"].isdir()) == (999, True)
    assert (members["data/deep"].uid, members["data/deep"].mode) == (0, 0o755)
    assert {member.mtime for member in members.values()} == {image_archive.EPOCH}


def test_a_file_capability_is_what_setcap_writes(tmp_path: Path) -> None:
    image_archive.write_entries(
        tmp_path / "l.tar", [LayerEntry("/coredns", content=b"x", capability=image_archive.CAP_NET_BIND_SERVICE)]
    )
    with tarfile.open(tmp_path / "l.tar") as tar:
        value = tar.getmember("coredns").pax_headers["SCHILY.xattr.security.capability"]
    # getfattr -n security.capability after `setcap cap_net_bind_service=+ep FILE`.
    assert value.encode() == bytes.fromhex("0100000200040000000000000000000000000000")
    assert struct.unpack("<5I", value.encode())[1] == 1 << 10


def test_a_tree_becomes_a_layer_without_names_and_late_times(tmp_path: Path) -> None:
    root = tmp_path / "root"
    (root / "etc").mkdir(parents=True)
    (root / "etc/file").write_text("x")
    (root / "link").symlink_to("etc/file")
    first = image_archive.write_tree(tmp_path / "1.tar", root)
    for path in (root / "etc/file", root / "etc", root):
        os.utime(path, (image_archive.EPOCH + 99, image_archive.EPOCH + 99))
    assert image_archive.write_tree(tmp_path / "2.tar", root) == first
    with tarfile.open(tmp_path / "1.tar") as tar:
        assert {(member.uname, member.gname, member.mtime) for member in tar if not member.issym()} == {
            ("", "", image_archive.EPOCH)
        }


def test_an_image_is_what_docker_save_writes(tmp_path: Path) -> None:
    digest = image_archive.write_entries(tmp_path / "l.tar", [LayerEntry("/x", content=b"x")])
    config = Config(("/x",), ("--option",), user="999", environment={"A": "b"}, directory="/data")
    image_archive.write_image(tmp_path / "i.tar", "example.org/x:1", [tmp_path / "l.tar"], config)
    with tarfile.open(tmp_path / "i.tar") as tar:
        content = {member.name: read(tar, member) for member in tar}
    (manifest,) = json.loads(content["manifest.json"])
    assert manifest["RepoTags"] == ["example.org/x:1"]
    assert manifest["Config"] == hashlib.sha256(content[manifest["Config"]]).hexdigest() + ".json"
    described = json.loads(content[manifest["Config"]])
    assert described["rootfs"]["diff_ids"] == [digest]
    assert "sha256:" + hashlib.sha256(content[manifest["Layers"][0]]).hexdigest() == digest
    assert described["config"] == {
        "Entrypoint": ["/x"],
        "Cmd": ["--option"],
        "User": "999",
        "Env": [f"PATH={image_archive.PATH}", "A=b"],
        "WorkingDir": "/data",
    }


def read(tar: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    file = tar.extractfile(member)
    assert file is not None
    return file.read()


@pytest.fixture
def sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Sources:
    """Programs, root file systems and modules that hold one word each."""
    directory = tmp_path / "programs"
    directory.mkdir()
    keys = {program.name: f"key-of-{program.name}" for program in programs.table()}
    for name in keys:
        (directory / name).write_text(name)
    node = tmp_path / "node"
    for name in ("passwd", "group", "nsswitch.conf", "ssl/certs/ca-certificates.crt"):
        (node / "etc" / name).parent.mkdir(parents=True, exist_ok=True)
        (node / "etc" / name).write_text(name)
    roots = {}
    for kind in rootfs.KINDS:
        path = tmp_path / f"{kind}.tar"
        image_archive.write_entries(path, [LayerEntry("/etc/kind", content=kind.encode())])
        roots[kind] = Rootfs(kind, path, f"digest-of-{kind}", {})
    module = tmp_path / "source"
    for name in ("documentation/examples/prometheus.yml", "entrypoint.sh", "hack/gpg-wrapper.sh"):
        (module / name).parent.mkdir(parents=True, exist_ok=True)
        (module / name).write_text(name)
    (module / "hack/git-verify-wrapper.sh").write_text("x")
    monkeypatch.setattr(programs, "module_directory", lambda _: module)
    apps = tmp_path / "apps"
    shutil.copytree(paths.ROOT / "tests/data/platform/apps/chat", apps / "chat")
    return Sources(Programs(directory, keys), node, roots, apps)


def by_name(made: list[Image]) -> dict[str, Image]:
    return {re.split("[/:]", image.name)[-2]: image for image in made}


def test_the_names_are_those_that_charts_and_manifests_ask_for(sources: Sources) -> None:
    expected = {
        "docker.io/bitnami/sealed-secrets-controller:0.31.0",
        "ecr-public.aws.com/docker/library/redis:8.2.2-alpine",
        "ghcr.io/platform-team/chat:1.0.0",
        images.STAND_IN,
        "quay.io/argoproj/argocd:v3.2.11",
        "quay.io/metallb/controller:v0.15.3",
        "quay.io/metallb/speaker:v0.15.3",
        "quay.io/prometheus-operator/prometheus-config-reloader:v0.88.0",
        "quay.io/prometheus-operator/prometheus-operator:v0.88.0",
        "quay.io/prometheus/alertmanager:v0.28.1",
        "quay.io/prometheus/prometheus:v3.9.1",
        "registry.k8s.io/coredns/coredns:v1.13.1",
        "registry.k8s.io/kube-state-metrics/kube-state-metrics:v2.18.0",
        "registry.k8s.io/pause:3.10",
    }
    assert {image.name for image in images.assemble(sources)} == expected
    assert images.table(layers.DEMO / "apps").keys() == expected


def test_the_node_asks_for_images_that_there_are() -> None:
    assert {nodefiles.PAUSE, addons.COREDNS_IMAGE} <= images.table().keys()


def test_every_image_can_be_written(sources: Sources, tmp_path: Path) -> None:
    for image in images.assemble(sources):
        image.write(tmp_path / "i.tar")
        with tarfile.open(tmp_path / "i.tar") as tar:
            (manifest,) = json.loads(read(tar, tar.getmember("manifest.json")))
        assert manifest["RepoTags"] == [image.name]
        assert len(manifest["Layers"]) == (2 if image.base else 1)
    assert not list(tmp_path.glob("*.layer"))


def test_no_layer_hides_a_link_of_the_root_file_system_below_it(sources: Sources) -> None:
    """In Debian /bin, /lib and /sbin are links; a directory of that name in an upper layer replaces them."""
    for image in images.assemble(sources):
        hiding = [entry.path for entry in image.entries if image.base and re.match("/(s?bin|lib[^/]*)/", entry.path)]
        assert hiding == [], image.name


def test_argocd_is_one_program_under_many_names(sources: Sources) -> None:
    image = by_name(images.assemble(sources))["argocd"]
    entries = {entry.path: entry for entry in image.entries}
    for role in ("application-controller", "applicationset-controller", "repo-server", "server"):
        assert entries[f"/usr/local/bin/argocd-{role}"].link == "/usr/local/bin/argocd"
    assert entries["/usr/local/bin/helm"].source == sources.programs.path("helm")
    assert entries["/home/argocd"].owner == (999, 0)
    assert image.config.user == "999"
    assert image.config.environment["ARGOCD_GPG_ENABLED"] == "false"


@pytest.mark.parametrize(
    ("name", "entrypoint", "user"),
    [
        ("coredns", ("/coredns",), "65532:65532"),
        ("controller", ("/controller",), ""),
        ("speaker", ("/speaker",), ""),
        ("sealed-secrets-controller", ("/usr/local/bin/controller",), "1001"),
        ("prometheus-operator", ("/bin/operator",), "65534:65534"),
        ("kube-state-metrics", ("/kube-state-metrics", "--port=8080", "--telemetry-port=8081"), "65534:65534"),
        ("redis", ("docker-entrypoint.sh",), "999:999"),
        ("alertmanager", ("/bin/alertmanager",), "65534:65534"),
    ],
)
def test_entry_points_and_users_are_those_of_the_products_images(
    sources: Sources, name: str, entrypoint: tuple[str, ...], user: str
) -> None:
    config = by_name(images.assemble(sources))[name].config
    assert (config.entrypoint, config.user) == (entrypoint, user)


def test_redis_takes_bare_options(tmp_path: Path) -> None:
    script = tmp_path / "entrypoint"
    script.write_text(image_specs.REDIS_ENTRYPOINT.replace('exec "$@"', 'echo "$@"'))

    def started(*words: str) -> str:
        return run(["sh", script, *words], timeout=10).stdout

    assert started("--save", "", "--appendonly", "no") == "redis-server --save  --appendonly no\n"
    assert started("/etc/redis.conf") == "redis-server /etc/redis.conf\n"
    assert started("redis-cli", "ping") == "redis-cli ping\n"


def test_a_program_changes_its_images_only(sources: Sources) -> None:
    before = {image.name: image.key for image in images.assemble(sources)}
    keys = {**sources.programs.keys, "helm": "another"}
    changed = replace(sources, programs=replace(sources.programs, keys=keys))
    after = {image.name: image.key for image in images.assemble(changed)}
    assert {name for name in before if before[name] != after[name]} == {"quay.io/argoproj/argocd:v3.2.11"}


def test_a_root_file_system_changes_its_images_only(sources: Sources) -> None:
    before = {image.name: image.key for image in images.assemble(sources)}
    roots = {**sources.rootfs, "chat": replace(sources.rootfs["chat"], digest="another")}
    after = {image.name: image.key for image in images.assemble(replace(sources, rootfs=roots))}
    assert {name for name in before if before[name] != after[name]} == {"ghcr.io/platform-team/chat:1.0.0"}


def test_images_take_no_more_of_a_module_than_the_wheel_of_programs_has(
    sources: Sources, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def pieces(name: str) -> Path:
        for pattern in modules.PIECES[name]:
            path = tmp_path / "pieces" / name / pattern
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(pattern)
        return tmp_path / "pieces" / name

    monkeypatch.setattr(programs, "module_directory", pieces)
    made = [entry.source for image in images.assemble(sources) for entry in image.entries if entry.source]
    taken = [path for path in made if path.is_relative_to(tmp_path / "pieces")]
    assert len(taken) == 4
    assert all(path.is_file() for path in taken)


def test_the_chat_service_in_the_image_is_the_layers(sources: Sources) -> None:
    before = by_name(images.assemble(sources))["chat"]
    (sources.apps / "chat" / "chat.py").write_text("changed")
    after = by_name(images.assemble(sources))["chat"]
    assert before.key != after.key
    (sources.apps / "chat" / "VERSION").write_text("1.1.0\n")
    assert by_name(images.assemble(sources))["chat"].name == "ghcr.io/platform-team/chat:1.1.0"


def test_the_chat_image_is_what_its_containerfile_says(sources: Sources) -> None:
    """Docker's users build by the Containerfile; both must run the same thing the same way."""
    text = (sources.apps / "chat" / "Containerfile").read_text().replace("\\\n", " ")
    lines = dict(line.split(" ", 1) for line in text.splitlines() if line and not line.startswith("#"))
    image = by_name(images.assemble(sources))["chat"]
    assert json.loads(lines["ENTRYPOINT"]) == list(image.config.entrypoint)
    assert lines["USER"] == image.config.user
    *copied, target = lines["COPY"].split()
    assert {f"{target}{name}" for name in copied} == {entry.path for entry in image.entries}
    for package in ("python3", "python3-aiohttp", "python3-prometheus-client"):
        assert package in rootfs.KINDS["chat"].packages
        assert package in text


@pytest.mark.parametrize("version", ["", "1.0 beta", "1/2"])
def test_a_version_that_is_no_tag_names_the_file(sources: Sources, version: str) -> None:
    path = sources.apps / "chat" / "VERSION"
    path.write_text(version)
    with pytest.raises(WrongUsage, match=re.escape(f"{path} must have a version that can be an image's tag")):
        images.assemble(sources)


def test_a_layer_without_the_chat_service_has_no_chat_image(sources: Sources) -> None:
    shutil.rmtree(sources.apps)
    assert "chat" not in by_name(images.assemble(sources))


def test_the_nodes_are_told_which_images_stand_ins_replace() -> None:
    assert images.stand_in_options("none") == []
    auto, every = images.stand_in_options("auto"), images.stand_in_options("all")
    assert f"--image={images.STAND_IN}" in auto
    assert "--own=ghcr.io/platform-team/chat" in auto
    assert "--all" in every
    kept = next(each for each in every if each.startswith("--keep=")).removeprefix("--keep=").split(",")
    assert set(kept) == images.of_foundations()
    assert not any("chat" in each for each in kept)
