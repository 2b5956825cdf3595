"""The backup of the keys of Sealed Secrets is whole: it has every key of the cluster, and opens everything that Git has sealed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from platform_e2e.checks.secrets.files import SealedFile, finding_of, labels_of
from platform_e2e.diagnosis.objects import condition, listed, name_of
from platform_e2e.finding import Cause, Finding, Promise
from platform_e2e.kube.expect import Expectation, Met, Pending, Verdict
from platform_e2e.kube.objects import Object
from platform_e2e.layer import sealed_secrets, sealing_keys
from platform_e2e.layer.sealed_secrets import Seal
from platform_e2e.layer.sealing_keys import SealingKey


def unopened(sealed: Sequence[SealedFile], keys: Sequence[SealingKey]) -> list[Finding]:
    """Return a finding for each SealedSecret that a controller with these keys could not open.

    Args:
        sealed: what Git has.
        keys: of a backup; those that are not active count for nothing, since the controller does not read them.
    """
    private = sealing_keys.private_keys(keys)
    labels = labels_of(sealed)
    closed = (each for each in sealed if sealed_secrets.opening(each.object, private).seal is not Seal.OPENS)
    return [finding_of(each, private, labels) for each in closed]


def missing(backed_up: Sequence[SealingKey], live: Sequence[SealingKey], backup: str, cluster: str) -> list[Finding]:
    """Return a finding for each active key of a cluster that a backup lacks; the newest one seals what is sealed now.

    Args:
        backed_up: the keys of the backup.
        live: the keys of the cluster, the newest first.
        backup: its file, for the sentence.
        cluster: name of the cluster, for the sentence.
    """
    known = {each.fingerprint for each in backed_up}
    active = [each for each in live if each.active]
    return [
        _missing(each, backup, cluster, newest=each is active[0]) for each in active if each.fingerprint not in known
    ]


def _missing(each: SealingKey, backup: str, cluster: str, *, newest: bool) -> Finding:
    lost = "what is sealed since then" if newest else "what was sealed with it"
    cause = Cause(
        "sealing-key-not-backed-up",
        f"{backup} lacks {'the newest' if newest else 'a'} key of {cluster}, {each}: {lost} is lost with the cluster",
        "back the keys up again, into a new file: platform-e2e sealing-key backup --output FILE",
    )
    name = f"secret/{each.name} -n {each.namespace}"
    return Finding(name, Promise.SECRETS, "the backup has it", "the backup lacks it", cause)


def all_unsealed(names: Iterable[str] = ()) -> Expectation[Sequence[Object]]:
    """Return the expectation that every SealedSecret is unsealed, those of some names among them."""
    wanted = set(names)

    def judge(live: Sequence[Object]) -> Verdict:
        absent = wanted - set(map(name_of, live))
        closed = [name_of(each) for each in live if condition(each, "Synced").get("status") != "True"]
        if absent or closed:
            return Pending(f"not unsealed: {listed(sorted({*absent, *closed}))}")
        return Met(live)

    return judge
