"""Brings a build into an account, and out of it again. Each step asks what is there; no state is kept."""
