"""Secrets of many shapes, planted on purpose, and the search for them in everything that a run leaves behind."""
