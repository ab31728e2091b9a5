"""Container images: which there are, where they come from, how they get to where nodes pull them."""
