"""Readers of untrusted input: files, archives, documents and repositories that strangers made."""
