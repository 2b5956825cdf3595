"""Why an object is not what it should be: its readiness, the cause that holds it, and the promise that the cause belongs to."""
