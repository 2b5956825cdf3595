"""Values of a foundation that a team installs by hand with Helm: a file in the repository that no Application reads."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from platform_e2e.layer import foundation_values
from platform_e2e.layer.argo_objects import mapping
from platform_e2e.layer.errors import LayerError
from platform_e2e.layer.releases import Release
from platform_e2e.layer.survey import Survey

_CALLED: Mapping[str, re.Pattern[str]] = {
    "argo-cd": re.compile(r"argo-?cd"),
    "kube-prometheus-stack": re.compile(r"(?:kube-)?prometheus-stack"),
    "metallb": re.compile(r"metallb"),
    "sealed-secrets": re.compile(r"sealed-secrets"),
}
"""What a file of values, or its directory, is called after."""

_KEYS: Mapping[str, frozenset[str]] = {
    "argo-cd": frozenset(
        {"configs", "server", "repoServer", "applicationSet", "controller", "dex", "redis", "notifications"}
    ),
    "kube-prometheus-stack": frozenset({"prometheus", "alertmanager", "grafana", "prometheusOperator", "defaultRules"}),
    "metallb": frozenset({"controller", "speaker", "frrk8s", "loadBalancerClass"}),
    "sealed-secrets": frozenset(
        {"fullnameOverride", "keyrenewperiod", "secretName", "updateStatus", "additionalNamespaces"}
    ),
}
"""Values that a chart has at its top, of which a file of its values has at least one."""

_VALUES = re.compile(r"(?:.*[-_.])?values(?:[-_.].*)?\.ya?ml|(?P<name>.+)\.ya?ml")


def taken(release: Release, survey: Survey) -> tuple[Release, str]:
    """Return a release with the values that a file of the repository has for it, and what is to be said of them.

    Args:
        release: that the harness brings.
        survey: the files.

    Returns:
        The same release and an empty text where there is no such file, or several: then the text names them.
    """
    found = list(_files(release.chart, survey))
    names = [survey.name(path) for path in found]
    if len(found) != 1:
        several = f"the layer has no {release.chart}, and several files of values for it: {', '.join(names)}"
        return release, f"{several}; none is taken, name one by --foundations" if found else ""
    document = survey.documents(found[0])[0]
    values = foundation_values.stored(release.chart, mapping(document.data))
    said = f"{names[0]} is taken for the values of {release.chart}, which no Application installs; no file says its version"
    return replace(release, values=values, place=f"{document.file}:1", brought=False), said


def _files(chart: str, survey: Survey) -> Iterator[Path]:
    for path in survey.files:
        match = _VALUES.fullmatch(path.name)
        if match is None or survey.chart_of(path) is not None:
            continue
        called = [match["name"]] if match["name"] else [path.parent.name, path.stem]
        if not any(_CALLED[chart].search(each) for each in called) or not _KEYS[chart] & _top(survey, path).keys():
            continue
        if not {"kind", "apiVersion"} & _top(survey, path).keys():
            yield path


def _top(survey: Survey, path: Path) -> Mapping[str, object]:
    try:
        documents = survey.documents(path)
    except LayerError:
        return {}
    return mapping(documents[0].data) if len(documents) == 1 else {}
