"""Checks of a platform: each module reads the cluster (`observe`) and judges what it read (`check`)."""
