"""Calls to AWS that several parts share."""
