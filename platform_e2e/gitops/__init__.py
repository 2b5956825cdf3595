"""How the layer reaches the cluster: a git server inside it, and Argo CD that reads from there."""
