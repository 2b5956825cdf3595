"""What every provider of clusters keeps: the same tests for each (`nox -s contract -- --provider NAME`)."""
