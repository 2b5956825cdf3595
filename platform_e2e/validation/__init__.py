"""Judge a live cluster by reading alone: `platform-e2e validate`, and the rights that it needs."""
