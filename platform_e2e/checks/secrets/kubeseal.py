"""`kubeseal --validate`: whether the controller of a cluster can open a SealedSecret, as a team asks before a commit."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from platform_e2e import shell
from platform_e2e.checks.secrets import sealing
from platform_e2e.errors import BrokenHarness
from platform_e2e.kube.expect import Met, Pending, Verdict, poll
from platform_e2e.toolbox import programs

if TYPE_CHECKING:
    from platform_e2e.cluster.provider import ClusterFacts
    from platform_e2e.kube.read_api import ReadApi
    from platform_e2e.layer import Release
    from platform_e2e.timeline import Timeline

PROGRAM = "kubeseal"

CLOSED = "unable to decrypt sealed secret"
"""Its words for one that the controller cannot open (sealed-secrets 0.32.0, pkg/kubeseal/kubeseal.go)."""

BUSY = "429"
BUSY_WORDS = "Too Many Requests"
"""The controller answers two such questions a second (cmd/controller/main.go, rate-limit), and more later."""

SECONDS = 20.0
"""For one answer; it takes a tenth of one."""


@dataclass(frozen=True)
class Kubeseal:
    """The program, for one controller.

    Attributes:
        program: its path.
        kubeconfig: of the cluster.
        namespace: of the controller.
        controller: name of its Service.
    """

    program: Path
    kubeconfig: Path
    namespace: str
    controller: str

    @classmethod
    def of(cls, view: ReadApi, facts: ClusterFacts, release: Release, timeline: Timeline) -> Kubeseal:
        """Return the program for the controller of a release; it is built where it is missing.

        Raises:
            BrokenHarness: the release has no Service.
            BuildError: it cannot be built.
        """
        program = programs.ensure(timeline, only=(PROGRAM,)).path(PROGRAM)
        return cls(program, Path(facts.kubeconfig), release.namespace, sealing.service(view, release))

    def validates(self, sealed: Mapping[str, Any]) -> bool:
        """Tell whether the controller can open a SealedSecret under the name that it has.

        Raises:
            BrokenHarness: the controller could not be asked.
        """
        answers: list[bool] = []

        def ask() -> Verdict:
            done = shell.run(
                [
                    self.program,
                    "--validate",
                    "--kubeconfig",
                    self.kubeconfig,
                    "--controller-namespace",
                    self.namespace,
                    "--controller-name",
                    self.controller,
                ],
                stdin=json.dumps(sealed),
                timeout=SECONDS,
                ok=(0, 1),
            )
            if done.returncode and CLOSED not in done.stderr:
                if BUSY in done.stderr or BUSY_WORDS in done.stderr:
                    return Pending("the controller has been asked too often")
                said = " ".join(done.stderr.split())
                raise BrokenHarness(
                    f"kubeseal --validate must tell whether it can be opened, got `{said}`", "look at the controller"
                )
            answers[:] = [done.returncode == 0]
            return Met()

        poll(ask, timeout=SECONDS, what="the controller says whether it can open a SealedSecret")
        return answers[0]
