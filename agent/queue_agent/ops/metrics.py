"""What Prometheus reads on /metrics."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

SHORT = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
LONG = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800, 3600)


class Metrics:
    """Every metric of one agent."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.tasks = self._counter("tasks", "Tasks that ended, by status and error code", "status", "code")
        self.returned = self._counter("tasks_returned", "Tasks given back to the queue, by reason", "reason")
        self.set_aside = self._counter("tasks_set_aside", "Messages sent to the dead-letter queue", "reason")
        self.retries = self._counter("aws_retries", "AWS calls that failed and were repeated", "call", "code")
        self.queue_wait = self._histogram("queue_wait_seconds", "From sending to receiving", LONG)
        self.run = self._histogram("run_seconds", "On the runtime", LONG)
        self.upload = self._histogram("upload_seconds", "From the end of the run to result.json", SHORT)
        self.idle_gap = self._histogram("gpu_idle_gap_seconds", "Without work while a task was here", SHORT)
        self.ahead = self._gauge("tasks_ahead", "Tasks taken and not yet started")
        self.running = self._gauge("tasks_running", "Tasks on the runtime: 0 or 1")
        self.finishing = self._gauge("tasks_finishing", "Tasks whose outputs are being stored or announced")
        self.ready = self._gauge("runtime_ready", "1 when the runtime takes work")

    def text(self) -> bytes:
        """All of it, in Prometheus' text format."""
        return generate_latest(self.registry)

    def retried(self, call: str, code: str) -> None:
        """Count a failed AWS call."""
        self.retries.labels(call, code).inc()

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"queue_agent_{name}", text, labels, registry=self.registry)

    def _histogram(self, name: str, text: str, buckets: tuple[float, ...]) -> Histogram:
        return Histogram(f"queue_agent_{name}", text, buckets=buckets, registry=self.registry)

    def _gauge(self, name: str, text: str) -> Gauge:
        return Gauge(f"queue_agent_{name}", text, registry=self.registry)


def table() -> str:
    """The metrics as the Markdown table of README.md."""
    rows = ["| metric | kind | what |", "|---|---|---|"]
    for each in Metrics().registry.collect():
        name = f"{each.name}_total" if each.type == "counter" else each.name
        rows.append(f"| `{name}` | {each.type} | {each.documentation} |")
    return "\n".join(rows) + "\n"
