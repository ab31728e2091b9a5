"""The resolved solution, and every name that follows from it."""
