"""The platform for tests: expectations of its objects, and findings about them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NoReturn

from platform_e2e.checks import applications
from platform_e2e.checks.polling import until_no_findings
from platform_e2e.diagnosis import object_refs
from platform_e2e.diagnosis.attribution import depend_on, findings_of_promise
from platform_e2e.diagnosis.causes import OBJECT_MISSING
from platform_e2e.diagnosis.explain import explain, unexplained_of
from platform_e2e.finding import PROVEN, Cause, Finding, Promise
from platform_e2e.gitops.git import GitServer
from platform_e2e.kube.client import Kube
from platform_e2e.kube.fields import field as field_of
from platform_e2e.kube.objects import Object
from platform_e2e.kube.readiness import condition, exists
from platform_e2e.kube.verdict import Expectation, Failed, Met
from platform_e2e.layer import Layer, Release
from platform_e2e.layer.objects import Rendered, described
from platform_e2e.runs.verdict import PromiseBroken
from platform_e2e.testing.http import Http

TIMEOUT = 30.0
"""Seconds for an object that Argo CD has applied already; most are ready at once."""


@dataclass(frozen=True)
class Platform:
    """The layer under test on the cluster; the fixture `platform` returns it.

    Attributes:
        layer: read from its directory: what must be true.
        kube: the client of the cluster.
        git: the server that Argo CD reads from; tests commit and revert there, on branches of their own.
        sha: the commit that is served: the working tree, with the visible changes for this cluster on top.
        releases: the foundations, each with the fields of `foundations.Installed`.
        converged: seconds until it converged, by the name of the Application.
        held: cause that keeps it from converging, by the name of the Application.
        broken: finding about a release that is not ready and never will be, by its name.
    """

    layer: Layer
    kube: Kube
    git: GitServer
    sha: str
    releases: Sequence[Mapping[str, Any]] = ()
    converged: Mapping[str, float] = field(default_factory=dict)
    held: Mapping[str, Cause] = field(default_factory=dict)
    broken: Mapping[str, Finding] = field(default_factory=dict)

    def expect(self, each: Rendered | str) -> Expected:
        """Return the expectations of an object.

        Args:
            each: an object of the layer, or `kind/NAME -n NAMESPACE` of any object; a kind outside of Kubernetes' core has its
                group and version, as in `apps/v1/Deployment/chat -n chat-dev`.

        Raises:
            WrongUsage: the text does not name an object.
        """
        return Expected(self, Target.of(each))

    def http(self, each: Rendered | str) -> Http:
        """Return an HTTP client of a Service: an object of the layer, or `service/NAME -n NAMESPACE`."""
        expected = self.expect(each)
        return Http(self.kube, expected.exists, expected.fail)

    def explain(self, each: Rendered | Object) -> Cause | None:
        """Return the known cause why an object is not ready in the cluster now; None where none is known.

        Args:
            each: an object of the layer, or one that the client has returned.
        """
        live = self._live(Target.of(each)) if isinstance(each, Rendered) else each
        return explain(live, self.kube) if live is not None else None

    def finding(
        self, each: Rendered | Target | str, *, expected: str, observed: str, cause: Cause | None = None, **details: Any
    ) -> Finding:
        """Return a finding of the promise that the test proves; `promises.report([finding])` fails the test with it.

        Args:
            each: what is broken: an object of the layer, or `kind/NAME -n NAMESPACE`.
            expected: what must be true.
            observed: what is true.
            cause: why; by default the known cause of the object, or its newest event.
            details: figures for the report.
        """
        target = Target.of(each)
        why = cause or self._cause(target, self._live(target), observed)
        return Finding(str(target), PROVEN.get(), expected, observed, self.layer.located(why, target.rendered), details)

    def lacking(self) -> dict[str, Finding]:
        """Return the finding about each Application that has not converged, by its name."""
        names = {name: str(self.layer.application(name)) for name in self.held}
        return {
            name: Finding(names[name], Promise.APPLICATIONS, "it converges", "it does not", cause)
            for name, cause in self.held.items()
        }

    def not_ready(self) -> list[tuple[Release, Finding]]:
        """Return the releases that are not ready, each with its finding."""
        return [(release, self.broken[release.name]) for release in self.layer.releases if release.name in self.broken]

    def _live(self, target: Target) -> Object | None:
        return self.kube.get(target.api, target.name, target.namespace)

    def _cause(self, target: Target, live: Object | None, observed: str) -> Cause:
        """Return why an expectation of an object is not met."""
        if live is not None:
            return explain(live, self.kube) or unexplained_of(live, self.kube, observed)
        remedy = "look at the Application that renders it" if target.rendered else "create it, or correct its name"
        return Cause(OBJECT_MISSING, f"{target} is not in the cluster", remedy)

    def _application(self, target: Target) -> list[Finding]:
        """Return the findings about the Application that renders an object."""
        if target.rendered is None:
            return []
        application = self.layer.application(target.rendered.application)
        return applications.wait_converged(application, self.sha, self.kube, timeout=0)


@dataclass(frozen=True)
class Target:
    """An object that a test is about.

    Attributes:
        api: apiVersion and kind.
        name: of the object.
        namespace: None for kinds without namespaces.
        rendered: the layer's object, or None where the layer does not have it.
    """

    api: str
    name: str
    namespace: str | None
    rendered: Rendered | None = None

    @classmethod
    def of(cls, each: Rendered | Target | str) -> Target:
        """Return an object of the layer, or one that a text such as `service/chat -n chat-dev` names, as a target.

        Raises:
            WrongUsage: the text does not name an object.
        """
        if isinstance(each, Target):
            return each
        if isinstance(each, Rendered):
            return cls(each.api, each.name, each.namespace, each)
        ref, namespace = object_refs.named(each)
        api = ref.kind if "/" in ref.kind else f"v1/{ref.kind[:1].upper()}{ref.kind[1:]}"
        return cls(api, str(ref.name), namespace)

    def __str__(self) -> str:
        """Return its name as in findings."""
        return described(self.api.rpartition("/")[2], self.name, self.namespace)


class _Final(Exception):
    """An expectation cannot be met any more: looking again does not help."""

    def __init__(self, findings: list[Finding]) -> None:
        super().__init__()
        self.findings = findings


@dataclass(frozen=True)
class Expected:
    """Wait until an object meets an expectation; each method then returns the object.

    When the time is over a method raises `PromiseBroken` with the finding, or `BlockedByPromise` where the cause belongs to another
    promise: the test of that promise fails then, and this test is blocked.

    Attributes:
        platform: the platform of the object.
        target: the object.
    """

    platform: Platform
    target: Target

    def exists(self, *, timeout: float = TIMEOUT) -> Object:
        """Expect that the object exists within `timeout` seconds."""
        return self.satisfies(exists, "it exists", timeout=timeout)

    def condition(self, type_: str, status: str = "True", *, timeout: float = TIMEOUT) -> Object:
        """Expect a condition of the object's status.

        Args:
            type_: of the condition, such as `Ready`.
            status: that it must have, `True`, `False` or `Unknown`.
            timeout: seconds.
        """
        return self.satisfies(condition(type_, status), f"condition {type_} is {status}", timeout=timeout)

    def field(self, path: str, value: object = None, *, timeout: float = TIMEOUT) -> Object:
        """Expect a value of a field.

        Args:
            path: as kubectl writes it, such as `.status.phase` or `.spec.containers[0].image`.
            value: that it must have; by default any value.
            timeout: seconds.
        """
        demand = path if value is None else f"{path}={value}"
        return self.satisfies(field_of(demand).judge, f"{path} is {value or 'set'}", timeout=timeout)

    def satisfies(self, expectation: Expectation[Object | None], expected: str, *, timeout: float = TIMEOUT) -> Object:
        """Expect anything of the object.

        Args:
            expectation: takes the object, None while it is absent, and returns `Met()`, `Pending(why)` or `Failed(why)`.
            expected: the same in words, for the finding.
            timeout: seconds; `Failed`, and a cause that is known to be permanent, end the wait earlier.
        """
        target, seen = self.target, [Object()]

        def look() -> list[Finding]:
            live = self.platform._live(target)  # noqa: SLF001
            verdict = expectation(live)
            if isinstance(verdict, Met):
                seen[0] = live or {}
                return []
            # The cause is derived from the same state as the verdict.
            cause = self.platform._cause(target, live, verdict.why)  # noqa: SLF001
            found = [self.platform.finding(target, expected=expected, observed=verdict.why, cause=cause)]
            if isinstance(verdict, Failed):
                raise _Final(found)
            return found

        try:
            findings = until_no_findings(look, timeout=timeout, what=f"{target}: {expected}")
        except _Final as final:
            findings = final.findings
        if findings:
            self._fail(findings)
        return seen[0]

    def fail(self, expected: str, observed: str) -> NoReturn:
        """Fail the test with a finding about the object.

        Args:
            expected: what must be true, in words.
            observed: what is true, in words.

        Raises:
            PromiseBroken: always, unless the cause belongs to another promise.
            BlockedByPromise: the cause belongs to another promise.
        """
        self._fail([self.platform.finding(self.target, expected=expected, observed=observed)])

    def _fail(self, findings: Sequence[Finding]) -> NoReturn:
        if any(finding.cause.id == OBJECT_MISSING for finding in findings):
            # The Application has not created the object because of what keeps it from converging.
            depend_on(self.platform._application(self.target))  # noqa: SLF001
        raise PromiseBroken(findings_of_promise(findings, lambda: self.platform._application(self.target)))  # noqa: SLF001
