"""A simulated custom runtime."""
