"""Clusters of k3d: k3s nodes in Docker containers, as the platform's users have them."""
