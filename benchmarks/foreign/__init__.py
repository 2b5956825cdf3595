"""How much of other people's repositories the harness reads: `nox -s foreign -- DIR...`."""
