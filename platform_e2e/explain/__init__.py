"""Why it is not true; one small function for each cause."""
