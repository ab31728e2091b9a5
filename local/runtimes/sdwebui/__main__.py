"""`python -m local.runtimes.sdwebui`: starts the simulated runtime."""

from local.runtimes.sdwebui.server import run
from local.runtimes.shared import serve

serve.main(run)
