"""`python -m local.runtimes.comfyui`: starts the simulated runtime."""

from local.runtimes.comfyui.server import run
from local.runtimes.shared import serve

serve.main(run)
