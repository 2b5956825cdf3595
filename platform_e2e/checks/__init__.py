"""What must be true of a platform: each module reads the cluster (`observe`) and judges what it saw (`check`)."""
