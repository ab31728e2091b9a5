"""Simulated runtimes: servers that speak the real APIs, draw a real picture and need no GPU and no model.

None of them is an image generator. They exist for `make demo`, for tests and for benches.
"""
