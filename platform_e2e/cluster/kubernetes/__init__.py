"""A Kubernetes of plain programs on nodes of our own: its certificates, its programs' configuration, its first objects."""
