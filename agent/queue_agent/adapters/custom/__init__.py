"""A container that the user provides."""
