"""Turn an earlier run into the options of a new one, and name what of the earlier one can no longer be had."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from platform_e2e import paths
from platform_e2e.errors import HarnessError
from platform_e2e.replay import opening, recorded
from platform_e2e.replay.opening import HARNESS_PATCH
from platform_e2e.replay.recorded import Recorded, Then
from platform_e2e.report import checkout, redact
from platform_e2e.settings import OPTIONS, Option

BUILT = "built"
"""Of --images: the versions of everything are then those of this checkout."""

SOURCES = frozenset({".py", ".go", ".mod", ".sum", ".toml", ".yaml", ".yml", ".json", ".tpl", ".sh", ".md"})
"""Endings of new files that may be part of the harness; what else lies in a checkout, such as a .env, is nobody's business."""

EMBEDDED_LIKE = ("embedded", "k3d")
"""Providers whose built images are made by this checkout."""


@dataclass
class Prepared:
    """A replay before it begins.

    Attributes:
        recorded: the earlier run.
        chosen: options of the new run, as `settings.resolve` takes them.
        origin: what the layer was made from; empty until it is made, or where another was given.
        lacking: what can no longer be had, or is not as it was, one sentence each.
        tests: what to run: the tests that failed.
    """

    recorded: Recorded
    chosen: dict[str, object]
    origin: str = ""
    lacking: list[str] = field(default_factory=list)
    tests: tuple[Then, ...] = ()

    def lines(self) -> list[str]:
        """Return what is rebuilt and what cannot be had, as a person reads it first; nothing that a terminal obeys."""
        run = self.recorded
        options = [
            f"--{name.replace('_', '-')} {text}" for name, text in run.options.items() if self.chosen.get(name) == text
        ]
        layer = f"{run.title}, from {self.origin}" if self.origin else "the layer that was given"
        said = [f"replay of {run.kept.where}", f"  rebuilt:  {layer}", f"            {' '.join(options)}"]
        said += [f"  runs:     {len(self.tests)} test(s) that failed" if self.tests else "  runs:     what was chosen"]
        said += [f"  cannot be had, or differs: {one}" for one in self.lacking]
        said += [] if self.lacking else ["  nothing is known that cannot be had any more or differs"]
        return [printable(redact.text(line)) for line in said if line.strip()]


def prepare(chosen: Mapping[str, object], environment: Mapping[str, str] | None = None) -> Prepared | None:
    """Return the replay that was asked for, or None where none was; the layer is not made yet.

    What is given on the command line outranks what the earlier run had, and that outranks environment variables: a run is
    rebuilt as it was, on whatever machine.

    Args:
        chosen: values of options by name as written on the command line.
        environment: instead of this process's own.

    Raises:
        WrongUsage: there is no such run.
    """
    variables = os.environ if environment is None else environment
    known = {option.name: option for option in OPTIONS}
    what = chosen.get("replay") or variables.get(known["replay"].variable)
    if not what:
        return None
    run = recorded.read(opening.find(str(what), paths.artifacts()))
    prepared = Prepared(run, {**chosen, "replay": str(what)}, tests=run.failed)
    own = {name for name, value in chosen.items() if value not in {None, "", False}}
    usable = _usable(run, own, prepared.lacking)
    for name in recorded.TAKEN:
        _choose(prepared, known[name], usable.get(name, ""), variables, given=name in own)
    if "layer" in own:
        prepared.lacking.append(f"layer: --layer {chosen['layer']} as given, in place of the {run.title}")
    prepared.lacking += _harness(run)
    prepared.lacking += _versions(run, str(prepared.chosen["provider"]), str(prepared.chosen["images"]))
    return prepared


def with_layer(prepared: Prepared) -> Prepared:
    """Make the layer, unless another one was given.

    Raises:
        WrongUsage: it cannot be had.
    """
    from platform_e2e.replay import rebuilding  # noqa: PLC0415 - the doctor needs no layer

    if not prepared.chosen.get("layer"):
        made = rebuilding.rebuild(prepared.recorded)
        prepared.chosen["layer"] = str(made.directory)
        prepared.origin = made.origin
        prepared.lacking += made.lacking
    return prepared


def environment(variables: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the environment without the variables that would choose something else than the earlier run had."""
    ours = {option.variable for option in OPTIONS if option.name in {*recorded.TAKEN, "layer"}}
    given = os.environ if variables is None else variables
    return {name: value for name, value in given.items() if name not in ours}


def printable(text: str) -> str:
    """Return a text, parts of which a stranger wrote, without what a terminal would obey."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def _choose(
    prepared: Prepared,
    option: Option,
    text: str,
    variables: Mapping[str, str],
    *,
    given: bool,
) -> None:
    """Take over one option of the earlier run, and say where the new run has another."""
    then = prepared.recorded.options.get(option.name, "")
    if given:
        now = prepared.chosen[option.name]
        if str(now) != then and not (now is True and then == "yes"):
            words = f"{option.option} {now}" if option.metavar else option.option
            prepared.lacking.append(f"option: {words} as given; the run had {then or 'none'}")
        return
    variable = variables.get(option.variable)
    if variable and variable != text:
        prepared.lacking.append(
            f"option: {option.variable}={variable} is set and not used; the run had {then or 'none'}"
        )
    # The default would come from the variable.
    prepared.chosen[option.name] = text or option.default


def _usable(run: Recorded, own: set[str], lacking: list[str]) -> dict[str, str]:
    """Return the options of the earlier run that this machine can have, and say which it cannot."""
    usable = dict(run.options)
    if redact.HIDDEN in usable.get("registry_mirror", ""):
        lacking.append("option: --registry-mirror had credentials, which are not kept: give it again")
        del usable["registry_mirror"]
    directory = usable.get("charts_dir")
    if directory and "charts_dir" not in own and not Path(directory).is_dir():
        lacking.append(
            f"charts: {directory} is not here; the charts come from where --provider has them. Give --charts-dir"
        )
        del usable["charts_dir"]
    if "sealing_key" not in own:
        lacking += _sealing_key(run, usable)
    if "provider" not in own:
        lacking += _provider(usable, own)
    return usable


def _sealing_key(run: Recorded, usable: dict[str, str]) -> list[str]:
    """Choose the key of Sealed Secrets: the file that the run had, else this checkout's own."""
    path = Path(usable.get("sealing_key") or "/nonexistent")
    option = next(option for option in OPTIONS if option.name == "sealing_key")
    if not path.is_file():
        path = Path(option.default)
    usable["sealing_key"] = str(path)
    same = run.sealing_key and path.is_file() and run.sealing_key == hashlib.sha256(path.read_bytes()).hexdigest()
    if same or not run.sealing_key:
        return []
    return [
        f"sealing key: the run had another than {path}, and keys are not kept, so SealedSecrets may not open: --sealing-key"
    ]


def _provider(usable: dict[str, str], own: set[str]) -> list[str]:
    """Let this machine choose where it cannot have the run's provider or images."""
    from platform_e2e.cluster import providers  # noqa: PLC0415 - only a replay asks so early

    provider, images = usable.get("provider", ""), usable.get("images", "")
    try:
        providers.decide(provider, images if "images" not in own else "auto", usable.get("registry_mirror", ""))
    except HarnessError as error:
        for name in ("provider", "images", "registry_mirror"):
            usable.pop(name, None)
        return [f"provider: {provider} with images {images}: {error.problem}. This machine chooses in its place"]
    return []


def _harness(run: Recorded) -> list[str]:
    """Say how to get the harness that ran it, where it is another one."""
    then = recorded.harness_commit(run)
    if not then:
        return ["harness: the run does not say at which commit it was"]
    now = work(run_layer_besides(run))
    known = now is not None and checkout.git(paths.ROOT, "cat-file", "-e", f"{then}^{{commit}}").returncode == 0
    patch = f"{run.kept.directory or 'DIRECTORY'}/{HARNESS_PATCH}"
    changed = bool(run.kept.text(HARNESS_PATCH))
    place = f"../platform-e2e-{then[:12]}"
    get = f"git worktree add {place} {then[:12]}" + (f" && git -C {place} apply {patch}" if changed else "")
    if not known:
        get = f"git fetch, then {get}"
    missing = [f"harness: {one}" for one in recorded.strings(run.harness.get("patch_withheld"))]
    if now is None or now.commit != then:
        here = now.commit[:12] if now is not None else "no checkout"
        more = " with uncommitted changes" if changed else ""
        return [f"harness: it was at {then[:12]}{more}, this one is at {here}. To have that one: {get}", *missing]
    if run.harness.get("digest") != digest_of(now):
        return [f"harness: its uncommitted changes are others now. To have those of the run: {get}", *missing]
    return []


def run_layer_besides(run: Recorded) -> Path | None:
    """Return which directory's changes the run did not count as the harness's: that of its layer within this checkout."""
    besides = run.harness.get("besides")
    return paths.ROOT / besides if isinstance(besides, str) and besides and not opening.leads_out(besides) else None


def work(besides: Path | None) -> checkout.Checkout | None:
    """Return what Git says of the harness, without the changes of a layer within it."""
    return checkout.describe(paths.ROOT, besides=besides, new=SOURCES)


def digest_of(found: checkout.Checkout | None) -> str:
    """Return the digest of uncommitted work; empty where there is none."""
    return hashlib.sha256(found.patch.encode()).hexdigest() if found is not None and found.patch else ""


def _versions(run: Recorded, provider: str, images: str) -> list[str]:
    """Say which versions this checkout has in place of those that ran; only of images that it builds can that be known."""
    if provider not in EMBEDDED_LIKE or images != BUILT:
        return []
    from platform_e2e.cluster.embedded import gomod  # noqa: PLC0415 - the doctor of a usual run needs neither
    from platform_e2e.foundations.embedded import CHARTS  # noqa: PLC0415 - the same

    said = []
    kubernetes = str(run.state.get("kubernetes") or "")
    here = gomod.read().module("k8s.io/kubernetes").version
    if kubernetes and provider == "embedded" and kubernetes != here:
        said.append(f"Kubernetes: {here} in place of {kubernetes}")
    for name, version in run.state.get("releases", {}).items():
        chart = CHARTS.get(run.state.get("charts", {}).get(name, name))
        if chart is not None and "charts_dir" not in run.options and chart.app_version != version:
            said.append(f"release {name}: {chart.app_version} in place of {version}")
    return said


def compare_states(then: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Return what was not as in the earlier run, now that the cluster was there: versions, pool, nodes, images by digest.

    Args:
        then: from `recorded.state`.
        now: the same of this run.
    """
    said = []
    for name, what in (("provider", "provider"), ("kubernetes", "Kubernetes"), ("nodes", "nodes"), ("pool", "pool")):
        before, after = then.get(name), now.get(name)
        if before and after and before != after:
            said.append(f"{what}: {_words(after)} in place of {_words(before)}")
    for group, what in (("releases", "release"), ("images", "image")):
        before, after = then.get(group) or {}, now.get(group) or {}
        known = (name for name in sorted(before.keys() & after.keys()) if before[name] and after[name])
        said += [
            f"{what} {name}: {_words(after[name])} in place of {_words(before[name])}"
            for name in known
            if before[name] != after[name]
        ]
    return [printable(one) for one in said]


def _words(value: Any) -> str:
    """Return a value as a sentence has it."""
    if isinstance(value, dict):
        return ", ".join(f"{key}: {one}" for key, one in value.items()) or "none"
    return str(value)
