"""A container of the user's own."""
