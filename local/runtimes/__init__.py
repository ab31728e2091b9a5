"""Simulated runtimes: servers with the real HTTP APIs that draw pictures without a GPU and without models.

They are not image generators. `make demo`, tests and benchmarks use them.
"""
