"""Measurements of the harness beside its peers, one module for each: `nox -s benchmark -- NAME`."""
