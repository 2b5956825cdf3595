"""Which of kustomize's options pass."""

from __future__ import annotations

import pytest

from platform_e2e.layer.allowed_options import allowed_options

pytestmark = pytest.mark.point("layer-rendered-apart")


@pytest.mark.parametrize(
    ("text", "passed", "refused"),
    [
        ("", "", ()),
        ("--enable-helm", "--enable-helm", ()),
        ("--enable-helm=true\n", "--enable-helm=true", ()),
        ("--load-restrictor LoadRestrictionsNone", "--load-restrictor=LoadRestrictionsNone", ()),
        (
            "--load-restrictor=LoadRestrictionsNone --enable-helm",
            "--load-restrictor=LoadRestrictionsNone --enable-helm",
            (),
        ),
        ("--load-restrictor LoadRestrictionsRootOnly", "--load-restrictor=LoadRestrictionsRootOnly", ()),
        ("--load-restrictor", "", ("--load-restrictor",)),
        ("--load-restrictor --enable-helm", "--enable-helm", ("--load-restrictor",)),
        ("--load-restrictor none", "", ("--load-restrictor none",)),
        (
            "--enable-helm --enable-alpha-plugins --enable-exec",
            "--enable-helm",
            ("--enable-alpha-plugins", "--enable-exec"),
        ),
        ("--helm-command /bin/sh --enable-helm", "--enable-helm", ("--helm-command /bin/sh",)),
        ("--helm-command=./run.sh", "", ("--helm-command=./run.sh",)),
        ("--network --network-name host", "", ("--network", "--network-name host")),
        ("--enable-helm /etc", "--enable-helm", ("/etc",)),
        ("--enable-helm;--enable-exec", "", ("--enable-helm;--enable-exec",)),
        ("-o /tmp/x --mount type=bind", "", ("-o /tmp/x", "--mount type=bind")),
        ("--enable-helm=$(id)", "", ("--enable-helm=$(id)",)),
    ],
)
def test_only_what_is_known_to_be_harmless_passes(text: str, passed: str, refused: tuple[str, ...]) -> None:
    assert allowed_options(text) == (passed, refused)
