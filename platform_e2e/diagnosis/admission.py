"""Admission rules that refuse objects: policies of the API server, and webhooks that answer no."""

from __future__ import annotations

import re
from dataclasses import dataclass

from platform_e2e.finding import Cause, Finding, Promise
from platform_e2e.kube.errors import ApiError
from platform_e2e.layer import Layer, NotJudged
from platform_e2e.layer.renderer import Reason

REFUSED = "admission-refuses"
"""Cause of an object that an admission rule refuses."""

_POLICY = re.compile(
    r"ValidatingAdmissionPolicy '(?P<name>[^']+)' with binding '[^']+' denied request: (?P<why>.*)", re.DOTALL
)
"""What the API server says where a policy refuses (apiserver, plugin/policy/validating/dispatcher.go)."""

_WEBHOOK = re.compile(r'admission webhook \\?"(?P<name>[^"\\]+)\\?" denied the request(?:: (?P<why>.*))?', re.DOTALL)
"""What the API server says where a webhook refuses (apiserver, plugin/webhook/errors/statuserror.go)."""

_FAILED = re.compile(r"resulted in error: (?P<error>.*)", re.DOTALL)
"""How it goes on where the expression of a policy cannot be evaluated (apiserver, plugin/policy/validating/validator.go)."""

_LONGEST = 300
"""Characters of what a rule says; an expression may have pages."""


@dataclass(frozen=True)
class Refusal:
    """What an admission rule has said of an object.

    Attributes:
        rule: that refuses, named as in findings.
        why: its message, or the error of its expression, on one line.
        fails: whether its expression cannot be evaluated, so that it says nothing of the object.
    """

    rule: str
    why: str
    fails: bool = False

    @property
    def sentence(self) -> str:
        """Return what it does, without an object."""
        return f"its expression fails: {self.why}" if self.fails else f"it says: {self.why}"

    @property
    def remedy(self) -> str:
        """Return how it is mended."""
        if self.fails:
            return "let the expression ask by has(...) for every field that an object may lack"
        return "correct what the rule names, or let the rule except the object"


def refusal(message: str) -> Refusal | None:
    """Return what a message of the API server tells of an admission rule, or None.

    Args:
        message: of a request that was refused, or of a sync that had one.
    """
    found = _POLICY.search(message)
    if found is not None:
        failed = _FAILED.search(found["why"])
        why = failed["error"] if failed else found["why"]
        return Refusal(f"validatingadmissionpolicy/{found['name']}", _short(why), failed is not None)
    found = _WEBHOOK.search(message)
    if found is not None:
        return Refusal(f"admissionwebhook/{found['name']}", _short(found["why"] or "no more than that"))
    return None


def _short(text: str) -> str:
    words = " ".join(text.split())
    return words if len(words) <= _LONGEST else f"{words[:_LONGEST]}..."


def of_own(error: ApiError, layer: Layer) -> Finding | NotJudged | None:
    """Return what the refusal of an object of the harness says of the rule that refused it; None where no rule did.

    Args:
        error: of a request of the harness itself.
        layer: that may have the rule.

    Returns:
        A finding where the expression of the rule fails, as it would for an object of anybody; else the rule as not judged: it may be
        right, and what the object was for cannot be judged beside it.
    """
    told = refusal(error.message)
    if told is None:
        return None
    if told.fails:
        sentence = f"{told.rule} refuses whatever its expression fails for, such as {error.request}: {told.why}"
        cause = layer.located(Cause(REFUSED, sentence, told.remedy, about=told.rule))
        return Finding(told.rule, Promise.APPLICATIONS, "an expression that can be evaluated", told.sentence, cause)
    rule = next((each for each in layer.rendered if str(each) == told.rule), None)
    return NotJudged(
        told.rule,
        Reason.ADMISSION,
        f"it refuses an object of the harness ({error.request}): {told.why}",
        "let it except namespaces whose name begins with platform-e2e-, or accept it in platform-e2e.yaml",
        rule.file if rule else "",
        rule.line if rule else None,
        (),
    )
