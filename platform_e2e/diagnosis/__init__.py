"""Diagnosis of an object: its readiness, the cause that holds it, and the promise that the cause belongs to."""
