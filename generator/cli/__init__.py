"""One module for each command: `add(subparsers)` says its flags, `run(args)` does it."""
