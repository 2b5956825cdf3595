"""How secrets are recognised: by name, by shape, by encoding, by what has them around, and by what the cluster's Secrets hold."""
