"""`python -m generator`: the same as the command `generator`."""

import sys

from generator.cli.main import main

sys.exit(main())
