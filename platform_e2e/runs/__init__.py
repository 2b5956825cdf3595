"""Keep the directory of a run: its record, its history, and what a replay reads and restores of it."""
