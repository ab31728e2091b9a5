"""The command line: one module for each command, with `add_flags(parser)` and `run(args)`."""
