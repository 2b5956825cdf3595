"""GitOps: a git server inside the cluster, and Argo CD that applies the layer from there."""
