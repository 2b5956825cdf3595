"""The provider `k3d`: k3s nodes in Docker containers."""
