"""Set aside what of a layer cannot be there on the cluster under test: it is not served, or something stands in for it."""

from __future__ import annotations

import base64
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path

from platform_e2e.layer import invented, left_out, stand_ins, yamlfile
from platform_e2e.layer.invented import Invented
from platform_e2e.layer.layer import Layer
from platform_e2e.layer.not_judged import NotJudged
from platform_e2e.layer.stand_ins import Choice, StandIns


def set_aside(
    layer: Layer, choice: Choice, *, sealing_keys: Sequence[bytes] = (), unseen: Collection[NotJudged] = ()
) -> Layer:
    """Return a layer without what is not served, and with what stands in for the rest.

    Args:
        layer: as it was read.
        choice: which images stand-ins replace.
        sealing_keys: private keys in PEM that the controller of SealedSecrets is given.
        unseen: what is not judged and Argo CD may render nevertheless, so that it must be left out.
    """
    left = tuple(left_out.children(layer.rendered, unseen))
    found = stand_ins.judge(layer.rendered, choice)
    left += found.left_out
    made: tuple[Invented, ...] = ()
    if choice.which != "none":
        made = invented.find(layer.rendered, sealing_keys, attended=stand_ins.attended(layer.rendered, choice))
    if not left and not made and found == StandIns():
        return layer
    gone = {(each.rendered.application, each.rendered.identity) for each in left}
    return replace(
        layer,
        rendered=tuple(each for each in layer.rendered if (each.application, each.identity) not in gone),
        applications=tuple(left_out.without(each, left) for each in layer.applications),
        stand_ins=found,
        invented=made,
        left_out=left,
    )


def private_keys(path: Path | None) -> list[bytes]:
    """Return the private keys in a backup of the key of SealedSecrets; none where there is no such file, or it is another."""
    if path is None or not path.is_file():
        return []
    found = []
    for document in yamlfile.parse(path.read_text(encoding="utf-8"), path.name):
        items = document.data.get("items") if isinstance(document.data, dict) else None
        for each in items if isinstance(items, list) else [document.data]:
            data = each.get("data") if isinstance(each, dict) else None
            if isinstance(data, dict) and data.get("tls.key"):
                found.append(base64.b64decode(str(data["tls.key"])))
    return found
