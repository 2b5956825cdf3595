"""A copy of a layer with secrets planted in it: as a team plants them, in files that nobody meant to have any."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.planted.shapes import Shape
from platform_e2e import shell

OVERLAY = "manifests/chat/overlays/dev"
"""Where the demo layer's environment is that gets them."""

IMAGE = "ghcr.io/platform-team/chat:1.0.0"
"""The chat service's own; it has Python, and every node has it."""

PRINT = (
    "import glob, time; [print(open(f).read(), flush=True) for f in sorted(glob.glob('/planted/*'))]; time.sleep(86400)"
)
"""What the pod does that prints its secrets."""

FAIL = PRINT.replace("time.sleep(86400)", "raise SystemExit(1)")
"""The same, and it ends: its secrets are in the log of the run before the last restart."""


def plant(layer: Path, target: Path, shapes: Sequence[Shape]) -> Path:
    """Copy a layer into a repository of its own and plant secrets on top of its commit.

    They are in ConfigMaps, annotations, variables, arguments, a Secret, in the logs of a pod that prints them and of one that
    prints them and ends, in events, in an Application's description, and in a file that nobody has committed. The pod that
    ends turns the run red.

    Args:
        layer: the sound one.
        target: the copy; must not exist.
        shapes: what is planted.
    """
    shutil.copytree(layer, target, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
    git: list[str | Path] = ["git", "-c", "user.name=planted", "-c", "user.email=planted@example.com", "-C", target]
    for words in (["init", "--quiet"], ["add", "--all"], ["commit", "--quiet", "--message", "The sound layer"]):
        shell.run([*git, *words], timeout=30)
    overlay = target / OVERLAY
    for obj in manifests(shapes):
        # JSON is YAML, and leaves every character as it is.
        (overlay / f"planted-{obj['kind'].lower()}-{obj['metadata']['name']}.yaml").write_text(
            json.dumps(obj, indent=1) + "\n"
        )
    kustomization = overlay / "kustomization.yaml"
    names = sorted(path.name for path in overlay.glob("planted-*.yaml"))
    text = kustomization.read_text()
    kustomization.write_text(
        text.replace("resources:\n", "resources:\n" + "".join(f"  - {name}\n" for name in names), 1)
    )
    (target / "apps" / "notes.txt").write_text("\n\n".join(shape.text for shape in shapes) + "\n")
    applications = target / "argocd" / "applicationsets" / "chat.yaml"
    urls = [
        {"name": f"note {number}", "value": shape.text} for number, shape in enumerate(shapes) if "\n" not in shape.text
    ]
    described = "".join(
        f"        - name: {json.dumps(one['name'])}\n          value: {json.dumps(one['value'])}\n" for one in urls
    )
    text = applications.read_text()
    applications.write_text(text.replace("      project: chat\n", f"      project: chat\n      info:\n{described}", 1))
    shell.run([*git, "add", "--all"], timeout=30)
    return target


def manifests(shapes: Sequence[Shape]) -> list[dict[str, Any]]:
    """Return the objects that have the secrets."""
    texts = [shape.text for shape in shapes]
    notes = {f"planted.example/note-{number}": text for number, text in enumerate(texts)}
    files = {f"{number:02}.txt": text for number, text in enumerate(texts)}
    odd = next(shape for shape in shapes if shape.name == "github")
    return [
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "planted", "annotations": notes}, "data": files},
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "planted"},
            "stringData": {k: v for k, v in files.items() if v},
        },
        _deployment("planted-logs", ["-c", PRINT], texts, notes),
        _deployment("planted-ends", ["-c", FAIL], texts, notes),
        # The kubelet quotes the command in an event.
        _deployment("planted-event", ["-c", PRINT], texts, {}, command=f"/bin/{odd.secrets[0]}"),
    ]


def _deployment(
    name: str, args: Sequence[str], texts: Sequence[str], notes: dict[str, str], *, command: str = "/usr/bin/python3"
) -> dict[str, Any]:
    labels = {"app.kubernetes.io/name": name}
    container = {
        "name": "planted",
        "image": IMAGE,
        "imagePullPolicy": "IfNotPresent",
        "command": [command],
        "args": [*args, *texts],
        "env": [{"name": f"NOTE_{number}", "value": text} for number, text in enumerate(texts)],
        "volumeMounts": [{"name": "planted", "mountPath": "/planted", "readOnly": True}],
    }
    spec = {"containers": [container], "volumes": [{"name": "planted", "configMap": {"name": "planted"}}]}
    template = {"metadata": {"labels": labels, "annotations": notes}, "spec": spec}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {"replicas": 1, "selector": {"matchLabels": labels}, "template": template},
    }
