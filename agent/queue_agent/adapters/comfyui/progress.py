"""How far a workflow is, from the events of ComfyUI's WebSocket. Does no I/O."""

from collections.abc import Mapping
from typing import Any

from queue_agent.adapters.comfyui import graph as graphs
from queue_agent.contract import Progress


class GraphProgress:
    """The progress of one workflow: the share of all sampling steps, or of its nodes when none samples."""

    def __init__(self, graph: Mapping[str, Any]) -> None:
        self._nodes = len(graph)
        self._steps = graphs.steps(graph)
        self._sampled = dict.fromkeys(self._steps, 0.0)
        self._done: set[str] = set()
        self._current: str | None = None

    def after(self, kind: str, data: Mapping[str, Any]) -> Progress | None:
        """The progress after an event; None when the event says nothing about it."""
        node = data.get("node")
        match kind:
            case "execution_cached":
                self._done |= {str(name) for name in data.get("nodes") or ()}
                return self._progress()
            case "executing" if node is not None:
                if self._current is not None:
                    self._done.add(self._current)
                self._current = str(node)
                return self._progress()
            case "progress" if node is not None and data.get("max"):
                return self._step(str(node), data["value"], data["max"])
        return None

    def _step(self, node: str, value: float, of: float) -> Progress:
        share = min(value / of, 1.0)
        if node in self._sampled:
            self._sampled[node] = share * self._steps[node]
        self._current = node
        return self._progress(int(value), int(of), 0.0 if node in self._sampled else share)

    def _progress(self, step: int | None = None, steps: int | None = None, part: float = 0.0) -> Progress:
        if self._steps:
            value = sum(self._sampled.values()) / sum(self._steps.values())
        else:
            value = (len(self._done) + part) / max(self._nodes, 1)
        return Progress(min(value, 1.0), step, steps, self._current, len(self._done))
