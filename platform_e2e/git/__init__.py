"""Git: the one way to run it, and repositories that somebody else made, read without their configuration."""
