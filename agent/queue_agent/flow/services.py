"""The services that the stages of a task share."""

from dataclasses import dataclass

from queue_agent.aws.callbacks import Callbacks
from queue_agent.aws.claims import Claims
from queue_agent.aws.queue import Queue
from queue_agent.aws.store import Store
from queue_agent.contract import Adapter
from queue_agent.ops.metrics import Metrics
from queue_agent.ops.tracing import Tracing
from queue_agent.pictures.converter import Converter
from queue_agent.settings import Settings
from queue_agent.task.inputs import Inputs


@dataclass(frozen=True)
class Services:
    """The settings, the connections to AWS and to the runtime, metrics and tracing of one agent."""

    settings: Settings
    adapter: Adapter
    queue: Queue
    store: Store
    claims: Claims
    callbacks: Callbacks
    inputs: Inputs
    converter: Converter
    metrics: Metrics
    tracing: Tracing
