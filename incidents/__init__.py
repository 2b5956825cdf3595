"""Incidents that are made on purpose, captured, and reproduced on another cluster; run by name: `nox -s incidents`."""
