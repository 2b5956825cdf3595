"""Talk to a Kubernetes API server; knows no product."""
