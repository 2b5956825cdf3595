"""Pytest's hooks over the harness: options, run, attribution of failures, evidence, report and history.

A session in which no test needs the platform registers the options and nothing else, so that the plugin may be installed
beside any tests.
"""
