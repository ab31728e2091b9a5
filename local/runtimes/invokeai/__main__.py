"""`python -m local.runtimes.invokeai`: starts the simulated runtime."""

from local.runtimes.invokeai.server import run
from local.runtimes.shared import serve

serve.main(run)
