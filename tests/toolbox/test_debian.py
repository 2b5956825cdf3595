"""Debian's mirror and keys, the root file systems' recipes, and the host's own packages."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from platform_e2e import shell
from platform_e2e.errors import BrokenHarness
from platform_e2e.shell import CommandError
from platform_e2e.timeline import Timeline
from platform_e2e.toolbox import debian, hostpackages, rootfs

BOOKWORM = {"ID": "debian", "VERSION_CODENAME": "bookworm"}

DEB822 = """\
# a comment
Types: deb
URIs: http://mirror.example/debian-security
Suites: bookworm-security
Components: main

Types: deb-src
URIs: http://sources.example/debian
Suites: bookworm
Components: main

Types: deb
Enabled: no
URIs: http://off.example/debian
Suites: bookworm
Components: main

Types: deb deb-src
URIs: http://mirror.example/debian/
Suites: bookworm
  bookworm-updates
Components: main contrib
"""


def apt_sources(directory: Path, *, deb822: str = "", one_line: str = "") -> Path:
    (directory / "sources.list.d").mkdir()
    (directory / "sources.list.d" / "debian.sources").write_text(deb822)
    (directory / "sources.list").write_text(one_line)
    return directory


def test_the_mirror_is_the_one_of_the_hosts_own_release(tmp_path: Path) -> None:
    assert debian.mirror(BOOKWORM, apt_sources(tmp_path, deb822=DEB822)) == "http://mirror.example/debian"


@pytest.mark.parametrize(
    ("line", "mirror"),
    [
        ("deb http://one.example/debian bookworm main", "http://one.example/debian"),
        (
            "deb [signed-by=/k arch=amd64] https://two.example/debian/ bookworm contrib main",
            "https://two.example/debian",
        ),
        ("# deb http://one.example/debian bookworm main", debian.DEFAULT_MIRROR),
        ("deb-src http://one.example/debian bookworm main", debian.DEFAULT_MIRROR),
        ("deb http://one.example/debian bookworm contrib", debian.DEFAULT_MIRROR),
        ("deb http://one.example/debian bookworm-updates main", debian.DEFAULT_MIRROR),
        ("deb file:/media/cdrom bookworm main", debian.DEFAULT_MIRROR),
        ("deb http://snapshot.debian.org/archive/debian/20250101T000000Z bookworm main", debian.DEFAULT_MIRROR),
    ],
)
def test_a_source_in_one_line_is_read(tmp_path: Path, line: str, mirror: str) -> None:
    assert debian.mirror(BOOKWORM, apt_sources(tmp_path, one_line=line)) == mirror


def test_another_distributions_mirror_is_not_debians(tmp_path: Path) -> None:
    ubuntu = {"ID": "ubuntu", "ID_LIKE": "debian", "VERSION_CODENAME": "noble"}
    sources = apt_sources(tmp_path, one_line="deb http://archive.example/ubuntu noble main")
    assert debian.mirror(ubuntu, sources) == debian.DEFAULT_MIRROR
    assert debian.family(ubuntu) == {"ubuntu", "debian"}


def test_os_release_is_read(tmp_path: Path) -> None:
    (tmp_path / "os-release").write_text('ID=debian\nPRETTY_NAME="Debian GNU/Linux 12"\n')
    assert debian.os_release(tmp_path / "os-release")["PRETTY_NAME"] == "Debian GNU/Linux 12"
    assert debian.os_release(tmp_path / "none") == {}


def test_without_keys_the_error_names_their_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(debian, "KEYRINGS", (tmp_path / "none",))
    with pytest.raises(debian.NoDebian, match="install the package debian-archive-keyring"):
        debian.keyring()


def test_package_versions_come_from_file_names() -> None:
    names = ["redis-server_5%3a8.0.2-3+deb13u1_amd64.deb", "base-passwd_3.6.7_amd64.deb", "lock", "partial"]
    assert rootfs.package_versions(names) == {"redis-server": "5:8.0.2-3+deb13u1", "base-passwd": "3.6.7"}


@pytest.mark.parametrize(
    ("output", "remedy"),
    [
        ("W: GPG error: ... NO_PUBKEY 6ED0E7B82643E131", "install a newer debian-archive-keyring"),
        ("E: The repository 'http://x trixie InRelease' is not signed.", "install a newer debian-archive-keyring"),
        ("E: Failed to fetch http://x/y  Could not connect to x:80", "can be reached from here"),
        ("E: no space left", "read /log"),
    ],
)
def test_an_error_of_apt_gets_its_remedy(output: str, remedy: str) -> None:
    error = rootfs._explain("node", CommandError(["mmdebstrap"], "ended with status 25", output), Path("/log"))
    assert remedy in str(error)
    assert "the root file system node cannot be made" in str(error)
    assert output[:30] in str(error)


def test_only_root_makes_a_root_file_system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLATFORM_E2E_CACHE", str(tmp_path))
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(BrokenHarness, match="only root can make the root file system git"):
        rootfs.ensure("git", Timeline(None))


def test_what_goes_on_in_another_thread_ends_when_one_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLATFORM_E2E_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(rootfs, "_architecture", lambda: "amd64")
    monkeypatch.setattr(debian, "keyring", lambda: tmp_path / "keys")
    monkeypatch.setattr(debian, "apt_options", list)
    begun = threading.Event()

    def fetches(_argv: Sequence[object], **how: Any) -> shell.Completed:
        if how["log_file"].name == "rootfs-git.log":
            assert begun.wait(10)
            raise CommandError(["mmdebstrap"], "ended with status 25", "E: Failed to fetch")
        begun.set()
        return shell.stream(["sleep", "15"], **how)

    monkeypatch.setattr(rootfs, "stream", fetches)
    start = time.monotonic()
    with pytest.raises(debian.NoDebian, match="the root file system git"):
        rootfs.get_all(["git", "redis"], Timeline(None))
    assert time.monotonic() - start < 10
    assert list((tmp_path / "cache" / "scratch").iterdir()) == []


def unpacked(root: Path) -> Path:
    """Make what mmdebstrap leaves, as far as it matters."""
    for name, text in {
        "etc/apt/sources.list": "deb http://mirror.of.this.host",
        "etc/hostname": "this-host",
        "etc/resolv.conf": "nameserver 192.0.2.1",
        "dev/null": "",
        "usr/bin/dash": "",
        "usr/bin/perl5.40": "",
        "usr/sbin/xtables-nft-multi": "",
        "usr/share/base-passwd/passwd.master": "root:*:0:0:root:/root:/bin/bash\nnobody:*:65534:65534:x:/:/x\n",
        "usr/share/base-passwd/group.master": "root:*:0:\nnogroup:*:65534:\n",
        "usr/share/ca-certificates/mozilla/b.crt": "B",
        "usr/share/ca-certificates/mozilla/a.crt": "A\n",
        "usr/share/doc/x/copyright": "",
        "var/lib/dpkg/status": "",
    }.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def test_a_finished_root_shows_nothing_of_the_host(tmp_path: Path) -> None:
    root = unpacked(tmp_path / "root")
    rootfs._finish(
        root, rootfs.RootfsRecipe((), users=("argocd:x:999:999::/home/argocd:/bin/sh",), without=("usr/bin/perl*",))
    )
    everything = "".join(path.read_text() for path in root.rglob("*") if path.is_file())
    assert "this" not in everything
    assert "192.0.2.1" not in everything
    assert not (root / "usr/share/doc").exists()
    assert not (root / "usr/bin/perl5.40").exists()
    assert list((root / "dev").iterdir()) == []


def test_a_finished_root_has_what_package_scripts_make(tmp_path: Path) -> None:
    root = unpacked(tmp_path / "root")
    rootfs._finish(root, rootfs.RootfsRecipe((), users=("argocd:x:999:999::/home/argocd:/bin/sh",)))
    assert (root / "etc/passwd").read_text().splitlines() == [
        "root:x:0:0:root:/root:/bin/bash",
        "nobody:x:65534:65534:x:/:/x",
        "nonroot:x:65532:65532::/home/nonroot:/usr/sbin/nologin",
        "argocd:x:999:999::/home/argocd:/bin/sh",
    ]
    assert (root / "etc/group").read_text().splitlines()[-2:] == ["nonroot:x:65532:", "argocd:x:999:"]
    assert (root / "etc/ssl/certs/ca-certificates.crt").read_text() == "A\nB\n"
    assert (root / "usr/bin/sh").readlink() == Path("dash")
    assert (root / "usr/sbin/iptables-restore").readlink() == Path("iptables-nft-restore")
    assert (root / "tmp").stat().st_mode & 0o7777 == 0o1777
    assert "127.0.0.1 localhost" in (root / "etc/hosts").read_text()


APT_GET = """\
#!/bin/sh
echo "$*" >> "$APT_LOG"
case "$*" in
*--simulate*) echo "Inst mmdebstrap"; echo "${APT_REMOVES}" ;;
*" update") ;;
*" install "*) touch "$APT_INSTALLED" ;;
esac
"""


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A Debian on which mmdebstrap and the keys are missing until apt-get installs them."""
    binaries = tmp_path / "bin"
    binaries.mkdir()
    (binaries / "apt-get").write_text(APT_GET)
    (binaries / "apt-get").chmod(0o755)
    monkeypatch.setenv("PATH", f"{binaries}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("PLATFORM_E2E_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("APT_LOG", str(tmp_path / "apt"))
    monkeypatch.setenv("APT_INSTALLED", str(tmp_path / "installed"))
    monkeypatch.setenv("APT_REMOVES", "")
    monkeypatch.setattr(debian, "os_release", lambda: BOOKWORM)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    installed = (tmp_path / "installed").exists
    needed = {"mmdebstrap": installed, "debian-archive-keyring": installed, "util-linux": lambda: True}
    monkeypatch.setattr(hostpackages, "PACKAGES", needed)
    return tmp_path


COMMAND = "apt-get install --no-install-recommends mmdebstrap debian-archive-keyring"


def test_root_on_debian_installs_what_is_missing_and_says_so(host: Path) -> None:
    timeline = Timeline(host / "timeline")
    assert hostpackages.install_or_explain(timeline) == ["mmdebstrap", "debian-archive-keyring"]
    assert f"installs mmdebstrap, debian-archive-keyring: {COMMAND}" in (host / "timeline").read_text()
    (last,) = (host / "apt").read_text().splitlines()[-1:]
    assert last.endswith("install --yes --no-remove --no-install-recommends mmdebstrap debian-archive-keyring")
    assert hostpackages.install_or_explain(timeline) == []


def test_nothing_is_installed_where_a_package_would_be_removed(host: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("APT_REMOVES", "Remv docker-ce [5:29]\nPurg podman [5]")
    with pytest.raises(hostpackages.MissingPackages) as error:
        hostpackages.install_or_explain(Timeline(None))
    assert "would remove docker-ce, podman; nothing was changed" in str(error.value)
    assert f"decide yourself: {COMMAND}" in str(error.value)
    assert not (host / "installed").exists()


def test_who_is_not_root_gets_the_one_command(host: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(hostpackages.MissingPackages) as error:
        hostpackages.install_or_explain(Timeline(None))
    assert "this host lacks mmdebstrap, debian-archive-keyring" in str(error.value)
    assert f"as root: {COMMAND}" in str(error.value)
    assert not (host / "apt").exists()


def test_another_distribution_is_left_alone(host: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(debian, "os_release", lambda: {"ID": "fedora"})
    with pytest.raises(hostpackages.MissingPackages, match="the packages of the same names"):
        hostpackages.install_or_explain(Timeline(None))
    assert not (host / "apt").exists()


def test_apts_lists_are_fetched_where_they_lack_the_package(host: Path) -> None:
    script = host / "bin" / "apt-get"
    script.write_text(APT_GET.replace("*--simulate*)", '*--simulate*) grep -q update "$APT_LOG" || exit 100;'))
    assert hostpackages.install_or_explain(Timeline(None)) == ["mmdebstrap", "debian-archive-keyring"]


def test_an_apt_that_fails_is_quoted(host: Path) -> None:
    (host / "bin" / "apt-get").write_text("#!/bin/sh\necho 'E: no network' >&2\nexit 100\n")
    with pytest.raises(hostpackages.MissingPackages, match="E: no network"):
        hostpackages.install_or_explain(Timeline(None))
