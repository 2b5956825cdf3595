"""Every command of this repository: `nox -l` lists them, `nox -s NAME -- ARGS` passes ARGS on."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import signal
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import nox

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import FrameType

nox.needs_version = ">=2025.10"
nox.options.sessions = ["lint", "types", "tests", "distribution"]
nox.options.reuse_venv = "yes"
nox.options.error_on_missing_interpreters = True

PYPROJECT = nox.project.load_toml("pyproject.toml")
INTERRUPT_SECONDS = 120.0
"""Seconds in which an interrupted run must gather evidence and remove its cluster."""
TERMINATE_SECONDS = 60.0
"""The same after SIGTERM."""
SCRATCH_BYTES = 1 << 30
"""Free space for the files of tests, ten times the measured size."""
DIST = Path(__file__).resolve().parent / "dist"
"""Directory of built archives and wheels."""
INSTALLATIONS = "tests/distribution"
"""Tests that build wheels and make environments: a tenth of the time of all tests, of what few changes touch."""
STAMP = "installed.sha256"
"""File of an environment with the digest of its installed packages."""
ASKS_ONLY = {"--collect-only", "--co", "--help", "-h", "--markers", "--fixtures", "--version"}
"""Arguments of pytest that run no test, so that the doctor is not needed."""


def _hand_down(number: int, _frame: FrameType | None) -> None:
    """Forward a signal to the running command, so that it ends cleanly; nox alone would leave it running on SIGTERM and SIGHUP."""
    children = Path(f"/proc/self/task/{os.getpid()}/children")
    for child in children.read_text().split() if children.exists() else ():
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(child), number)
    raise KeyboardInterrupt


signal.signal(signal.SIGTERM, _hand_down)
signal.signal(signal.SIGHUP, _hand_down)


def _install(session: nox.Session, *groups: str) -> None:
    """Install the project's dependencies and the named groups, unless this environment has exactly these already."""
    wanted, environment = _wanted(*groups), Path(session.virtualenv.location)
    if _has(environment, wanted):
        return
    session.install(*wanted)
    if not session._runner.global_config.no_install:  # noqa: SLF001 - with --no-install (-R) nothing was installed
        (environment / STAMP).write_text(_digest(wanted))


def _run(session: nox.Session, *argv: str) -> None:
    """Run a command from the root of the repository, with enough time for a clean end.

    Nox ends with 1 for every failure. The command's own status tells what failed, so a status above 1 becomes nox's own.
    """
    try:
        session.run(
            *argv,
            env={"PYTHONUNBUFFERED": "1"},
            external=Path(argv[0]).is_absolute(),
            interrupt_timeout=INTERRUPT_SECONDS,
            terminate_timeout=TERMINATE_SECONDS,
        )
    except nox.command.CommandFailed as error:
        status = error.return_code
        if status is None or status <= 1:
            raise
        session.warn(f"Session {session.name} ended with status {status}.")
        sys.exit(status)


def _platform_e2e(session: nox.Session, *argv: str) -> None:
    """Run one of the harness's own commands."""
    _in_e2e(session, "platform_e2e", *argv)


def _in_e2e(session: nox.Session, module: str, *argv: str) -> None:
    """Run a module of Python in the environment of `e2e`: building a dozen equal ones would take ten minutes."""
    environment = Path(session._runner.global_config.envdir, "e2e")  # noqa: SLF001 - nox shares no environment
    if not _has(environment, _wanted("e2e")):
        words = ("-f", __file__, "--envdir", str(environment.parent), "-s", "e2e", "--install-only")
        session.run_install(sys.executable, "-m", "nox", *words, external=True)
    _run(session, str(environment / "bin" / "python"), "-m", module, *argv)


def _prove(session: nox.Session, directory: str) -> None:
    """Run the tests of a directory on a real cluster, the doctor first where any test is run."""
    _install(session, "e2e")
    if not ASKS_ONLY.intersection(session.posargs):
        _run(session, "python", "-m", "platform_e2e", "doctor", "--before-run", *session.posargs)
    _run(session, "python", "-m", "pytest", "-p", "no:cacheprovider", directory, *session.posargs)


def _wanted(*groups: str) -> list[str]:
    """Return the project's dependencies and those of the named groups."""
    return [*PYPROJECT["project"]["dependencies"], *nox.project.dependency_groups(PYPROJECT, *groups)]


def _has(environment: Path, wanted: Sequence[str]) -> bool:
    """Tell whether an environment has exactly these."""
    stamp = environment / STAMP
    return stamp.exists() and stamp.read_text() == _digest(wanted)


def _digest(wanted: Sequence[str]) -> str:
    """Return the digest of an environment with exactly these."""
    return hashlib.sha256(json.dumps(sorted(wanted)).encode()).hexdigest()


def _compiled(session: nox.Session, scratch: str) -> Path:
    """Return the directory of compiled Python, kept between runs and outside of the tree; another user's is equally good to read."""
    kept = Path(session.virtualenv.location).parent / ".cache" / "compiled"
    with contextlib.suppress(OSError):
        kept.mkdir(parents=True, exist_ok=True)
        if os.access(kept, os.W_OK) or any(kept.iterdir()):
            return kept
    return Path(scratch, "compiled")


def _quick_directory() -> Path | None:
    """Return a file system in memory, if it allows programs: tests write thousands of small files.

    On a disk they would take a tenth of the tests' time. A TMPDIR that the user has set is respected.
    """
    memory = Path("/dev/shm")  # noqa: S108 - a directory of its own is made in it
    if "TMPDIR" in os.environ or not os.access(memory, os.W_OK):
        return None
    room = os.statvfs(memory)
    if room.f_bavail * room.f_frsize < SCRATCH_BYTES or room.f_flag & os.ST_NOEXEC:
        return None
    return memory


@nox.session
def e2e(session: nox.Session) -> None:
    """Prove the platform on a real cluster, doctor first; -- takes pytest's arguments and ours (--help lists them)."""
    _prove(session, "e2e")


@nox.session
def alerts(session: nox.Session) -> None:
    """Make each alert of the layer fire by a real fault, and end, on a real cluster: 20 minutes; -- takes what e2e takes."""
    _prove(session, "alerts")


@nox.session
def contract(session: nox.Session) -> None:
    """Prove that a provider keeps the contract of all providers; -- --provider NAME, and pytest's arguments."""
    _install(session, "e2e")
    _run(session, "python", "-m", "pytest", "-p", "no:cacheprovider", "contract", *session.posargs)


@nox.session
def registry(session: nox.Session) -> None:
    """Prove the platform through a registry on this machine, filled for it: k3d with a mirror; -- pytest's arguments."""
    _install(session, "e2e")
    _run(session, "python", "-m", "contract.registry", *session.posargs)


@nox.session
def mac(session: nox.Session) -> None:
    """Compile the programs that run on macOS: argocd, helm, kubectl, kustomize and k3d; -- arm64 or amd64 for one of the two."""
    _install(session, "e2e")
    _run(session, "python", "-m", "contract.mac", *session.posargs)


@nox.session
def tests(session: nox.Session) -> None:
    """Test the harness itself: no cluster, no network, no privileges, seconds."""
    _install(session, "tests")
    with tempfile.TemporaryDirectory(prefix="platform-e2e-tests-", dir=_quick_directory()) as scratch:
        session.env.update(
            {"HOME": scratch, "XDG_CACHE_HOME": f"{scratch}/cache", "PLATFORM_E2E_CACHE": f"{scratch}/e2e"}
        )
        # Otherwise every worker compiles every test, and every run in a box the plugins: a minute of processor time, each time.
        compiled = _compiled(session, scratch)
        session.env.update({"PYTHONPYCACHEPREFIX": str(compiled), "PYTHONDONTWRITEBYTECODE": "", "TMPDIR": scratch})
        # Three times the number of cores: two thirds of the time the tests wait, for whole runs and for streams that end on purpose,
        # and each worker takes more than a second to collect the tests (measured: 70 s with two and with four times as many, 68 s).
        # A worker without tests takes over those that another one still has, such as a file with many runs.
        workers = ("-n", str(3 * (os.cpu_count() or 2)))
        parallel = () if any(word.startswith("-n") for word in session.posargs) else workers
        named = any(Path(word.split("::")[0]).exists() for word in session.posargs)
        paths = () if named else ("tests", f"--ignore={INSTALLATIONS}")
        try:
            _run(
                session, "python", "-m", "pytest", "-p", "no:cacheprovider", "--basetemp", f"{scratch}/pytest",
                "--dist", "worksteal", *parallel, *paths, *session.posargs,
            )  # fmt: skip
        finally:
            # The files that tests wrote and compiled there are not needed again.
            shutil.rmtree(compiled / Path(scratch).relative_to("/"), ignore_errors=True)


@nox.session(venv_backend="none")
def distribution(session: nox.Session) -> None:
    """Test what is built for others: both wheels and the source archive, each installed and used; -- takes pytest's arguments."""
    session.notify("tests", posargs=[INSTALLATIONS, *session.posargs])


@nox.session(venv_backend="none")
def security(session: nox.Session) -> None:
    """Test that untrusted input runs, reads and ends nothing here: the tests about strangers, and hostile layers really rendered."""
    session.notify("tests", posargs=["tests", "-m", "security", *session.posargs])
    session.notify("confinement")


@nox.session(venv_backend="none")
def confinement(session: nox.Session) -> None:
    """Render hostile layers by the real programs, which are built where they are missing; -- takes pytest's arguments."""
    _in_e2e(session, "pytest", "-p", "no:cacheprovider", "confinement", *session.posargs)


@nox.session(venv_backend="none")
def assurance(session: nox.Session) -> None:
    """Write docs/assurance.md and docs/scenarios.md: what the harness assures of itself and proves of a platform, with the tests."""
    session.notify("tests", posargs=["tests", "-n0", "-q", "--collect-only", "--write-assurance", *session.posargs])


@nox.session
def lint(session: nox.Session) -> None:
    """Check style, formatting and the direction of imports."""
    _install(session, "lint")
    _run(session, "ruff", "check", *session.posargs)
    _run(session, "ruff", "format", "--check")
    _run(session, "lint-imports", "--no-cache")


@nox.session(name="format")
def formatted(session: nox.Session) -> None:
    """Format the code, and fix the style where that needs no person."""
    _install(session, "lint")
    _run(session, "ruff", "check", "--fix", *session.posargs)
    _run(session, "ruff", "format")


@nox.session
def dist(session: nox.Session) -> None:
    """Build the source archive and from it the wheel into dist/, and check both."""
    _install(session, "dist")
    _run(session, "python", "-m", "build", "--no-isolation", "--outdir", str(DIST), *session.posargs)
    _check(session, "platform_e2e-[0-9]*", "pyproject.toml")


@nox.session(name="programs-wheel")
def programs_wheel(session: nox.Session) -> None:
    """Build the wheel platform-e2e-programs into dist/: with it installed nothing compiles; Linux, root."""
    _install(session, "dist")
    DIST.mkdir(exist_ok=True)
    # On the disk: it takes a gigabyte, and programs become hard links if the cache lies on the same one.
    with tempfile.TemporaryDirectory(dir=DIST) as scratch:
        package = f"{scratch}/platform_e2e_programs"
        _run(session, "python", "-m", "platform_e2e.cluster.packing", package, PYPROJECT["project"]["version"])
        session.env["PROGRAMS_WHEEL_PACKAGE"] = package
        with session.chdir(".ci/programs-wheel"):
            _run(session, "python", "-m", "hatchling", "build", "-t", "wheel", "-d", str(DIST))
    _check(session, "platform_e2e_programs-*", ".ci/programs-wheel/pyproject.toml")


def _check(session: nox.Session, pattern: str, configuration: str) -> None:
    """Check a built package as an index would, and that it has no unexpected content."""
    built = sorted(map(str, DIST.glob(pattern)))
    _run(session, "python", "-m", "twine", "check", "--strict", *built)
    wheels = (path for path in built if path.endswith(".whl"))
    _run(session, "check-wheel-contents", "--config", configuration, *wheels)


@nox.session
def types(session: nox.Session) -> None:
    """Check the types of everything, tests and this file included."""
    _install(session, "types")
    _run(session, "mypy", *session.posargs)


@nox.session(venv_backend="none")
def cluster(session: nox.Session) -> None:
    """Manage a cluster by hand: -- up|down|list|shell|kubeconfig [NAME]."""
    _platform_e2e(session, "cluster", *session.posargs)


@nox.session(venv_backend="none")
def doctor(session: nox.Session) -> None:
    """List what this machine lacks for a run, each with its remedy."""
    _platform_e2e(session, "doctor", *session.posargs)


@nox.session(venv_backend="none")
def wait(session: nox.Session) -> None:
    """Wait until objects of a cluster are ready, and say why they are not: -- OBJECT (--help tells more)."""
    _platform_e2e(session, "wait", *session.posargs)


@nox.session(venv_backend="none")
def explain(session: nox.Session) -> None:
    """Say what blocks an object of a cluster, or list everything that is blocked: -- [OBJECT] (--help tells more)."""
    _platform_e2e(session, "explain", *session.posargs)


@nox.session(venv_backend="none")
def fetch(session: nox.Session) -> None:
    """Fetch the charts and repositories that a layer needs, and write its lock file: -- --layer DIR [--update]."""
    _platform_e2e(session, "fetch", *session.posargs)


@nox.session(venv_backend="none")
def history(session: nox.Session) -> None:
    """List the last runs: verdict, seconds, heal times, flaky tests; -- --last N, --json."""
    _platform_e2e(session, "history", *session.posargs)


@nox.session(venv_backend="none")
def capture(session: nox.Session) -> None:
    """Capture a read-only, redacted state of a live platform in one file: -- --context NAME --app NAME."""
    _platform_e2e(session, "capture", *session.posargs)


@nox.session(venv_backend="none")
def validate(session: nox.Session) -> None:
    """Judge a live cluster before a release, by reading alone: -- --context NAME (--help tells more)."""
    _platform_e2e(session, "validate", *session.posargs)


@nox.session(venv_backend="none")
def merge(session: nox.Session) -> None:
    """Make one verdict of those that validate has written on several machines: -- FILE... --json FILE."""
    _platform_e2e(session, "merge", *session.posargs)


@nox.session(venv_backend="none")
def rbac(session: nox.Session) -> None:
    """Print the smallest role with which validate can judge a cluster; -- --promise NAME, -n NAMESPACE."""
    _platform_e2e(session, "rbac", *session.posargs)


@nox.session(venv_backend="none")
def reproduce(session: nox.Session) -> None:
    """Reproduce a captured incident on a cluster of its own, and report which findings appear again: -- FILE."""
    _platform_e2e(session, "reproduce", *session.posargs)


@nox.session
def incidents(session: nox.Session) -> None:
    """Make five incidents on one cluster, capture them, delete it, and require the same findings on a new one."""
    _install(session, "e2e")
    _run(session, "python", "-m", "incidents", *session.posargs)


@nox.session(name="sealing-key", venv_backend="none")
def sealing_key(session: nox.Session) -> None:
    """Back up the keys of Sealed Secrets, verify a backup, restore it: -- backup|verify|restore (--help tells more)."""
    _platform_e2e(session, "sealing-key", *session.posargs)


@nox.session(venv_backend="none")
def bundle(session: nox.Session) -> None:
    """Pack a run's directory into one file for a ticket: -- [DIR], artifacts/latest by default."""
    _platform_e2e(session, "bundle", *session.posargs)


@nox.session(venv_backend="none")
def breaks(session: nox.Session) -> None:
    """Break a sound layer on purpose, once for each file in breaks/, and require the declared verdict; -- NAME... -k TEXT."""
    _platform_e2e(session, "breaks", *session.posargs)


@nox.session(venv_backend="none")
def report(session: nox.Session) -> None:
    """Write the report.html of a run again; -- DIR, artifacts/latest by default."""
    _platform_e2e(session, "report", *session.posargs)


@nox.session
def browser(session: nox.Session) -> None:
    """Test the report in headless Chromium: content, mouse, touch, keyboard, contrast, speed; -- takes pytest's arguments."""
    _install(session, "browser")
    _run(session, "python", "-m", "pytest", "-p", "no:cacheprovider", "browser", *session.posargs)


@nox.session(venv_backend="none")
def leaks(session: nox.Session) -> None:
    """End runs in every way, kill -9 included, and compare the host before and after."""
    _platform_e2e(session, "leaks", *session.posargs)


@nox.session
def benchmark(session: nox.Session) -> None:
    """Measure the harness beside its peers; -- NAME is a file of benchmarks/."""
    known = sorted(path.stem for path in Path("benchmarks").glob("[a-z]*.py"))
    if not session.posargs or session.posargs[0] not in known:
        session.error(f"name one of: {', '.join(known)}, then its options")
    _install(session, "benchmark")
    _run(session, "python", "-m", f"benchmarks.{session.posargs[0]}", *session.posargs[1:])


@nox.session(venv_backend="none")
def rollback(session: nox.Session) -> None:
    """Revert twenty different commits, and print for each whether all is as before, seconds and failed requests; -- options of e2e."""
    _in_e2e(session, "pytest", "-p", "no:cacheprovider", "benchmarks/reverts", *session.posargs)


@nox.session(venv_backend="none")
def foreign(session: nox.Session) -> None:
    """Read other people's layers, and write docs/foreign-layers.md: -- DIR[:ROOT,ROOT]... (--help tells more)."""
    _in_e2e(session, "benchmarks.foreign", *session.posargs)


if __name__ == "__main__":
    sys.exit("run me with nox: nox -l")
