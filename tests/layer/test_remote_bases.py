"""What an entry of a kustomization names elsewhere."""

from __future__ import annotations

import pytest

from platform_e2e.layer.remote_bases import RemoteBase, RemoteFile, parse


@pytest.mark.parametrize(
    ("entry", "found"),
    [
        ("https://github.com/org/repo//deep/path?ref=v1", RemoteBase("https://github.com/org/repo", "deep/path", "v1")),
        ("github.com/org/repo/path?ref=v1", RemoteBase("https://github.com/org/repo", "path", "v1")),
        ("github.com/org/repo", RemoteBase("https://github.com/org/repo", ".", "HEAD")),
        ("https://github.com/org/repo.git/path", RemoteBase("https://github.com/org/repo.git", "path", "HEAD")),
        (
            "https://git.example.com/a/b/c.git//x?ref=m&timeout=9s",
            RemoteBase("https://git.example.com/a/b/c.git", "x", "m"),
        ),
        ("git@github.com:org/repo.git//x?ref=m", RemoteBase("git@github.com:org/repo.git", "x", "m")),
        ("ssh://git@host.example/org/repo.git//x", RemoteBase("ssh://git@host.example/org/repo.git", "x", "HEAD")),
        ("git::https://git.example.com/repo//x?version=2", RemoteBase("https://git.example.com/repo", "x", "2")),
        (
            "https://raw.example.com/org/repo/main/install.yaml",
            RemoteFile("https://raw.example.com/org/repo/main/install.yaml"),
        ),
        (
            "https://github.com/o/r/releases/download/v1/crds.yaml",
            RemoteFile("https://github.com/o/r/releases/download/v1/crds.yaml"),
        ),
        ("https://github.com/o/r//../../../etc?ref=1", None),
        ("../base", None),
        ("deployment.yaml", None),
        ("https://[", None),
    ],
)
def test_an_entry_is_a_directory_a_file_or_of_the_same_repository(
    entry: str, found: RemoteBase | RemoteFile | None
) -> None:
    assert parse(entry) == found
