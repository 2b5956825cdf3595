"""Repositories in which everything is planted by which Git can be made to run a program."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

WAYS = (
    # Of every command that looks at a working tree.
    "core.fsmonitor",
    "filter.evil.clean",
    "filter.evil.smudge",
    "filter.evil.process",
    "diff.external",
    "diff.evil.command",
    "diff.evil.textconv",
    "merge.evil.driver",
    "interactive.diffFilter",
    # Of what talks to a person.
    "core.editor",
    "core.pager",
    "core.askPass",
    "sequence.editor",
    "pager.status",
    "pager.diff",
    "pager.log",
    "difftool.evil.cmd",
    "mergetool.evil.cmd",
    "browser.evil.cmd",
    "man.evil.cmd",
    "sendemail.smtpserver",
    # Of what talks to another repository.
    "core.sshCommand",
    "core.gitProxy",
    "core.alternateRefsCommand",
    "credential.helper",
    "remote.origin.uploadpack",
    "remote.origin.receivepack",
    "uploadpack.packObjectsHook",
    "submodule.nested.update",
    # Of signatures.
    "gpg.program",
    "gpg.openpgp.program",
    "gpg.x509.program",
    "gpg.ssh.program",
    "gpg.ssh.defaultKeyCommand",
    # Of archives, trailers, housekeeping, and hooks that are settings (Git 2.54).
    "tar.tar.command",
    "tar.tgz.command",
    "trailer.evil.command",
    "trailer.evil.cmd",
    "gc.recentObjectsHook",
    "hook.evil.command",
)
"""Settings whose value is a command line: git-config(1) of Git 2.39 to 2.5x."""

ALIASES = ("status", "diff", "rev-parse", "cat-file", "ls-files", "read-tree", "archive", "config", "add")

SWITCHES = {
    "filter.evil.required": "true",
    "diff.evil.cachetextconv": "false",
    "core.fsmonitorHookVersion": "1",
    "log.showSignature": "true",
    "commit.gpgSign": "true",
    "core.untrackedCache": "true",
    "extensions.partialClone": "origin",
    "extensions.worktreeConfig": "true",
    "remote.origin.promisor": "true",
    "remote.origin.partialclonefilter": "blob:none",
    "core.repositoryformatversion": "1",
    "protocol.allow": "always",
    "protocol.ext.allow": "always",
    "fetch.bundleURI": "ext::evil",
    "transfer.bundleURI": "true",
    "submodule.recurse": "true",
    "submodule.nested.active": "true",
    "status.submoduleSummary": "true",
    "diff.submodule": "diff",
    "diff.ignoreSubmodules": "none",
    "maintenance.auto": "true",
    "gc.auto": "1",
    "help.autoCorrect": "immediate",
    "safe.directory": "*",
    "safe.bareRepository": "all",
    "hook.evil.event": "post-index-change",
    "core.bare": "false",
}

HOOKS = (
    "applypatch-msg", "pre-applypatch", "post-applypatch", "pre-commit", "prepare-commit-msg", "commit-msg", "post-commit",
    "pre-rebase", "post-checkout", "post-merge", "pre-push", "pre-receive", "update", "post-receive", "post-update",
    "reference-transaction", "push-to-checkout", "pre-auto-gc", "post-rewrite", "sendemail-validate", "fsmonitor-watchman",
    "post-index-change", "pre-merge-commit", "proc-receive",
)  # fmt: skip


def ini(settings: Mapping[str, str]) -> str:
    """Return settings as a file of Git's."""
    lines = []
    for name, value in settings.items():
        section, _, rest = name.partition(".")
        inner, _, key = rest.rpartition(".")
        quoted = value.replace("\\", "\\\\").replace('"', '\\"')
        lines += [f'[{section} "{inner}"]' if inner else f"[{section}]", f'\t{key} = "{quoted}"']
    return "\n".join([*lines, ""])


class Planted:
    """A place for repositories, and the file that every planted program writes to.

    Args:
        place: an empty directory.
        made: where a sound repository is kept, of which others are copies: to make one takes four runs of Git.
    """

    def __init__(self, place: Path, made: Path) -> None:
        self.place = place
        self.made = made
        self.ran = place / "ran.txt"
        self.program = place / "program"
        place.mkdir(parents=True, exist_ok=True)
        self.program.write_text(f'#!/bin/sh\necho "$0 $*" >> {self.ran}\nexit 1\n')
        self.program.chmod(0o755)
        self.hooks = place / "hooks"
        self.hooks.mkdir()
        for hook in HOOKS:
            self.hook(self.hooks / hook)

    def hook(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f'#!/bin/sh\necho "hook {path.name}" >> {self.ran}\n')
        path.chmod(0o755)

    def said(self) -> str:
        """Return what ran."""
        return self.ran.read_text() if self.ran.exists() else ""

    def git(self, place: Path, *words: str) -> str:
        environment = {**os.environ, "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1"}
        identity = ("-c", "user.name=a", "-c", "user.email=a@b", "-c", "init.defaultBranch=main")
        command = ("git", *identity, "-C", str(place), *words)
        return subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout

    def repository(self, place: Path) -> str:
        """Make a sound repository with a layer in `platform`, and return its commit."""
        made = self.made
        if not made.exists():
            layer = made / "platform"
            layer.mkdir(parents=True)
            (layer / "a.yaml").write_text("kind: Pod\n")
            (layer / "secret.yaml").write_text("kind: Secret\nstringData: {pin: hunter2hunter2}\n")
            (layer / ".gitattributes").write_text("* filter=evil diff=evil merge=evil\n")
            self.git(made, "init", "--quiet")
            self.git(made, "add", "--all")
            self.git(made, "commit", "--quiet", "--message", "First")
        shutil.copytree(made, place, dirs_exist_ok=True)
        # The copies are other files than those that the index knows: Git would read their content.
        self.git(place, "update-index", "--refresh")
        return (place / ".git" / "refs" / "heads" / "main").read_text().strip()

    def arm(self, git: Path) -> None:
        """Plant everything in a directory of Git."""
        settings = {way: f"{self.program} {way}" for way in WAYS}
        settings |= {f"alias.{name}": f"!{self.program} alias.{name}" for name in ALIASES} | SWITCHES
        settings |= {"credential.helper": f"!{self.program} credential.helper"}
        settings |= {"submodule.nested.update": f"!{self.program} submodule.update"}
        settings |= {"remote.origin.url": f"ext::{self.program} remote.url", "core.hooksPath": str(self.hooks)}
        settings |= {"init.templateDir": str(self.place), "core.attributesFile": str(self.place / "attributes")}
        (self.place / "attributes").write_text("* filter=evil diff=evil\n")
        included = self.place / "included"
        included.write_text(f"[core]\n\tfsmonitor = {self.program} included\n")
        settings |= {"include.path": str(included), "includeIf.gitdir:/**.path": str(included)}
        text = ini(settings)
        for name in ("config", "config.worktree"):
            (git / name).write_text(text)
        (git / "info").mkdir(exist_ok=True)
        (git / "info" / "attributes").write_text("* filter=evil diff=evil\n")
        for hook in HOOKS:
            self.hook(git / "hooks" / hook)


def of_another(planted: Planted, place: Path) -> str:
    """Make a checkout that belongs to another user, where this one may give files away."""
    commit = planted.repository(place)
    planted.arm(place / ".git")
    (place / "platform" / "a.yaml").write_text("kind: Job\n")
    (place / "platform" / "new.yaml").write_text("kind: Job\n")
    if os.geteuid() == 0:
        for path in (place, *place.rglob("*")):
            os.chown(path, 12345, 12345, follow_symlinks=False)
    return commit


def bare_layout(planted: Planted, place: Path) -> str:
    """Make a sound repository whose committed layer is itself a bare repository: no name in it has `.git`."""
    commit = planted.repository(place)
    layer = place / "platform"
    planted.git(place, "init", "--quiet", "--bare", str(layer))
    planted.git(place, "push", "--quiet", str(layer), "HEAD:refs/heads/main")
    planted.arm(layer)
    planted.git(place, "config", "--file", str(layer / "config"), "core.bare", "true")
    planted.git(place, "config", "--file", str(layer / "config"), "core.worktree", str(layer))
    return commit


def named_elsewhere(planted: Planted, place: Path) -> str:
    """Make a checkout whose `.git` is a file that names another directory, which shares a third one: a worktree."""
    commit = planted.repository(place.with_name(f"{place.name}-main"))
    main = place.with_name(f"{place.name}-main")
    planted.git(main, "worktree", "add", "--quiet", "--detach", str(place), commit)
    planted.arm(main / ".git")
    own = next((main / ".git" / "worktrees").iterdir())
    (own / "config.worktree").write_bytes((main / ".git" / "config").read_bytes())
    (place / "platform" / "a.yaml").write_text("kind: Job\n")
    return commit


def with_submodule(planted: Planted, place: Path) -> str:
    """Make a checkout with a submodule whose own configuration is planted."""
    planted.repository(place.with_name(f"{place.name}-inner"))
    planted.repository(place)
    inner = place.with_name(f"{place.name}-inner")
    words = ("-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(inner), "platform/nested")
    planted.git(place, *words)
    planted.git(place, "commit", "--quiet", "--all", "--message", "Second")
    planted.arm(place / ".git" / "modules" / "platform" / "nested")
    (place / "platform" / "nested" / "platform" / "a.yaml").write_text("kind: Job\n")
    (place / "platform" / "a.yaml").write_text("kind: Job\n")
    return planted.git(place, "rev-parse", "HEAD").strip()


def with_submodule_to_look_into(planted: Planted, place: Path) -> str:
    """Make a checkout with such a submodule, and a `.gitmodules` by which no setting keeps Git from looking into it."""
    commit = with_submodule(planted, place)
    with (place / ".gitmodules").open("a") as file:
        file.write("\tignore = none\n")
    return commit


def with_promisor(planted: Planted, place: Path) -> str:
    """Make a checkout that lacks objects, which Git would fetch from where its configuration says."""
    commit = planted.repository(place)
    blob = planted.git(place, "rev-parse", "HEAD:platform/a.yaml").strip()
    (place / ".git" / "objects" / blob[:2] / blob[2:]).unlink()
    planted.arm(place / ".git")
    (place / "platform" / "a.yaml").write_text("kind: Job\n")
    return commit


KINDS: dict[str, Callable[[Planted, Path], str]] = {
    "another-owner": of_another,
    "bare-layout": bare_layout,
    "named-elsewhere": named_elsewhere,
    "submodule": with_submodule,
    "submodule-to-look-into": with_submodule_to_look_into,
    "promisor": with_promisor,
}
