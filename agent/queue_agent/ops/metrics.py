"""The metrics that Prometheus reads from /metrics."""

import time
from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

SHORT_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
LONG_BUCKETS = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800, 3600)


class Metrics:
    """All metrics of one agent, which starts when they are made."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._start = clock, clock()
        self._was_ready = self._had_task = False
        self.registry = CollectorRegistry()
        self.tasks = self._counter("tasks", "Tasks that ended, by status and error code", "status", "code")
        self.returned = self._counter("tasks_returned", "Tasks returned to the queue, by reason", "reason")
        self.dead_lettered = self._counter(
            "tasks_set_aside", "Messages sent to the dead-letter queue", "reason"
        )
        self.retries = self._counter("aws_retries", "AWS calls that failed and were retried", "call", "code")
        self.queue_wait = self._histogram(
            "queue_wait_seconds", "From the sending of a message to its receipt", LONG_BUCKETS
        )
        self.run = self._histogram("run_seconds", "Time of a task on the runtime", LONG_BUCKETS)
        self.upload = self._histogram(
            "upload_seconds", "From the end of the run to result.json", SHORT_BUCKETS
        )
        self.idle_gap = self._histogram(
            "gpu_idle_gap_seconds", "GPU idle although a task was here", SHORT_BUCKETS
        )
        self.ahead = self._gauge("tasks_ahead", "Tasks received and not yet started")
        self.running = self._gauge("tasks_running", "Tasks on the runtime: 0 or 1")
        self.finishing = self._gauge("tasks_finishing", "Tasks whose outputs are being stored")
        self.ready = self._gauge("runtime_ready", "1 when the runtime can run tasks")
        self.ready_seconds = self._gauge(
            "runtime_ready_seconds", "From the agent's start until the runtime could first run tasks"
        )
        self.first_task_seconds = self._gauge(
            "first_task_seconds", "From the agent's start until its first task ended"
        )

    def text(self) -> bytes:
        """All metrics, in the text format of Prometheus."""
        return generate_latest(self.registry)

    def retried(self, call: str, code: str) -> None:
        """Count an AWS call that failed with the error code and is retried."""
        self.retries.labels(call, code).inc()

    def runtime_is(self, ready: bool) -> None:
        """Note whether the runtime can run tasks, and when it first could."""
        self.ready.set(int(ready))
        if ready and not self._was_ready:
            self._was_ready = True
            self.ready_seconds.set(self._clock() - self._start)

    def task_ended(self, status: str, code: str) -> None:
        """Count a task that ended, and note when the first one did."""
        self.tasks.labels(status, code).inc()
        if not self._had_task:
            self._had_task = True
            self.first_task_seconds.set(self._clock() - self._start)

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"queue_agent_{name}", text, labels, registry=self.registry)

    def _histogram(self, name: str, text: str, buckets: tuple[float, ...]) -> Histogram:
        return Histogram(f"queue_agent_{name}", text, buckets=buckets, registry=self.registry)

    def _gauge(self, name: str, text: str) -> Gauge:
        return Gauge(f"queue_agent_{name}", text, registry=self.registry)


def table() -> str:
    """The metrics as the Markdown table of README.md."""
    rows = ["| metric | type | meaning |", "|---|---|---|"]
    for metric in Metrics().registry.collect():
        name = f"{metric.name}_total" if metric.type == "counter" else metric.name
        rows.append(f"| `{name}` | {metric.type} | {metric.documentation} |")
    return "\n".join(rows) + "\n"
