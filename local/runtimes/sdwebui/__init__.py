"""A simulated SD WebUI."""
