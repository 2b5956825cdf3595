"""Write into a run's directory what a replay needs to rebuild it: layer, harness, cluster, images by digest."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from platform_e2e import paths
from platform_e2e.cluster.provider import ClusterFacts
from platform_e2e.errors import HarnessError
from platform_e2e.git import repository
from platform_e2e.git.urls import is_remote
from platform_e2e.runs import checkout, run_options, snapshot
from platform_e2e.runs.directory import Run
from platform_e2e.runs.find_run import HARNESS_PATCH, PATCH
from platform_e2e.runs.run_options import Prepared
from platform_e2e.runs.run_record import ended
from platform_e2e.runs.verdict import BAD, Result
from platform_e2e.untrusted.printable import shown

STATE = "marks/state.json"
"""File of the cluster's state, written by the process that ends first for the one that writes run.json."""

IMAGES = "marks/images.json"
"""File of the images in use, written by the first process with a Kubernetes client."""

LIST_SECONDS = 5.0
"""Seconds for the list of pods at the end of the run, which must end also where the API server is gone."""

CHANCE = "names of clusters, namespaces and branches, and pauses between attempts; nothing that decides what is tested"
"""What is random in a run. No seed has to be kept: only tests of the harness use Hypothesis, those of the platform do not."""


def layer(run: Run, replay: Prepared | None, root: Path | None = None, urls: Sequence[str] = ()) -> dict[str, Any]:
    """Keep the layer in its current state, and return its description for run.json.

    Args:
        run: a run that has a directory.
        replay: the earlier run, where this one replays its layer; its description of Git is copied.
        root: the directory that the paths of Applications begin at; the layer's own by default. All of it is kept.
        urls: of the repository, without credentials; they are needed again where the layer is a directory in it.
    """
    given = run.settings.layer.resolve()
    root = (root or given).resolve()
    said: dict[str, Any] = {}
    if given != root and given.is_relative_to(root):
        said = {"within": given.relative_to(root).as_posix(), "urls": [each for each in urls if is_remote(each)]}
    try:
        if replay is not None and replay.origin:
            said |= _of_earlier(run, replay)
            known = {str(entry["path"]) for entry in said.pop("withheld_then") if entry.get("committed") is True}
            return {**said, **snapshot.take(root, run.directory, known.__contains__)}
        found = checkout.describe(root)
        if found is not None:
            said |= _of_git(found)
            said["repository"] = str(root).removesuffix("/" + found.prefix.rstrip("/"))
            _write(run.directory / PATCH, found.patch)
        return {**said, **snapshot.take(root, run.directory, lambda name: _committed(root, found, name))}
    except (HarnessError, OSError) as error:
        # The platform must be judged also where its layer cannot be described, or not be kept on a full disk.
        return {**said, "problem": str(error)}


def _of_earlier(run: Run, replay: Prepared) -> dict[str, Any]:
    """Return the earlier run's description of its layer, and write its patch."""
    earlier = replay.recorded
    _write(run.directory / PATCH, earlier.kept.text(PATCH))
    known = ("prefix", "uncommitted", "patch_withheld", "within", "urls")
    return {
        **{name: value for name, value in earlier.layer.items() if name in known},
        **({"commit": earlier.commit} if earlier.commit else {}),
        "name": f"layer of {shown(earlier.kept.name)}",
        "withheld_then": earlier.withheld,
    }


def harness(run: Run) -> dict[str, Any]:
    """Return the harness's description for run.json, and write the patch of its uncommitted changes without the layer's."""
    within = run.settings.layer.resolve()
    besides = within if within.is_relative_to(paths.ROOT) and within != paths.ROOT else None
    try:
        found = run_options.work(besides)
    except HarnessError as error:
        return {"problem": str(error)}
    if found is None:
        return {}
    _write(run.directory / HARNESS_PATCH, found.patch)
    return {
        **_of_git(found),
        "digest": run_options.digest_of(found),
        "besides": besides.relative_to(paths.ROOT).as_posix() if besides else "",
    }


def _of_git(found: checkout.Checkout) -> dict[str, Any]:
    """Return the state of a directory in Git as plain data, without the patch, which has a file of its own."""
    return {
        "commit": found.commit,
        "prefix": found.prefix,
        "uncommitted": list(found.uncommitted),
        "patch_withheld": list(found.withheld),
    }


def _committed(root: Path, found: checkout.Checkout | None, name: str) -> bool:
    """Tell whether a file of the layer is in Git unchanged."""
    if found is None:
        return False
    words = ("status", "--porcelain", "--ignored", "--untracked-files=all", "--", f":(literal){name}")
    with repository.opened(root) as git:
        status = git.git(*words) if git is not None else None
    return status is not None and status.returncode == 0 and not status.stdout


def _write(path: Path, patch: str) -> None:
    """Write a patch unless it is empty."""
    if patch:
        path.write_text(patch, encoding="utf-8", newline="")


def sealing_key(run: Run) -> str:
    """Return the SHA-256 of the file with the key, which reveals nothing else of a private key."""
    path = run.settings.sealing_key
    return hashlib.sha256(path.read_bytes()).hexdigest() if path and path.is_file() else ""


def note_state(run: Run, pods: Callable[[], Iterable[Mapping[str, Any]]] | None) -> None:
    """Write the state of the cluster while it exists, for run.json.

    The first process that ends writes the state; the first one with a client writes the images.

    Args:
        run: that uses the cluster.
        pods: returns the pods of the cluster, within LIST_SECONDS; None where the process has no client.
    """
    place = paths.clusters() / run.settings.cluster / "cluster.json"
    if place.exists() and run.claim("state"):
        try:
            facts = ClusterFacts.read(place)
        except FileNotFoundError:
            # The last process to let go of the cluster has just removed it.
            return
        state = {
            "provider": facts.provider,
            "kubernetes": facts.kubernetes,
            "nodes": len(facts.nodes),
            "image_source": facts.images,
            "segment": facts.segment,
            "pool": facts.pool_map,
        }
        run.write_json(STATE, state)
    if pods is None or not place.exists() or not run.claim("images"):
        return
    noted: dict[str, Any]
    try:
        found = digests(pods())
        # Names are not keys: the value of a name that looks like a secret's, such as sealed-secrets, would be redacted.
        noted = {"images": [{"image": image, "digest": digest} for image, digest in found.items()]}
    except HarnessError as error:
        noted = {"problem": str(error)}
    run.write_json(IMAGES, noted)


def digests(pods: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Return the digest on the nodes of each image, by the name in the pods; an empty digest where the image was not pulled."""
    found: dict[str, str] = {}
    for pod in pods:
        status = pod.get("status") or {}
        for container in [*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())]:
            name, digest = str(container.get("image", "")), str(container.get("imageID") or "").rpartition("@")[2]
            found[name] = digest or found.get(name, "")
    return dict(sorted(found.items()))


NOT_AS_PINNED = (" in place of ", " without ", " from ")
"""Words of a release whose version or values are not those that a foundations.yaml pins, or that comes from elsewhere."""


def not_as_pinned(versions: Iterable[str]) -> list[str]:
    """Return what is said of releases that do not run as the layer's foundations.yaml has them.

    Args:
        versions: what is said of each.
    """
    return [version for version in versions if any(words in version for words in NOT_AS_PINNED)]


def state(run: Run) -> dict[str, Any]:
    """Return the state of the cluster, with the installed releases."""
    noted: dict[str, Any] = {}
    for path in (run.directory / STATE, run.directory / IMAGES):
        if path.exists():
            noted |= json.loads(path.read_text(encoding="utf-8"))
    releases = {
        str(event["name"]).removeprefix("release "): {"running": event["running"], "chart": event.get("chart", "")}
        for event in run.events()
        if event["kind"] == "fact" and event.get("running")
    }
    return {**noted, "releases": [{"release": name, **said} for name, said in releases.items()]}


def failed(tests: Iterable[Result]) -> list[dict[str, Any]]:
    """Return the tests that failed, each with the ids of its causes."""
    return [{"test": test.test, "causes": list(test.causes)} for test in ended(tests) if test.outcome in BAD]
