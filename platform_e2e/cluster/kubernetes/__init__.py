"""A Kubernetes of plain programs, for nodes that are built here: certificates, configuration, first objects."""
