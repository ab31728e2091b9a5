"""The files of one build."""
