"""The bundle: what is kept of a failed run, so that nobody needs the cluster any more to find the cause."""
