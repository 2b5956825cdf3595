"""The network of a cluster on this host: its addresses, the reservation against other clusters, and its links."""
