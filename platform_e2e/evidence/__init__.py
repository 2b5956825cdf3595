"""Collect what is needed to explain a failure: the state of the cluster, logs and traffic, without secrets."""
