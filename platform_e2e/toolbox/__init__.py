"""What every package builds, caches, locks and waits with: programs, root file systems and images made from source."""
