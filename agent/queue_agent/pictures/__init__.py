"""Writes pictures in another format or size, and thumbnails, in a process of its own."""
