"""Serve what names the cluster under test by another address or name as Argo CD knows it on that cluster itself.

An address is replaced wherever it is a whole value, a name only as that of a destination: elsewhere the same word may mean anything.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping

from ruamel.yaml.nodes import Node, ScalarNode

from platform_e2e.gitops import yamledit
from platform_e2e.gitops.pool_remap import Moved
from platform_e2e.gitops.yaml_patches import Fragment


def concerned(content: bytes, renamed: Mapping[str, str]) -> bool:
    """Tell whether a file may name a cluster that is renamed."""
    return any(each.encode() in content for written in renamed for each in _forms(written, written))


def find(fragment: Fragment, renamed: Mapping[str, str]) -> list[Moved]:
    """Return every scalar of a fragment to rewrite."""
    if not renamed:
        return []
    servers = {form: new for old, name in renamed.items() if "://" in old for form, new in _forms(old, name).items()}
    names = {old: new for old, new in renamed.items() if "://" not in old}
    return [moved for root in fragment.roots for moved in _document(root, servers, names)]


def _forms(old: str, new: str) -> dict[str, str]:
    """Return a value as it is written, and as the data of a Secret has it."""
    if "://" not in old:
        return {old: new}
    shortened = old.rstrip("/")
    every = {shortened: new, f"{shortened}/": new}
    return every | {_encoded(each): _encoded(new) for each in every}


def _encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _document(root: Node, servers: Mapping[str, str], names: Mapping[str, str]) -> Iterator[Moved]:
    owner = f"{yamledit.scalar(yamledit.get(root, 'kind')) or 'a value'} {yamledit.scalar(yamledit.get(root, 'metadata', 'name')) or ''}".strip()
    for node in yamledit.nodes(root):
        if isinstance(node, ScalarNode) and node.value in servers:
            yield Moved(owner, "server", node, servers[node.value])
        held = dict(yamledit.entries(node))
        for each in (held.get("destination"), *yamledit.items(held.get("destinations"))):
            name = yamledit.get(each, "name")
            if isinstance(name, ScalarNode) and name.value in names:
                yield Moved(owner, "destination.name", name, names[name.value])
