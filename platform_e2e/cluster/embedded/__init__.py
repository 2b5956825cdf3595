"""Real Kubernetes in private namespaces of this host, without Docker."""
