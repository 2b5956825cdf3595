"""Deliberate faults: each must turn its promise red, with its cause, and nothing else."""
