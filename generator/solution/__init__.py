"""The resolved solution and all names that follow from it."""
