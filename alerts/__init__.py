"""Every alert of the layer fires by a real fault, is received, and is over after the repair; `nox -s alerts`."""
