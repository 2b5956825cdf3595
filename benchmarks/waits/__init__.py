"""The parts of `benchmarks.waiting`: a cluster, a proxy that counts and misbehaves, one process for each contender."""
