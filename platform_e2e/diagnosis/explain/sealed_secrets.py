"""Causes of a SealedSecret that makes no Secret."""

from __future__ import annotations

from platform_e2e.diagnosis.objects import at, condition, name_of
from platform_e2e.diagnosis.registry import explains
from platform_e2e.finding import Cause
from platform_e2e.kube.objects import Object
from platform_e2e.kube.read_api import ReadApi


@explains("bitnami.com/v1alpha1/SealedSecret")
def not_unsealed(sealed: Object, _view: ReadApi) -> Cause | None:
    """It cannot be decrypted, or its Secret has another owner."""
    synced = condition(sealed, "Synced")
    seen, newest = at(sealed, "status", "observedGeneration"), at(sealed, "metadata", "generation")
    # What the controller says of earlier content may be mended.
    if synced.get("status") != "False" or (seen and newest and seen < newest):
        return None
    return Cause(
        "secret-not-unsealed",
        f"{name_of(sealed)} makes no Secret, because of `{' '.join(str(synced.get('message', '')).split())}`",
        "seal it again for this cluster's key, name and namespace, or restore the key that it was sealed with",
    )
