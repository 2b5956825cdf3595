"""Assemble images without Docker, from built programs and Debian's packages.

Each image has the name that charts and manifests use, with the paths, users and entry points of the product's own image,
so that upstream charts run unchanged. `Image.contains` names each substitute.

Images are a function of programs, root file systems and the files named here. They are written as archives only where
an archive is needed: into the store that every node starts from, or for a cluster that imports files.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from platform_e2e import paths
from platform_e2e.errors import WrongUsage
from platform_e2e.timeline import Timeline
from platform_e2e.toolbox import cache, gomod, programs, rootfs, stamps
from platform_e2e.toolbox.image_archive import Config, LayerEntry, write_entries, write_image
from platform_e2e.toolbox.image_specs import ImageSpec, Sources, image_specs
from platform_e2e.toolbox.programs import Programs
from platform_e2e.toolbox.rootfs import Rootfs

PHASE = "images"

STAND_IN = "platform-e2e.local/stand-in:1"
"""What runs in the place of an image that is not here; the status of its container names it. No registry has that host."""

OWN = "chat"
"""The image of an application whose sources a layer may have in `apps`."""


@dataclass(frozen=True)
class Image:
    """One image.

    Attributes:
        name: with registry and tag.
        contains: what the image really has, in a few words.
        key: the digest of its content.
        entries: what it adds to its base.
        config: how it is started.
        base: its root file system, or None for an image of one static program.
    """

    name: str
    contains: str
    key: str
    entries: tuple[LayerEntry, ...]
    config: Config
    base: Rootfs | None = None

    def write(self, path: Path) -> None:
        """Write the image as an archive.

        Args:
            path: the path of the archive; its directory gets a scratch file for a moment.
        """
        layer = path.with_suffix(".layer")
        write_entries(layer, self.entries)
        write_image(path, self.name, [self.base.path, layer] if self.base else [layer], self.config)
        layer.unlink()


def ensure(timeline: Timeline, layer: Path | None = None) -> list[Image]:
    """Return all images, building the programs and root file systems that they need.

    Args:
        timeline: shows what is being done.
        layer: directory of the platform layer, for the images of its own applications; `platform/` by default.

    Raises:
        BuildError: a program does not build.
        NoDebian: Debian's packages cannot be had.
        WrongUsage: the layer's chat application lacks a usable VERSION file.
    """
    built = programs.ensure(timeline)
    bases = sorted({spec.base for spec in image_specs().values()} - {""})
    roots = rootfs.get_all(["node", *bases], timeline)
    return assemble(Sources(built, roots["node"].path, roots, (layer or paths.project() / "platform") / "apps"))


def assemble(sources: Sources) -> list[Image]:
    """Return all images that these sources allow."""
    named = names(sources.apps)
    return [_image(named[name], spec, sources) for name, spec in image_specs().items() if name in named]


def table(apps: Path | None = None) -> dict[str, str]:
    """Return what each image contains, by its full name; builds nothing.

    Args:
        apps: directory of the layer's applications; `platform/apps` by default.
    """
    named = names(apps or paths.project() / "platform" / "apps")
    return {named[name]: spec.contains for name, spec in image_specs().items() if name in named}


def names(apps: Path) -> dict[str, str]:
    """Return the full name of each image; go.mod has the versions of the products that are built from it.

    Args:
        apps: directory of the layer's applications; without `chat` in it there is no chat image.
    """
    pinned = gomod.read()

    def version(module: str) -> str:
        return pinned.module(module).version

    metallb = version("go.universe.tf/metallb")
    operator = version("github.com/prometheus-operator/prometheus-operator")
    prometheus = stamps.prometheus_version(version("github.com/prometheus/prometheus"))
    found = {
        # The chart argo-cd 9.3.7 asks for this name.
        "redis": "ecr-public.aws.com/docker/library/redis:8.2.2-alpine",
        # Debian trixie's version of Alertmanager.
        "alertmanager": "quay.io/prometheus/alertmanager:v0.28.1",
        "argocd": f"quay.io/argoproj/argocd:{version('github.com/argoproj/argo-cd/v3')}",
        "controller": f"quay.io/metallb/controller:{metallb}",
        "speaker": f"quay.io/metallb/speaker:{metallb}",
        # The chart in the module of v0.32.0 asks for this tag: helm/sealed-secrets/values.yaml.
        "sealed-secrets-controller": "docker.io/bitnami/sealed-secrets-controller:0.31.0",
        "prometheus-operator": f"quay.io/prometheus-operator/prometheus-operator:{operator}",
        "prometheus-config-reloader": f"quay.io/prometheus-operator/prometheus-config-reloader:{operator}",
        "prometheus": f"quay.io/prometheus/prometheus:v{prometheus}",
        "kube-state-metrics": (
            f"registry.k8s.io/kube-state-metrics/kube-state-metrics:{version('k8s.io/kube-state-metrics/v2')}"
        ),
        "coredns": f"registry.k8s.io/coredns/coredns:{version('github.com/coredns/coredns')}",
        # The tag that kubeadm of Kubernetes 1.34 uses.
        "pause": "registry.k8s.io/pause:3.10",
        "stand-in": STAND_IN,
    }
    if (apps / "chat").is_dir():
        found["chat"] = f"ghcr.io/platform-team/chat:{_chat_version(apps / 'chat')}"
    return found


def of_foundations() -> frozenset[str]:
    """Return the images that the harness brings for its foundations and nodes: none of a layer's own applications."""
    return frozenset(name for spec, name in names(paths.project() / "platform" / "apps").items() if spec != OWN)


def stand_in_options(which: str) -> list[str]:
    """Return the options of the nodes' program `stand-ins`.

    Args:
        which: the value of --stand-ins.
    """
    if which == "none":
        return []
    own = names(paths.project() / "platform" / "apps").get(OWN, "").rpartition(":")[0]
    chosen = [f"--image={STAND_IN}", f"--keep={','.join(sorted(of_foundations()))}"]
    # The sources of the layer's own image are here, so that a tag of it that cannot be had is a fault of the layer.
    return [*chosen, *(["--all"] if which == "all" else [f"--own={own}"])]


def _chat_version(chat: Path) -> str:
    path = chat / "VERSION"
    version = path.read_text(encoding="utf-8").strip() if path.is_file() else ""
    if not version or set(version) - set("0123456789abcdefghijklmnopqrstuvwxyz.-+_"):
        raise WrongUsage(f"{path} must have a version that can be an image's tag", "write one such as 1.0.0 into it")
    return version


def _image(name: str, spec: ImageSpec, sources: Sources) -> Image:
    base = sources.rootfs[spec.base] if spec.base else None
    entries = tuple(spec.entries(sources))
    parts = [json.dumps([name, asdict(spec.config), base.digest if base else ""])]
    parts += [_identity(entry, sources.programs) for entry in entries]
    return Image(name, spec.contains, cache.digest(*parts), entries, spec.config, base)


def _identity(entry: LayerEntry, built: Programs) -> str:
    """Return the digest of an entry's content; a program's key stands for its many megabytes."""
    content = ""
    if entry.source is not None and entry.source.parent == built.directory:
        content = built.keys[entry.source.name]
    elif entry.source is not None:
        content = cache.digest(entry.source)
    elif entry.content is not None:
        content = cache.digest(entry.content)
    return json.dumps([entry.path, content, entry.link, entry.mode, entry.owner, entry.capability])
