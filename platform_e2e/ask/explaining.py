"""`platform-e2e explain`: what holds an object now, or everything that is held. Reads only."""

from __future__ import annotations

import argparse
import time

from platform_e2e.ask.arguments import chosen_cluster
from platform_e2e.ask.connect import Connection, connect
from platform_e2e.ask.diagnosis import Diagnosis, absent, diagnose
from platform_e2e.ask.remembered import Remembered
from platform_e2e.ask.scan import scan
from platform_e2e.ask.targets import Target, asked, target
from platform_e2e.ask.voice import Voice
from platform_e2e.errors import ExitCode, HarnessError, WrongUsage
from platform_e2e.kube.answers import KEPT, understood
from platform_e2e.kube.errors import Forbidden
from platform_e2e.kube.kinds import kinds

PATIENCE = 2.0
"""Seconds that one request is tried for: a person waits for the answer."""

NAMESPACE = "v1/Namespace"


def main(known: argparse.Namespace) -> int:
    """Explain as the command line says.

    Args:
        known: as `arguments.of_explain` parses it.

    Returns:
        0 when nothing is held, 1 when something is, 3 when it could not be read, 4 for wrong usage.
    """
    voice = Voice(as_json=known.output == "json", quiet=False)
    try:
        connection = connect(
            kubeconfig=known.kubeconfig,
            cluster=chosen_cluster(known),
            context=known.context,
            patience=PATIENCE,
            limits=KEPT,
            ends=time.monotonic() + known.timeout,
        )
        with connection.kube, understood("what the API server answered"):
            about, found = _diagnoses(known, connection)
            voice.explained(about, found)
    except HarnessError as error:
        voice.failed(error)
        return error.exit_code
    if any(one.cause is not None or (not one.met and not one.unread) for one in found):
        return ExitCode.BROKEN_PLATFORM
    return ExitCode.HOLDS if all(one.sound for one in found) else ExitCode.BROKEN_HARNESS


def _diagnoses(known: argparse.Namespace, connection: Connection) -> tuple[str, list[Diagnosis]]:
    """Return what was asked about, in words, and what was found."""
    view = Remembered(connection.kube)
    words = asked(known.objects, known.selector) if known.objects else []
    if not words and known.selector:
        raise WrongUsage("-l was given without a kind", f"name one: `explain pods -l {known.selector}`")
    if not words:
        where = f"in namespace {known.namespace}" if known.namespace else "in the cluster"
        if known.namespace and _is_absent(known.namespace, view):
            return where, [absent(NAMESPACE, known.namespace, None, view)]
        return where, scan(view, known.namespace or None)
    served = kinds(connection.kube)
    found: list[Diagnosis] = []
    for one in words:
        meant = target(
            one,
            served.require(one.kind),
            labels=known.selector,
            namespace=known.namespace,
            context_namespace=connection.namespace,
        )
        found += _of(meant, view)
    return ", ".join(map(str, words)), found


def _of(meant: Target, view: Remembered) -> list[Diagnosis]:
    """Return what holds an object, or each of several; of a namespace, what holds anything in it as well."""
    if meant.name is None:
        listed = view.list(meant.api, meant.namespace, meant.labels or None)
        if not listed:
            raise WrongUsage(f"there are no {meant}", "correct the namespace or the labels")
        return [diagnose(obj, view) for obj in listed]
    obj = view.get(meant.api, meant.name, meant.namespace)
    if obj is None:
        return [absent(meant.api, meant.name, meant.namespace, view)]
    inside = scan(view, meant.name) if meant.api == NAMESPACE else []
    itself = diagnose(obj, view)
    return [itself, *inside] if not itself.sound or not inside else inside


def _is_absent(namespace: str, view: Remembered) -> bool:
    """Tell whether a namespace surely does not exist; whoever may not read namespaces may still look into one."""
    try:
        return view.get(NAMESPACE, namespace) is None
    except Forbidden:
        return False
