"""What the stages of a task share."""

from dataclasses import dataclass

from queue_agent.callbacks import Callbacks
from queue_agent.claims import Claims
from queue_agent.inputs import Inputs
from queue_agent.metrics import Metrics
from queue_agent.queue import Queue
from queue_agent.runtime import Adapter
from queue_agent.settings import Settings
from queue_agent.store import Store
from queue_agent.tracing import Tracing


@dataclass(frozen=True)
class Kit:
    """The agent's connections to the world."""

    settings: Settings
    adapter: Adapter
    queue: Queue
    store: Store
    claims: Claims
    callbacks: Callbacks
    inputs: Inputs
    metrics: Metrics
    tracing: Tracing
