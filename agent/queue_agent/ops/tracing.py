"""Spans that continue the X-Ray trace of a message: an optional extra, without cost when it is off."""

import contextlib
from collections.abc import Iterator
from typing import Any, Protocol

from queue_agent.ops.logs import log


class Tracing(Protocol):
    """Records the stages of tasks as spans."""

    def task(self, trace_header: str, task_id: str) -> Any:
        """The trace that a message belongs to."""

    def stage(self, parent: Any, name: str) -> contextlib.AbstractContextManager[None]:
        """One stage of the task."""

    def close(self) -> None:
        """Export the spans that are left."""


class NoTracing:
    """Tracing is off."""

    def task(self, trace_header: str, task_id: str) -> None:
        """No trace."""

    def stage(self, parent: Any, name: str) -> contextlib.AbstractContextManager[None]:  # noqa: ARG002
        """No span."""
        return contextlib.nullcontext()

    def close(self) -> None:
        """No spans."""


class OpenTelemetry:
    """Spans over OTLP, under the trace that API Gateway or SNS began."""

    def __init__(self, endpoint: str, runtime: str) -> None:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415
        from opentelemetry.propagators.aws import AwsXRayPropagator  # noqa: PLC0415
        from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
        from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
        from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415

        exporter = OTLPSpanExporter(endpoint=f"{endpoint.rstrip('/')}/v1/traces")
        self._provider = TracerProvider(resource=Resource.create({"service.name": f"{runtime}-queue-agent"}))
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer("queue_agent")
        self._propagator = AwsXRayPropagator()

    def task(self, trace_header: str, task_id: str) -> tuple[Any, str]:
        """The trace context of the header; a new trace when the header is empty."""
        return self._propagator.extract({"X-Amzn-Trace-Id": trace_header} if trace_header else {}), task_id

    @contextlib.contextmanager
    def stage(self, parent: tuple[Any, str], name: str) -> Iterator[None]:
        """A span."""
        context, task_id = parent
        with self._tracer.start_as_current_span(name, context=context, attributes={"task.id": task_id}):
            yield

    def close(self) -> None:
        """Export the spans that are left."""
        self._provider.shutdown()


def create(endpoint: str, runtime: str) -> Tracing:
    """Tracing to this endpoint; off without one, and, with a warning, without the extra."""
    if not endpoint:
        return NoTracing()
    try:
        return OpenTelemetry(endpoint, runtime)
    except ModuleNotFoundError as error:
        log.warning("tracing is off: install the extra `tracing`", extra={"missing": error.name})
        return NoTracing()
