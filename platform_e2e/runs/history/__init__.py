"""Compare a run with those before it."""
