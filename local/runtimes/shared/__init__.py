"""What the simulated runtimes share."""
