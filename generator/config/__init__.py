"""A solution config: read with line and column, checked, explained."""
