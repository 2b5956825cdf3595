"""Git: the one way to run it, and foreign repositories, read without their configuration."""
