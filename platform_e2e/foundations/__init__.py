"""Install the platform's Helm releases and prove that they are ready."""
