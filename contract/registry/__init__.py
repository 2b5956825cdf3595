"""The path with a registry, rehearsed against a registry on this machine: `nox -s registry`.

Images are pushed there under the names by which charts, k3s and k3d ask for them, and everything after that is the path of a user
with a mirror: Docker and the nodes pull through `--registry-mirror`, Helm takes its charts from `--charts-dir`, and only the tools of
this host are built for it. What the images contain is the embedded cluster's; the layer's copy pins just these versions.
"""
