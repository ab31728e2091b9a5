"""Shared parts of the simulated runtimes: GPU, faults, pictures, command line and server."""
