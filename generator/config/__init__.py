"""Solution configs: parsing with line and column, validation, documentation."""
