"""The whole path of a task on one machine: AWS emulator, simulated runtimes, real agents."""
