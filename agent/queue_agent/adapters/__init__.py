"""One adapter for each type of runtime: a client of its HTTP API, without any AWS."""

from aiohttp import ClientSession

from queue_agent.adapters.comfyui.adapter import ComfyUi
from queue_agent.adapters.custom.adapter import Custom
from queue_agent.adapters.invokeai.adapter import InvokeAi
from queue_agent.adapters.sdwebui.adapter import SdWebUi
from queue_agent.adapters.shared.http import Http
from queue_agent.blobs import Scratch
from queue_agent.contract import Adapter
from queue_agent.settings import Settings


def create(settings: Settings, session: ClientSession, scratch: Scratch) -> Adapter:
    """The adapter for the runtime type in the settings."""
    http = Http(session, settings.runtime_url, settings.output_max_bytes, scratch)
    match settings.runtime_type:
        case "sdwebui":
            return SdWebUi(http, settings.model_filename, dynamic=settings.dynamic_model)
        case "comfyui":
            return ComfyUi(http)
        case "invokeai":
            return InvokeAi(http)
        case _:
            return Custom(http, settings.task_path, settings.ready_path)
