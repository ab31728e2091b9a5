"""Container images: which ones a solution uses, where they come from, how they are copied."""
