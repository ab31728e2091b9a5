"""Benchmarks: `make bench-*` and `make soak`."""
