"""Tests of the report in a real browser; what needs none is in tests/."""
