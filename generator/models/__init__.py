"""Model files: what is in them, where they come from, how they get into the bucket."""
