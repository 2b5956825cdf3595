"""How to get a cluster, whoever makes it."""
