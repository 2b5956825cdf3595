"""`platform-e2e wait`: the library's expectations from a terminal, with the same sentences."""

from __future__ import annotations

import argparse
import contextlib
import time
from dataclasses import replace

from platform_e2e.ask.applications import Looks
from platform_e2e.ask.arguments import chosen_cluster
from platform_e2e.ask.connect import Connection, connect
from platform_e2e.ask.demands import Demand, Options, demands, of_workloads, options
from platform_e2e.ask.plan import Plan
from platform_e2e.ask.targets import Asked, Target, asked, target
from platform_e2e.ask.voice import Voice, short
from platform_e2e.errors import ExitCode, HarnessError, WrongUsage
from platform_e2e.gitops import argocd
from platform_e2e.kube.answers import ASKED, understood
from platform_e2e.kube.expect import Met, Pending, Polled, Timeout, Unobserved, Verdict, eventually
from platform_e2e.kube.kinds import kinds
from platform_e2e.kube.objects import Object
from platform_e2e.kube.reader import Reader
from platform_e2e.kube.source import pending_on
from platform_e2e.kube.waiting import WaitError

PATIENCE = 0.5
"""Seconds that one request is tried for: the wait itself goes on while the API server is away, and says so."""


AFTER = 6.0
"""Seconds after the timeout in which something is still asked: three for the last look, the others for the cause and the events."""


def main(known: argparse.Namespace) -> int:
    """Wait as the command line says.

    Args:
        known: as `arguments.of_wait` parses it.

    Returns:
        0 when it is as expected, 1 when it is not in time, 2 when interrupted, 3 when nothing could be read, 4 for wrong usage.
    """
    voice = Voice(as_json=known.output == "json", quiet=known.quiet)
    wait = _Wait(known, voice)
    try:
        with understood("what the API server answered"):
            wait.run()
    except HarnessError as error:
        voice.failed(error)
        return error.exit_code
    except KeyboardInterrupt:
        wait.interrupted()
        return ExitCode.INTERRUPTED
    return ExitCode.HOLDS


class _Wait:
    """One command from its words to its outcome."""

    def __init__(self, known: argparse.Namespace, voice: Voice) -> None:
        self._known = known
        self._voice = voice
        self._deadline = voice.history.began + known.timeout
        self._plan: Plan | None = None

    def run(self) -> None:
        """Wait.

        Raises:
            HarnessError: it is not as expected, or could not be judged.
        """
        known = self._known
        wanted, words = options(known), asked(known.objects, known.selector)
        unnamed = next((one for one in words if not one.name), None)
        if unnamed and not known.selector:
            raise WrongUsage(f"`{unnamed}` names no object", f"write {unnamed}/NAME, or give labels by -l")
        ends = self._deadline + AFTER
        connection = connect(
            kubeconfig=known.kubeconfig,
            cluster=chosen_cluster(known),
            context=known.context,
            patience=PATIENCE,
            limits=ASKED,
            ends=ends,
        )
        with contextlib.ExitStack() as entered:
            kube = entered.enter_context(connection.kube)
            looks = None
            if wanted.refresh:
                writer = entered.enter_context(connection.writer(patience=PATIENCE, ends=ends))
                looks = Looks(writer, self._voice.say)
            plan = self._plan = Plan(self._prepare(connection, words, wanted, looks), kube)
            self._voice.say(f"{connection.name}: {plan.what}?")
            if wanted.converged_on and not wanted.refresh:
                self._voice.say("Argo CD looks at Git by itself, every few minutes; --refresh asks it to look now")
            follows = bool([one for one in plan.demands if one.revision])
            self._eventually(plan, last=not follows)
            later = [more for app in plan.applications() for more in of_workloads(kube, app)]
            if follows:
                # Once more with the Application itself, which may have left what it was meanwhile.
                whole = self._plan = Plan([*plan.demands, *later], kube)
                self._eventually(whole, last=True, what=plan.what)
            self._voice.met(plan.what + self._lasting, plan.commits())

    @property
    def _lasting(self) -> str:
        return f" for {self._known.hold:g} s" if self._known.hold else ""

    def _prepare(
        self, connection: Connection, words: list[Asked], wanted: Options, looks: Looks | None
    ) -> list[Demand]:
        """Find out what the words mean in this cluster, as soon as it answers, and let Argo CD look at Git where it is asked for."""
        kube = connection.kube

        def prepare() -> Verdict:
            known = kinds(kube)
            targets: list[Target] = []
            for one in words:
                # A kind that is written with its group may come with a CRD that is still to be installed.
                if "." in one.kind and known.find(one.kind) is None:
                    return Pending(f"the API server serves no kind {one.kind}: its CRD is not installed")
                targets.append(
                    target(
                        one,
                        known.require(one.kind),
                        labels=self._known.selector,
                        namespace=self._known.namespace,
                        context_namespace=connection.namespace,
                    )
                )
            # Read once by a plain list: whoever may not list would wait for a stream in vain.
            read = [(each, self._list(kube, each)) for each in targets]
            found = [demand for each in targets for demand in demands(kube, each, wanted)]
            revision = next((one.revision for one in found if one.revision), "")
            apps = [app for each, objects in read if each.api == argocd.APPLICATION for app in objects]
            before = [looks.ask(app, revision) for app in apps if revision and looks]
            return next((one for one in before if one), Met(found))

        what = f"{', '.join(map(str, words))} is as expected"
        source = Polled(prepare, connection.name)
        left = max(self._deadline - time.monotonic(), 0.0)
        try:
            found: list[Demand] = eventually(source, pending_on, timeout=left, what=what, progress=self._voice.prepared)
        except (Timeout, Unobserved) as error:
            raise self._whole(error) from None
        return found

    @staticmethod
    def _list(kube: Reader, each: Target) -> list[Object]:
        """Return the objects that are meant, as they are now."""
        name = {"metadata.name": each.name} if each.name else None
        return kube.list(each.api, each.namespace, each.labels or None, name)

    def _eventually(self, plan: Plan, *, last: bool, what: str = "") -> None:
        """Wait for all of a plan, in what is left of the time."""
        hold = self._known.hold if last else 0.0
        try:
            eventually(
                plan.source,
                plan.judge,
                timeout=max(self._deadline - time.monotonic(), 0.0),
                what=(what or plan.what) + self._lasting,
                for_=hold,
                explain=plan.explain,
                progress=lambda words: self._voice.steps(plan.news(words)),
            )
        except (Timeout, Unobserved) as error:
            raise self._whole(error) from None

    def _whole(self, error: WaitError) -> WaitError:
        """Return the error with the seconds that were asked for, and with all that was seen since the command began."""
        asked_for = f"{self._known.timeout:g} s"
        # Whoever could not read to the end knows of a state that may be over.
        kind = Unobserved if error.report.trouble else type(error)
        outcome = f"not within {asked_for}"
        if "did not stay" in error.report.outcome:
            outcome = f"did not stay so for {self._known.hold:g} s within {asked_for}"
        return kind(
            replace(error.report, outcome=outcome, history=[short(line) for line in self._voice.history.render()])
        )

    def interrupted(self) -> None:
        """Tell what was seen so far."""
        plan = self._plan
        if plan is None:
            self._voice.interrupted(", ".join(self._known.objects), "", [])
            return
        shown: list[str] = plan.source.show(plan.state) if plan.state is not None else []
        self._voice.interrupted(plan.what + self._lasting, plan.source.describe(), shown)
