"""Tools that every package shares: built programs, root file systems and images, the cache that holds them, locks, waits."""
