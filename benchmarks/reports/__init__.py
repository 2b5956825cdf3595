"""What the benchmark of the report is made of."""
