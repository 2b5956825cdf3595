"""Get a cluster from any provider, share it between processes, and remove it."""
