"""Serve the layer from Git inside the cluster and follow Argo CD."""
