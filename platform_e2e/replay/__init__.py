"""Rebuild the state of an earlier run from what it left behind, and say what of it can no longer be had."""
