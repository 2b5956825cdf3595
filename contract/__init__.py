"""The contract of every provider of clusters: the same tests for each (`nox -s contract -- --provider NAME`)."""
