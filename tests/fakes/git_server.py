"""A git server whose pod is a directory on this machine, and a small layer to publish."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

from platform_e2e.gitops import server
from platform_e2e.gitops.git import GitServer
from tests.fakes.memory_kube import MemoryKube, Objects

OWN = "https://git.example.com/team/platform.git"
APPLICATION = f"""\
apiVersion: argoproj.io/v1alpha1
kind: Application
metadata: {{name: config}}
spec:
  source: {{repoURL: {OWN}, path: config, targetRevision: main}} # the layer itself
"""


class OnePod(MemoryKube):
    """Has one pod; `kubectl exec` into it is a script that runs the program on this machine."""

    def __init__(self, uid: str = "uid-1") -> None:
        super().__init__()
        self.uid = uid
        self.asked: list[Any] = []
        self.ready = True

    def list(self, kind: str, namespace: str | None = None, labels: dict[str, str] | None = None) -> Objects:
        self.asked.append((kind, namespace, labels))
        return [pod("git-1", ready=self.ready, uid=self.uid)]


def pod(name: str, *, ready: bool, uid: str = "u", deleting: bool = False) -> dict[str, Any]:
    meta = {"name": name, "uid": uid} | ({"deletionTimestamp": "2026-01-01T00:00:00Z"} if deleting else {})
    waiting = {"name": "git", "image": "argocd:1", "state": {"waiting": {"reason": "ImagePullBackOff"}}}
    return {
        "metadata": meta,
        "status": {
            "phase": "Running" if ready else "Pending",
            "conditions": [{"type": "Ready", "status": str(ready)}],
            "containerStatuses": [] if ready else [waiting],
        },
    }


def git(directory: Path, *arguments: str) -> str:
    environment = {**os.environ, "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1"}
    argv = ["git", "-c", "safe.directory=*", "-C", str(directory), *arguments]
    return subprocess.run(argv, check=True, capture_output=True, text=True, env=environment).stdout.strip()


class Setup:
    """A server whose pod is a directory on this machine."""

    def __init__(self, root: Path) -> None:
        self.pod = root / "the pod"
        self.calls = root / "calls"
        self.new_pod()
        self.kubectl = root / "bin dir" / "kubectl"
        self.kubectl.parent.mkdir()
        # What it prints to stderr when it must fail is what a real kubectl says.
        self.kubectl.write_text(
            f'#!/bin/sh\nprintf "%s\\n" "$@" >> "{self.calls}"\n'
            f'[ -e "{root}/broken" ] && {{ echo "error: unable to upgrade connection: container not found" >&2; exit 1; }}\n'
            f'while [ "$1" != -- ]; do shift; done\n'
            f'[ "$2" = sh ] && exec sh -c "$4" "$5" "$6" "{root}/others$7" "$8"\n'
            f'[ "$3" = {server.REPOSITORY} ] || exit 9\nexec "$2" "{self.pod}"\n'
        )
        self.kubectl.chmod(0o755)
        self.broken = root / "broken"
        self.kube = OnePod()
        self.directory = root / "run"
        self.git = self.start()

    def start(self) -> GitServer:
        return GitServer.start(
            self.kube.kube, Path("/k/config"), self.kubectl, image="argocd:1", directory=self.directory
        )

    def new_pod(self) -> None:
        subprocess.run(["rm", "-rf", str(self.pod)], check=True)
        subprocess.run(["git", "init", "-q", "--bare", "--initial-branch=main", str(self.pod)], check=True)

    def served(self, branch: str = "main") -> str:
        return git(self.pod, "rev-parse", branch)

    def pushes(self) -> int:
        return self.calls.read_text().splitlines().count("exec") if self.calls.exists() else 0


def make_layer(root: Path) -> Path:
    """Write a layer of one Application and one ConfigMap."""
    directory = root / "layer"
    (directory / "config").mkdir(parents=True)
    (directory / "argocd").mkdir()
    (directory / "argocd/config.yaml").write_text(APPLICATION)
    (directory / "config/cm.yaml").write_text("kind: ConfigMap\n")
    return directory
