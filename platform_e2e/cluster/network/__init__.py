"""The network of a cluster on this host: which addresses it uses, kept apart from other clusters, and the links."""
