"""The specification of each image: its paths, users and entry points, equal to those of the product's own image."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from platform_e2e.toolbox import programs
from platform_e2e.toolbox.image_archive import CAP_NET_BIND_SERVICE, Config, LayerEntry
from platform_e2e.toolbox.programs import Programs
from platform_e2e.toolbox.rootfs import Rootfs

NOBODY = "65534:65534"
NONROOT = "65532:65532"

ARGOCD_ROLES = (
    "application-controller",
    "applicationset-controller",
    "cmp-server",
    "commit-server",
    "dex",
    "k8s-auth",
    "notifications",
    "repo-server",
    "server",
)
"""Argo CD is one program; its Dockerfile links these names to it, without `argocd-`."""

REDIS_ENTRYPOINT = """\
#!/bin/sh
# The manifests give options only, as the official image allows.
case "${1:-}" in
-* | *.conf) set -- redis-server "$@" ;;
esac
exec "$@"
"""


@dataclass(frozen=True)
class Sources:
    """The inputs of images."""

    programs: Programs
    node: Path
    rootfs: dict[str, Rootfs]
    apps: Path


@dataclass(frozen=True)
class ImageSpec:
    """The specification of an image.

    Attributes:
        name: without registry and tag.
        contains: what the image really has, for the report.
        entries: returns what the image adds to its base.
        config: how it is started.
        base: kind of its root file system; empty for an image of one static program.
    """

    name: str
    contains: str
    entries: Callable[[Sources], Iterable[LayerEntry]]
    config: Config
    base: str = ""


def image_specs() -> dict[str, ImageSpec]:
    """Return the specification of each image, by its name without registry and tag."""
    all_of_them = (
        _static("pause", "pause", "/pause", user="65535:65535", contains="a program that waits"),
        _static(
            "stand-in", "stand-in", "/stand-in", user=NONROOT, contains="what stands in for an image that is not here"
        ),
        _static("coredns", "coredns", "/coredns", user=NONROOT, capability=CAP_NET_BIND_SERVICE),
        _static("controller", "metallb-controller", "/controller"),
        _static("speaker", "metallb-speaker", "/speaker"),
        _static("sealed-secrets-controller", "sealed-secrets", "/usr/local/bin/controller", user="1001"),
        _static("prometheus-operator", "prometheus-operator", "/bin/operator", user=NOBODY),
        _static(
            "prometheus-config-reloader", "prometheus-config-reloader", "/bin/prometheus-config-reloader", user=NOBODY
        ),
        _static(
            "kube-state-metrics",
            "kube-state-metrics",
            "/kube-state-metrics",
            user=NOBODY,
            options=("--port=8080", "--telemetry-port=8081"),
        ),
        ImageSpec(
            name="prometheus",
            contains="Prometheus from its Go module, without its web interface's assets",
            entries=_prometheus,
            config=Config(
                entrypoint=("/bin/prometheus",),
                arguments=("--config.file=/etc/prometheus/prometheus.yml", "--storage.tsdb.path=/prometheus"),
                user=NOBODY,
                directory="/prometheus",
            ),
        ),
        ImageSpec(
            name="argocd",
            contains="Argo CD from its Go module, without its web interface's assets; Debian's git; no gpg",
            entries=_argocd,
            config=Config(
                entrypoint=("/usr/bin/tini", "--"),
                user="999",
                # Without gpg in the image the repo-server would fail to start; upstream's image has it.
                environment={"ARGOCD_USER_ID": "999", "USER": "argocd", "ARGOCD_GPG_ENABLED": "false"},
                directory="/home/argocd",
            ),
            base="git",
        ),
        ImageSpec(
            name="redis",
            contains="Debian's Redis",
            entries=lambda _: (
                _text("/usr/local/bin/docker-entrypoint.sh", REDIS_ENTRYPOINT, 0o755),
                LayerEntry("/data", owner=(999, 999)),
            ),
            config=Config(("docker-entrypoint.sh",), ("redis-server",), user="999:999", directory="/data"),
            base="redis",
        ),
        ImageSpec(
            name="alertmanager",
            contains="Debian's Alertmanager, without its web interface",
            entries=lambda _: (
                # Not /bin/alertmanager: /bin is a link to /usr/bin, which a directory of this layer would hide.
                LayerEntry("/usr/bin/alertmanager", link="prometheus-alertmanager"),
                LayerEntry("/alertmanager", owner=(65534, 65534)),
            ),
            config=Config(
                entrypoint=("/bin/alertmanager",),
                arguments=("--config.file=/etc/prometheus/alertmanager.yml", "--storage.path=/alertmanager"),
                user=NOBODY,
                directory="/alertmanager",
            ),
            base="alertmanager",
        ),
        ImageSpec(
            name="chat",
            contains="the layer's own chat service on Debian's Python",
            entries=_chat,
            config=Config(("/usr/bin/python3", "/app/chat.py"), user=NONROOT),
            base="chat",
        ),
    )
    return {spec.name: spec for spec in all_of_them}


def _static(
    name: str,
    program: str,
    path: str,
    *,
    user: str = "",
    options: tuple[str, ...] = (),
    capability: int | None = None,
    contains: str = "the program, built from its Go module",
) -> ImageSpec:
    """Return the specification of an image with one static program, as distroless images are."""

    def entries(sources: Sources) -> Iterable[LayerEntry]:
        yield LayerEntry(path, source=sources.programs.path(program), capability=capability)
        yield from _static_base(sources)

    # The chart of Sealed Secrets starts `controller` by its bare name, which PATH finds as well.
    return ImageSpec(name, contains, entries, Config((path, *options), user=user))


def _static_base(sources: Sources) -> Iterable[LayerEntry]:
    """Yield the files that a static program may need: accounts, the CA certificates, a directory for scratch files."""
    for path in ("/etc/passwd", "/etc/group", "/etc/nsswitch.conf", "/etc/ssl/certs/ca-certificates.crt"):
        yield LayerEntry(path, source=sources.node / path.strip("/"), mode=0o644)
    yield LayerEntry("/tmp", mode=0o1777)  # noqa: S108 - the image's own


def _prometheus(sources: Sources) -> Iterable[LayerEntry]:
    module = programs.module_directory("github.com/prometheus/prometheus")
    nobody = (65534, 65534)
    yield LayerEntry("/bin/prometheus", source=sources.programs.path("prometheus"))
    yield LayerEntry("/etc/prometheus", owner=nobody)
    example = module / "documentation/examples/prometheus.yml"
    yield LayerEntry("/etc/prometheus/prometheus.yml", source=example, mode=0o644, owner=nobody)
    yield LayerEntry("/prometheus", mode=0o775, owner=nobody)
    yield from _static_base(sources)


def _argocd(sources: Sources) -> Iterable[LayerEntry]:
    """Yield what the Dockerfile in Argo CD's module adds to its base."""
    module = programs.module_directory("github.com/argoproj/argo-cd/v3")
    for name in ("argocd", "helm", "kustomize"):
        yield LayerEntry(f"/usr/local/bin/{name}", source=sources.programs.path(name))
    for role in ARGOCD_ROLES:
        yield LayerEntry(f"/usr/local/bin/argocd-{role}", link="/usr/local/bin/argocd")
    for script in ("entrypoint.sh", "hack/gpg-wrapper.sh", "hack/git-verify-wrapper.sh"):
        yield LayerEntry(f"/usr/local/bin/{Path(script).name}", source=module / script)
    yield LayerEntry("/usr/local/bin/uid_entrypoint.sh", link="/usr/local/bin/entrypoint.sh")
    yield LayerEntry("/home/argocd", mode=0o775, owner=(999, 0))
    yield _text("/app/config/ssh/ssh_known_hosts", "", 0o644)
    yield LayerEntry("/etc/ssh/ssh_known_hosts", link="/app/config/ssh/ssh_known_hosts")
    yield LayerEntry("/app/config/tls")
    yield LayerEntry("/app/config/gpg/source")
    yield LayerEntry("/app/config/gpg/keys", mode=0o700, owner=(999, 0))


def _chat(sources: Sources) -> Iterable[LayerEntry]:
    """Yield what the chat service's Containerfile copies: its modules and its version."""
    directory = sources.apps / "chat"
    for path in sorted(directory.glob("*.py")):
        yield LayerEntry(f"/app/{path.name}", source=path, mode=0o644)
    yield LayerEntry("/app/VERSION", source=directory / "VERSION", mode=0o644)


def _text(path: str, content: str, mode: int) -> LayerEntry:
    return LayerEntry(path, content=content.encode(), mode=mode)
