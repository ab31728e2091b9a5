"""A simulated container of the user's own."""
