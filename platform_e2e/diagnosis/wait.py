"""The wait of `platform-e2e wait`: from the words of a command line to the outcome."""

from __future__ import annotations

import argparse
import contextlib
import time
from dataclasses import replace

from platform_e2e.cluster.connection import Connection, connect
from platform_e2e.diagnosis.argocd_refresh import Refresher
from platform_e2e.diagnosis.conditions import (
    JointCondition,
    Options,
    WaitCondition,
    conditions_for,
    options,
    rollouts_of,
)
from platform_e2e.diagnosis.object_refs import ObjectRef, ResolvedRef, parse, resolve
from platform_e2e.diagnosis.output import Output, short
from platform_e2e.errors import ExitCode, HarnessError, WrongUsage
from platform_e2e.gitops import argocd
from platform_e2e.kube.answers import ASKED, understood
from platform_e2e.kube.discovery import kinds
from platform_e2e.kube.expect import Met, Pending, Polled, Timeout, Unobserved, Verdict, eventually
from platform_e2e.kube.objects import Object
from platform_e2e.kube.reader import Reader
from platform_e2e.kube.sources import pending_on
from platform_e2e.kube.wait import WaitError

PATIENCE = 0.5
"""Seconds that one request is tried for: the wait itself goes on while the API server is away, and says so."""


AFTER = 6.0
"""Seconds after the timeout in which something is still asked: three for the last look, the others for the cause and the events."""


def main(args: argparse.Namespace, cluster: str) -> int:
    """Wait as the command line says.

    Args:
        args: as `platform_e2e.commands.wait` parses them.
        cluster: name of a cluster of this harness, or empty.

    Returns:
        0 when it is as expected, 1 when it is not in time, 2 when interrupted, 3 when nothing could be read, 4 for wrong usage.
    """
    output = Output(as_json=args.output == "json", quiet=args.quiet)
    wait = _Wait(args, cluster, output)
    try:
        with understood("what the API server answered"):
            wait.run()
    except HarnessError as error:
        output.failed(error)
        return error.exit_code
    except KeyboardInterrupt:
        wait.interrupted()
        return ExitCode.INTERRUPTED
    return ExitCode.HOLDS


class _Wait:
    """One command from its words to its outcome."""

    def __init__(self, args: argparse.Namespace, cluster: str, output: Output) -> None:
        self._args = args
        self._cluster = cluster
        self._output = output
        self._deadline = output.history.began + args.timeout
        self._condition: JointCondition | None = None

    def run(self) -> None:
        """Wait.

        Raises:
            HarnessError: it is not as expected, or could not be judged.
        """
        args = self._args
        wanted, words = options(args), parse(args.objects, args.selector)
        unnamed = next((word for word in words if not word.name), None)
        if unnamed and not args.selector:
            raise WrongUsage(f"`{unnamed}` names no object", f"write {unnamed}/NAME, or give labels by -l")
        ends = self._deadline + AFTER
        connection = connect(
            kubeconfig=args.kubeconfig,
            cluster=self._cluster,
            context=args.context,
            patience=PATIENCE,
            limits=ASKED,
            ends=ends,
        )
        with contextlib.ExitStack() as entered:
            kube = entered.enter_context(connection.kube)
            looks = None
            if wanted.refresh:
                writer = entered.enter_context(connection.writer(patience=PATIENCE, ends=ends))
                looks = Refresher(writer, self._output.say)
            joint = self._condition = JointCondition(self._prepare(connection, words, wanted, looks), kube)
            self._output.say(f"{connection.name}: {joint.what}?")
            if wanted.converged_on and not wanted.refresh:
                self._output.say("Argo CD looks at Git by itself, every few minutes; --refresh asks it to look now")
            follows = bool([part for part in joint.parts if part.revision])
            if looks:
                self._looked(joint, looks)
            self._eventually(joint, last=not follows)
            later = [more for app in joint.applications() for more in rollouts_of(kube, app)]
            if follows:
                # Once more with the Application itself, which may have left what it was meanwhile.
                whole = self._condition = JointCondition([*joint.parts, *later], kube)
                self._eventually(whole, last=True, what=joint.what)
            self._output.met(joint.what + self._lasting, joint.commits())

    @property
    def _lasting(self) -> str:
        return f" for {self._args.hold:g} s" if self._args.hold else ""

    def _prepare(
        self, connection: Connection, words: list[ObjectRef], wanted: Options, looks: Refresher | None
    ) -> list[WaitCondition]:
        """Find out what the words mean in this cluster, as soon as it answers, and let Argo CD look at Git where it is asked for."""
        kube = connection.kube

        def prepare() -> Verdict:
            known = kinds(kube)
            targets: list[ResolvedRef] = []
            for word in words:
                # A kind that is written with its group may come with a CRD that is still to be installed.
                if "." in word.kind and known.find(word.kind) is None:
                    return Pending(f"the API server serves no kind {word.kind}: its CRD is not installed")
                targets.append(
                    resolve(
                        word,
                        known.require(word.kind),
                        labels=self._args.selector,
                        namespace=self._args.namespace,
                        context_namespace=connection.namespace,
                    )
                )
            # Read once by a plain list: a user who may not list would wait for a stream in vain.
            read = [(each, self._list(kube, each)) for each in targets]
            found = [demand for each in targets for demand in conditions_for(kube, each, wanted)]
            revision = next((condition.revision for condition in found if condition.revision), "")
            apps = [app for each, objects in read if each.api == argocd.APPLICATION for app in objects]
            before = [looks.ask(app, revision) for app in apps if revision and looks]
            return next((outcome for outcome in before if outcome), Met(found))

        what = f"{', '.join(map(str, words))} is as expected"
        source = Polled(prepare, connection.name)
        left = max(self._deadline - time.monotonic(), 0.0)
        try:
            found: list[WaitCondition] = eventually(
                source, pending_on, timeout=left, what=what, progress=self._output.prepared
            )
        except (Timeout, Unobserved) as error:
            raise self._whole(error) from None
        return found

    @staticmethod
    def _list(kube: Reader, each: ResolvedRef) -> list[Object]:
        """Return the objects that are meant, as they are now."""
        name = {"metadata.name": each.name} if each.name else None
        return kube.list(each.api, each.namespace, each.labels or None, name)

    def _looked(self, joint: JointCondition, looks: Refresher) -> None:
        """Wait until Argo CD has looked at Git, in what is left of the time."""
        try:
            looks.wait(
                joint,
                timeout=max(self._deadline - time.monotonic(), 0.0),
                what=joint.what + self._lasting,
                progress=lambda words: self._output.steps(joint.news(words)),
            )
        except (Timeout, Unobserved) as error:
            raise self._whole(error) from None

    def _eventually(self, joint: JointCondition, *, last: bool, what: str = "") -> None:
        """Wait for all of a joint, in what is left of the time."""
        hold = self._args.hold if last else 0.0
        try:
            eventually(
                joint.source,
                joint.judge,
                timeout=max(self._deadline - time.monotonic(), 0.0),
                what=(what or joint.what) + self._lasting,
                for_=hold,
                explain=joint.explain,
                progress=lambda words: self._output.steps(joint.news(words)),
            )
        except (Timeout, Unobserved) as error:
            raise self._whole(error) from None

    def _whole(self, error: WaitError) -> WaitError:
        """Return the error with the seconds that were asked for, and with all that was seen since the command began."""
        asked_for = f"{self._args.timeout:g} s"
        # What could not be read to the end may have changed since.
        kind = Unobserved if error.report.trouble else type(error)
        outcome = f"not within {asked_for}"
        if "did not stay" in error.report.outcome:
            outcome = f"did not stay so for {self._args.hold:g} s within {asked_for}"
        return kind(
            replace(error.report, outcome=outcome, history=[short(line) for line in self._output.history.render()])
        )

    def interrupted(self) -> None:
        """Tell what was seen so far."""
        joint = self._condition
        if joint is None:
            self._output.interrupted(", ".join(self._args.objects), "", [])
            return
        shown: list[str] = joint.source.show(joint.state) if joint.state is not None else []
        self._output.interrupted(joint.what + self._lasting, joint.source.describe(), shown)
