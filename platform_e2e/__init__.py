"""Prove on a real cluster what a GitOps platform layer promises, and name the cause when it does not hold."""
