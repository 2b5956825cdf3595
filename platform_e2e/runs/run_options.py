"""Turn an earlier run into the options of a new one, and name what cannot be restored or differs."""

from __future__ import annotations

import hashlib
import os
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from platform_e2e import paths, redact
from platform_e2e.errors import HarnessError, WrongUsage
from platform_e2e.git import repository
from platform_e2e.option_values import own_checkout
from platform_e2e.runs import checkout, find_run, run_record
from platform_e2e.runs.find_run import HARNESS_PATCH
from platform_e2e.runs.run_record import RunRecord, Then
from platform_e2e.runs.snapshot import COPY
from platform_e2e.settings import OPTIONS, Option, Settings
from platform_e2e.untrusted.members import leads_out
from platform_e2e.untrusted.printable import shown

KNOWN = {option.name: option for option in OPTIONS}

NAMED = 5
"""How many objects a sentence names before it counts the rest."""

BUILT = "built"
"""The value of --images with which all versions are those of this checkout."""

SOURCES = frozenset({".py", ".go", ".mod", ".sum", ".toml", ".yaml", ".yml", ".json", ".tpl", ".sh", ".md"})
"""Endings of new files that may be part of the harness; other new files of a checkout, such as a .env, are not read."""

EMBEDDED_LIKE = ("embedded", "k3d")
"""Providers whose built images are made by this checkout."""


@dataclass
class Prepared:
    """A replay before it begins.

    Attributes:
        recorded: the earlier run.
        chosen: options of the new run, for `settings.resolve`.
        origin: what the layer was restored from; empty until it is restored, or where another layer was given.
        lacking: what cannot be restored, or differs from the earlier run, one sentence each.
        tests: the tests to run: those that failed.
    """

    recorded: RunRecord
    chosen: dict[str, object]
    origin: str = ""
    lacking: list[str] = field(default_factory=list)
    tests: tuple[Then, ...] = ()

    def lines(self) -> list[str]:
        """Return what is rebuilt and what is lacking, line by line, redacted and without control characters."""
        run = self.recorded
        options = [
            f"--{name.replace('_', '-')} {text}" for name, text in run.options.items() if self.chosen.get(name) == text
        ]
        layer = f"{run.title}, from {self.origin}" if self.origin else "the layer that was given"
        said = [f"replay of {run.kept.where}", f"  rebuilt:  {layer}", f"            {' '.join(options)}"]
        said += [f"  runs:     {len(self.tests)} test(s) that failed" if self.tests else "  runs:     what was chosen"]
        said += [f"  cannot be had, or differs: {sentence}" for sentence in self.lacking]
        said += [] if self.lacking else ["  no difference to the earlier run is known"]
        return [shown(redact.text(line)) for line in said if line.strip()]


def prepare(chosen: Mapping[str, object], environment: Mapping[str, str] | None = None) -> Prepared | None:
    """Return the replay that the user asked for, or None; the layer is not restored yet.

    The command line outranks the earlier run, and the earlier run outranks environment variables: so a run is rebuilt with the same
    options on every machine.

    Args:
        chosen: values of options by name as written on the command line.
        environment: instead of this process's own.

    Raises:
        WrongUsage: the run does not exist, or it was made elsewhere and --trust was not given.
    """
    variables = os.environ if environment is None else environment
    what = _given("replay", chosen, variables)
    if not what:
        return None
    run = run_record.read(find_run.find(what, paths.artifacts()))
    if not run.kept.made_here and not _trusted(chosen, variables):
        raise _untrusted(run)
    prepared = Prepared(run, {**chosen, "replay": what}, tests=run.failed)
    own = {name for name, value in chosen.items() if value not in {None, "", False}}
    usable = {name: run.options.get(name, "") for name in run_record.TAKEN}
    if "provider" not in own:
        prepared.lacking += _provider(usable, own, _given("registry_mirror", chosen, variables))
    for name in run_record.TAKEN:
        _choose(prepared, KNOWN[name], usable.get(name, ""), variables, given=name in own)
    prepared.lacking += _asked(run, chosen, variables)
    if "layer" in own:
        prepared.lacking.append(f"layer: --layer {chosen['layer']} as given, in place of the {run.title}")
    prepared.lacking += _harness(run)
    prepared.lacking += _versions(run, str(prepared.chosen["provider"]), str(prepared.chosen["images"]))
    return prepared


def with_layer(prepared: Prepared) -> Prepared:
    """Restore the layer, unless another one was given.

    Args:
        prepared: the replay; its `chosen`, `origin` and `lacking` are completed.

    Raises:
        WrongUsage: it cannot be restored.
    """
    from platform_e2e.runs import restore_layer  # noqa: PLC0415 - the doctor needs no layer

    if not prepared.chosen.get("layer"):
        given = _given("repository", prepared.chosen, os.environ)
        made = restore_layer.restore(prepared.recorded, own_checkout(given))
        prepared.chosen["layer"] = str(made.directory)
        prepared.origin = made.origin
        prepared.lacking += made.lacking
    return prepared


def environment(variables: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the environment without the variables of options that a replay takes from the earlier run."""
    ours = {KNOWN[name].variable for name in (*run_record.TAKEN, "layer")}
    given = os.environ if variables is None else variables
    return {name: value for name, value in given.items() if name not in ours}


def again(settings: Settings, repository: str) -> str:
    """Return the options that a replay of a run must be given again, since a replay takes no path from an earlier run.

    Args:
        settings: of the run.
        repository: the top of the checkout with its layer; an empty string where the layer is in no checkout.
    """
    words = []
    for name in (*run_record.ASKED, "repository"):
        value = getattr(settings, name)
        if (
            name == "repository"
            and settings.checkout is None
            and repository
            and not paths.project().is_relative_to(repository)
        ):
            value = ",".join(filter(None, (repository, value)))
        if value is not None and str(value) != KNOWN[name].usual:
            words.append(f" {KNOWN[name].option} {shlex.quote(redact.text(str(value)))}")
    return "".join(words)


def _given(name: str, chosen: Mapping[str, object], variables: Mapping[str, str]) -> str:
    """Return the value that the user gives an option now; an empty string where it is not given."""
    return str(chosen.get(name) or variables.get(KNOWN[name].variable) or "")


def _trusted(chosen: Mapping[str, object], variables: Mapping[str, str]) -> bool:
    """Tell whether the user allows what others have made to run here."""
    if chosen.get("trust"):
        return True
    try:
        return bool(KNOWN["trust"].parse(variables.get(KNOWN["trust"].variable) or "no"))
    except ValueError:
        # `settings.resolve` reports the invalid value.
        return False


def _untrusted(run: RunRecord) -> WrongUsage:
    """Return the error for a run that was made elsewhere, which lists what would run."""
    layer = f"the {run.title}" + (f", {len(run.kept.files[COPY])} bytes packed" if COPY in run.kept.files else "")
    with_options = "".join(
        f" --{name.replace('_', '-')} {run.options[name]}" for name in run_record.TAKEN if name in run.options
    )
    tests = f"{len(run.failed)} test(s) that failed" if run.failed else "no test that failed"
    return WrongUsage(
        shown(
            f"--replay: {run.kept.where} was not made with this cache ({paths.cache()}), or was changed since. It would run "
            f"here: {layer}, whose pods are then pods of this machine;{with_options or ' no options'}; {tests}"
        ),
        "look at what it has, and if you trust who made it, replay it with --trust",
    )


def _choose(
    prepared: Prepared,
    option: Option,
    text: str,
    variables: Mapping[str, str],
    *,
    given: bool,
) -> None:
    """Take over one option of the earlier run, and note where the new run has another value."""
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


def _asked(run: RunRecord, chosen: Mapping[str, object], variables: Mapping[str, str]) -> list[str]:
    """Return how each option that names a path differs from the run's: only values that are given now are used."""
    said = []
    for name in ("registry_mirror", "charts_dir"):
        then, now, option = run.options.get(name, ""), _given(name, chosen, variables), KNOWN[name].option
        if now and now != then:
            said.append(f"option: {option} {now} as given; the run had {then or 'none'}")
        elif then and not now:
            said.append(f"option: {option}: the run had {then}. A place is never taken from a run: give {option} again")
    key = _given("sealing_key", chosen, variables) or KNOWN["sealing_key"].usual
    path = Path(key).expanduser()
    same = path.is_file() and run.sealing_key == hashlib.sha256(path.read_bytes()).hexdigest()
    if run.sealing_key and not same:
        said.append(
            f"sealing key: the run had another than {key or 'none'}, and keys are not kept, so SealedSecrets may not open: --sealing-key"
        )
    return said


def _provider(usable: dict[str, str], own: set[str], mirror: str) -> list[str]:
    """Remove the run's provider and images from the options where this machine cannot have them, so that it chooses itself."""
    from platform_e2e.cluster import providers  # noqa: PLC0415 - only a replay asks so early

    provider, images = usable.get("provider", ""), usable.get("images", "")
    try:
        providers.decide(provider, images if "images" not in own else "auto", mirror)
    except HarnessError as error:
        for name in ("provider", "images"):
            usable.pop(name, None)
        return [f"provider: {provider} with images {images}: {error.problem}. This machine chooses in its place"]
    return []


def _harness(run: RunRecord) -> list[str]:
    """Return how to get the harness of the earlier run, where this one differs."""
    then = run_record.harness_commit(run)
    if not then:
        return ["harness: the run does not say at which commit it was"]
    now = work(run_layer_besides(run))
    known = False
    if now is not None:
        with repository.opened(paths.ROOT) as git:
            known = git is not None and git.has(then)
    place = f"../platform-e2e-{then[:12]}"
    get = ("" if known else "git fetch, then ") + f"git worktree add {place} {then[:12]}"
    missing = [f"harness: {text}" for text in run.harness.get("patch_withheld", ())]
    if run.kept.text(HARNESS_PATCH):
        missing = [_patch(run, place), *missing]
    if now is None or now.commit != then:
        here = now.commit[:12] if now is not None else "no checkout"
        return [f"harness: it was at {then[:12]}, this one is at {here}. To have that one: {get}", *missing]
    if run.harness.get("digest") != digest_of(now):
        return [f"harness: its uncommitted changes are others now. To have its commit: {get}", *missing]
    return []


def _patch(run: RunRecord, place: str) -> str:
    """Return where the patch of the harness is, and the warning that it is code which would run with the user's rights."""
    size = len(run.kept.files[HARNESS_PATCH])
    if run.kept.directory is None:
        where = f"{HARNESS_PATCH} of {run.kept.where}"
    else:
        where = shlex.quote(str(run.kept.directory / HARNESS_PATCH))
    author = "a run of this cache had them" if run.kept.made_here else "a stranger may have written them"
    return (
        f"harness: it had uncommitted changes, {size} bytes in {where}. They are code that would run with your rights, and {author}: "
        f"read them before you apply them in {place}"
    )


def run_layer_besides(run: RunRecord) -> Path | None:
    """Return the directory of the run's layer within this checkout, which does not belong to the harness; None where it is elsewhere."""
    besides = run.harness.get("besides")
    return paths.ROOT / besides if besides and not leads_out(besides) else None


def work(besides: Path | None) -> checkout.Checkout | None:
    """Return the state of the harness in Git, without the changes of a layer within it; None where it is installed."""
    return checkout.describe(paths.CHECKOUT, besides=besides, new=SOURCES) if paths.CHECKOUT else None


def digest_of(found: checkout.Checkout | None) -> str:
    """Return the digest of uncommitted changes; an empty string without such changes."""
    return hashlib.sha256(found.patch.encode()).hexdigest() if found is not None and found.patch else ""


def _versions(run: RunRecord, provider: str, images: str) -> list[str]:
    """Return which versions this checkout has in place of those that ran; they are known only of images that it builds."""
    if provider not in EMBEDDED_LIKE or images != BUILT:
        return []
    from platform_e2e.foundations.embedded import CHARTS  # noqa: PLC0415 - the same
    from platform_e2e.toolbox import gomod  # noqa: PLC0415 - the doctor of a usual run needs neither

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
    """Return how the clusters of the earlier run and of this one differ: versions, pool, nodes, images by digest.

    Args:
        then: `RunRecord.state` of the earlier run.
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
    return [shown(sentence) for sentence in said]


def compare_unjudged(then: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """Return how much less, or more, is judged than in the earlier run, in one sentence each.

    Args:
        then: `RunRecord.unjudged` of the earlier run: reasons by object.
        now: the same of this run.
    """
    said = []
    for here, there, words in (
        (now, then, "not judged here, judged then"),
        (then, now, "judged here, not judged then"),
    ):
        found = [f"{name} ({reason})" for name, reason in here.items() if name not in there]
        if found:
            more = f" and {len(found) - NAMED} more" if len(found) > NAMED else ""
            said.append(f"{words}: {', '.join(found[:NAMED])}{more}")
    return [shown(sentence) for sentence in said]


def _words(value: Any) -> str:
    """Return a value as a sentence has it."""
    if isinstance(value, dict):
        return ", ".join(f"{key}: {item}" for key, item in value.items()) or "none"
    return str(value)
