"""Mutants of rules and dashboards: what is changed, which are chosen, and what kills them."""
