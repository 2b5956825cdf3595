"""Stands in for the application of the tests' layer, which is read and copied and never run."""
