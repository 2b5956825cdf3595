"""An incident of a live platform: captured read-only into one file, and reproduced from it on a cluster of its own."""
