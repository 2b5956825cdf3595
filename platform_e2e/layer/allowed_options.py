"""What passes of argocd-cm's `kustomize.buildOptions`: others would run programs of the layer, or are not known to be harmless."""

from __future__ import annotations

SWITCHES = {"--enable-helm": ("", "=true", "=false")}
"""Options without a value of their own."""

VALUES = {"--load-restrictor": ("LoadRestrictionsNone", "LoadRestrictionsRootOnly")}
"""Options with a value: without restrictions kustomize reads other directories, of which the renderer has the copies only."""


def allowed_options(text: str) -> tuple[str, tuple[str, ...]]:
    """Split the options into those that pass and those that do not.

    Args:
        text: the value of `kustomize.buildOptions`, which Argo CD splits at white space.

    Returns:
        What kustomize is given, and each option that is left out with the words that belong to it.
    """
    words = text.split()
    passed: list[str] = []
    refused: list[str] = []
    while words:
        option = words.pop(0)
        name, sign, value = option.partition("=")
        if name in VALUES and not sign and words and not words[0].startswith("-"):
            value = words.pop(0)
            option = f"{name} {value}"
        if option in {f"{switch}{end}" for switch, ends in SWITCHES.items() for end in ends}:
            passed.append(option)
        elif value in VALUES.get(name, ()):
            passed.append(f"{name}={value}")
        else:
            while words and not words[0].startswith("-"):
                option = f"{option} {words.pop(0)}"
            refused.append(option)
    return " ".join(passed), tuple(refused)
