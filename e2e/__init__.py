"""Tests of the platform on a real cluster, one file for each promise."""
