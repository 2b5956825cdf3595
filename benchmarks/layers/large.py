"""A layer of many Applications: directories, overlays over bases, and charts, as platforms have them."""

from __future__ import annotations

from pathlib import Path

OBJECTS = 10
"""Objects of each Application."""

_APPLICATION = """\
apiVersion: argoproj.io/v1alpha1
kind: Application
metadata:
  name: {name}
  namespace: argocd
spec:
  project: default
  source:
    repoURL: https://git.example.invalid/team/layer.git
    targetRevision: HEAD
    path: manifests/{path}
  destination:
    server: https://kubernetes.default.svc
    namespace: {name}
  syncPolicy:
    automated: {{prune: true, selfHeal: true}}
    syncOptions: [CreateNamespace=true]
"""

_DEPLOYMENT = """\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {name}
  labels:
    app.kubernetes.io/name: {name}
spec:
  replicas: 2
  selector:
    matchLabels:
      app.kubernetes.io/name: {name}
  template:
    metadata:
      labels:
        app.kubernetes.io/name: {name}
    spec:
      securityContext: {{runAsNonRoot: true, runAsUser: 1000}}
      containers:
        - name: main
          image: registry.example.invalid/{name}:1.2.3
          args: [--listen=:8080, --verbose]
          ports:
            - {{name: http, containerPort: 8080}}
          readinessProbe:
            httpGet: {{path: /ready, port: http}}
          resources:
            requests: {{cpu: 10m, memory: 32Mi}}
            limits: {{memory: 64Mi}}
"""

_SERVICE = """\
apiVersion: v1
kind: Service
metadata:
  name: {name}
spec:
  selector:
    app.kubernetes.io/name: {name}
  ports:
    - name: http
      port: 80
      targetPort: http
"""

_CONFIGMAP = """\
apiVersion: v1
kind: ConfigMap
metadata:
  name: {name}
data:
  a.conf: |
    # settings of {name}
    listen = 8080
    verbose = true
"""

_KINDS = (_DEPLOYMENT, _SERVICE, _CONFIGMAP, _CONFIGMAP, _CONFIGMAP)


def large(directory: Path, applications: int) -> Path:
    """Write the layer, and return its directory.

    Args:
        directory: that does not exist yet.
        applications: how many, each of 10 objects; of ten Applications six are directories, three overlays, one a chart.
    """
    for number in range(applications):
        name = f"app-{number:04}"
        made = directory / "manifests" / name
        path = name
        if number % 10 < 6:
            _objects(made, name)
        elif number % 10 < 9:
            _objects(made / "base", name)
            _write(made / "base" / "kustomization.yaml", "resources: [objects.yaml]\n")
            overlay = "resources: [../base]\ncommonAnnotations: {team: one}\npatches:\n- path: replicas.yaml\n"
            _write(made / "prod" / "kustomization.yaml", overlay)
            patch = f"apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: {name}-0}}\nspec: {{replicas: 3}}\n"
            _write(made / "prod" / "replicas.yaml", patch)
            path = f"{name}/prod"
        else:
            _write(made / "Chart.yaml", f"apiVersion: v2\nname: {name}\nversion: 1.0.0\n")
            _objects(made / "templates", name)
        _write(directory / "argocd" / f"{name}.yaml", _APPLICATION.format(name=name, path=path))
    return directory


def _objects(directory: Path, name: str) -> None:
    several = [_KINDS[number % len(_KINDS)].format(name=f"{name}-{number}") for number in range(OBJECTS)]
    _write(directory / "objects.yaml", "---\n".join(several))


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
