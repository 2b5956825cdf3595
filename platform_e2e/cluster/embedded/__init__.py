"""The provider `embedded`: real Kubernetes in private namespaces of this host, without Docker."""
