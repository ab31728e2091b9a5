"""`python -m local.runtimes.custom`: starts the simulated runtime."""

from local.runtimes.custom.server import run
from local.runtimes.shared import serve

serve.main(run)
