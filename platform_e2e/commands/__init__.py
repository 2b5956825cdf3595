"""The commands of `platform-e2e`, one module each: `add_arguments` says what a command takes, `run` does it."""
