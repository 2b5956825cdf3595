"""The settings of a run: one table for pytest's options, environment variables, the command line and the docs."""

from __future__ import annotations

import argparse
import os
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from platform_e2e import option_values, paths
from platform_e2e.errors import WrongUsage
from platform_e2e.option_values import Keep

PREFIX = "PLATFORM_E2E_"
"""Start of the name of every environment variable that the harness reads."""


@dataclass(frozen=True)
class Option:
    """A setting that a user can choose.

    Attributes:
        name: the name of the field in `Settings`; option and variable are made from it.
        metavar: the name of its value in --help; empty for a switch.
        default: the default, as a user would write it; empty for "none".
        help: one sentence.
        parse: converts the text, or raises ValueError with the reason.
        flag: whether it is also an option; else only an environment variable.
        of_project: whether the default is a path below `paths.project()`; if that does not exist there is no default.
        several: whether the option may be given several times; in the variable its values are separated by commas.
    """

    name: str
    metavar: str
    default: str
    help: str
    parse: Callable[[str], Any]
    flag: bool = True
    of_project: bool = False
    several: bool = False

    @property
    def usual(self) -> str:
        """Return the default as a user would write it in the current project."""
        if not self.of_project:
            return self.default
        place = paths.project() / self.default
        return "" if self.parse is option_values.file and not place.is_file() else str(place)

    @property
    def option(self) -> str:
        """Return the option as written on a command line."""
        return "--" + self.name.replace("_", "-")

    @property
    def variable(self) -> str:
        """Return the name of its environment variable."""
        return PREFIX + self.name.upper()

    @property
    def dest(self) -> str:
        """Return its name for argparse, which cannot clash with that of a plugin of pytest."""
        return PREFIX.lower() + self.name


@dataclass(frozen=True)
class Settings:
    """The settings of one run; the table `OPTIONS` has their meanings."""

    provider: str
    nodes: int
    servers: int
    images: str
    stand_ins: str
    registry_mirror: str | None
    registry_ca: Path | None
    layer: Path
    keep: Keep
    cluster: str
    deadline: float
    charts_dir: Path | None
    strict_versions: bool
    sealing_key: Path | None
    keep_runs: int
    accept_fewer: bool
    evidence_limit: int
    cache: Path
    artifacts: Path
    replay: str | None = None
    repository: str | None = None
    store: Path | None = None
    trust: bool = False
    root: str | None = None
    require_all: bool = False
    rendered: str | None = None

    foundations: Path | None = None
    destination: str | None = None
    clusters: Path | None = None

    @property
    def renderings(self) -> dict[str, Path]:
        """Return the directories with what the team has rendered itself, by name of the Application."""
        pairs = (each.partition("=") for each in option_values.parts(self.rendered or ""))
        return {name: Path(directory) for name, _, directory in pairs}

    @property
    def destinations(self) -> tuple[str, ...]:
        """Return the names and servers of the clusters that are the one under test."""
        return tuple(option_values.parts(self.destination or ""))

    @property
    def roots(self) -> tuple[str, ...]:
        """Return the paths of the layer's roots that were named, from the root of its repository."""
        return tuple(option_values.parts(self.root or ""))

    @property
    def checkout(self) -> Path | None:
        """Return the checkout of the team's repository that was named."""
        return option_values.own_checkout(self.repository or "")

    @property
    def repositories(self) -> tuple[tuple[str, Path], ...]:
        """Return the URLs of other repositories, each with the directory that stands for it."""
        pairs = (each.rpartition("=") for each in option_values.parts(self.repository or ""))
        return tuple((url, Path(directory)) for url, _, directory in pairs if url)

    def as_json(self) -> dict[str, Any]:
        """Return them as JSON data for run.json."""
        return {name: str(value) if isinstance(value, Path) else value for name, value in self.__dict__.items()}


OPTIONS: tuple[Option, ...] = (
    Option(
        "provider",
        "NAME",
        "auto",
        "provider of the cluster: k3d in Docker, embedded in private namespaces of this host, or auto: k3d if it is available",
        str,
    ),
    Option("nodes", "N", "1", "number of nodes, servers included", option_values.node_count),
    Option(
        "servers",
        "N",
        "1",
        "number of nodes with a control plane; more than one needs k3s' own images",
        option_values.node_count,
    ),
    Option(
        "images",
        "FROM",
        "auto",
        "source of images: registry, mirror, built on this machine, or auto",
        option_values.one_of(*option_values.IMAGES),
    ),
    Option(
        "stand_ins",
        "WHICH",
        "auto",
        "which containers of the layer a stand-in replaces: auto, those whose image nodes without a registry lack; all; or none",
        option_values.one_of(*option_values.STAND_INS),
    ),
    Option(
        "registry_mirror",
        "URL",
        "",
        "fetch images from this mirror or pull-through cache; REGISTRY=URL,... for some",
        str,
    ),
    Option(
        "registry_ca",
        "FILE",
        "",
        "certificates that nodes trust in addition to their own, for registries, mirrors and proxies; SSL_CERT_FILE's by default",
        option_values.file,
    ),
    Option("layer", "DIR", "platform", "the platform layer under test", option_values.directory, of_project=True),
    Option(
        "root",
        "PATH",
        "",
        "what of the layer is applied by hand, from the root of its repository: a directory, kustomization, chart or file; several are allowed",
        option_values.roots,
        several=True,
    ),
    Option(
        "destination",
        "NAME",
        "",
        "name or server of the cluster that is under test; Applications for others are left out and named; several are allowed",
        option_values.names,
        several=True,
    ),
    Option(
        "clusters",
        "FILE",
        "",
        "a list of clusters that Argo CD knows (name, server, labels, annotations), for ApplicationSets with the generator clusters",
        option_values.file,
    ),
    Option(
        "foundations",
        "FILE",
        "",
        "a list like foundations.yaml: what it names is installed in place of what is found in the layer of the same charts",
        option_values.file,
    ),
    Option(
        "rendered",
        "APP=DIR",
        "",
        "the manifests in a directory are what an Application becomes, such as one of a config management plugin; several are allowed",
        option_values.renderings,
        several=True,
    ),
    Option(
        "keep", "WHEN", "never", "whether the cluster outlives the run: never, on-failure or always", option_values.keep
    ),
    Option(
        "cluster",
        "NAME",
        "",
        "the cluster's name, to use a kept one again; unique by default, `e2e` when kept",
        option_values.name,
    ),
    Option(
        "deadline",
        "TIME",
        "30m",
        "end a run that takes longer, with evidence and teardown: 90s, 30m, 1h30m",
        option_values.seconds,
    ),
    Option(
        "charts_dir",
        "DIR",
        "",
        "take charts of the foundations and of Applications from here (NAME-VERSION.tgz or NAME/)",
        option_values.directory,
    ),
    Option(
        "store", "DIR", "", "directory of fetched charts and repositories; in the cache by default", option_values.path
    ),
    Option(
        "strict_versions",
        "",
        "no",
        "refuse to run another version of a foundation than the layer pins",
        option_values.switch,
    ),
    Option(
        "sealing_key",
        "FILE",
        "fixtures/sealed-secrets-key/key.yaml",
        "the backup of the layer's Sealed Secrets key, loaded before its controller starts",
        option_values.file,
        of_project=True,
    ),
    Option(
        "keep_runs",
        "N",
        "20",
        "number of runs whose directories stay; older ones are removed after a run",
        option_values.run_count,
    ),
    Option(
        "accept_fewer",
        "",
        "no",
        "let this run have fewer tests, targets, addresses or judged Applications than the last green one, and measure later runs by it",
        option_values.switch,
    ),
    Option(
        "require_all",
        "",
        "no",
        "end with status 5 where anything is not judged, also what the team's platform-e2e.yaml accepts",
        option_values.switch,
    ),
    Option(
        "replay",
        "WHAT",
        "",
        "rebuild the state of an earlier run and run what failed: its directory, a .tar.gz or .zip of it, or its name",
        str,
    ),
    Option(
        "repository",
        "[URL=]DIR",
        "",
        "URL=DIR: a directory that stands for another repository, at every revision; several are allowed. DIR: a checkout of the"
        " team's repository with its commits, branches and tags, if the layer's directory is in none",
        option_values.repositories,
        several=True,
    ),
    Option("trust", "", "no", "run programs that a stranger's layer, run or incident contains", option_values.switch),
    Option(
        "evidence_limit",
        "SIZE",
        "50MB",
        "largest size of the evidence of one run: 500kB, 50MB, 2GB",
        option_values.size,
    ),
    Option(
        "cache", "DIR", "", "directory of built programs, images and living clusters", option_values.path, flag=False
    ),
    Option("artifacts", "DIR", "", "directory for the results of runs", option_values.path, flag=False),
)
"""Every setting, in the order of --help and docs/options.md."""


class Several(argparse.Action):
    """Join the values of an option that is given several times, as its variable has them."""

    def __call__(self, _parser: Any, namespace: argparse.Namespace, values: Any, _option: str | None = None) -> None:
        """Add one value."""
        before = getattr(namespace, self.dest, None)
        setattr(namespace, self.dest, f"{before},{values}" if before else str(values))


def resolve(chosen: Mapping[str, object], environment: Mapping[str, str] | None = None) -> Settings:
    """Return the settings, each from the command line, else from the environment variable, else the default.

    Args:
        chosen: values of options by name, as written on the command line; None, "" and False mean not chosen.
        environment: environment variables; this process's by default.

    Raises:
        WrongUsage: a value is invalid; the text names its option or variable.
    """
    variables = os.environ if environment is None else environment
    values: dict[str, Any] = {"cache": paths.cache(), "artifacts": paths.artifacts()}
    for option in OPTIONS:
        given, origin = chosen.get(option.name), option.option
        if given in {None, "", False}:
            given, origin = variables.get(option.variable) or option.usual, option.variable
        text = "yes" if given is True else str(given)
        if not text:
            values.setdefault(option.name, None)
            continue
        try:
            values[option.name] = option.parse(text)
        except ValueError as error:
            raise WrongUsage(f"{origin} {error}, got `{text}`", f"{option.option}: {option.help}.") from error
    values["cluster"] = values["cluster"] or ("e2e" if values["keep"] is Keep.ALWAYS else _unique_name())
    return Settings(**values)


def _unique_name() -> str:
    """Return a unique name: process ids are reused, and are equal in two containers with one cache."""
    return f"e2e-{secrets.token_hex(4)}"


def as_markdown() -> str:
    """Return the table in docs/options.md."""
    rows = ["| option | variable | default | meaning |", "|---|---|---|---|"]
    for option in OPTIONS:
        shown = f"`{option.option}{' ' + option.metavar if option.metavar else ''}`" if option.flag else ""
        default = f"`{option.default}`" if option.default else ""
        rows.append(f"| {shown} | `{option.variable}` | {default} | {option.help} |")
    return "\n".join(rows) + "\n"
