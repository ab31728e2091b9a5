"""Traces continue the one that AWS began; without an endpoint there is none."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from queue_agent.tracing import NoTracing, create

HEADER = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1"


@pytest.fixture
def collector() -> Iterator[tuple[str, list[ExportTraceServiceRequest]]]:
    """An OTLP collector: its address, and what it was sent."""
    sent: list[ExportTraceServiceRequest] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            sent.append(ExportTraceServiceRequest.FromString(body))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", sent
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_stage_is_a_span_in_the_trace_of_the_message(collector):
    endpoint, sent = collector
    tracing = create(endpoint, "painter")

    with tracing.stage(tracing.task(HEADER, "cat"), "run"):
        pass
    tracing.close()

    span = sent[0].resource_spans[0].scope_spans[0].spans[0]
    assert span.name == "run"
    assert span.trace_id.hex() == "5759e988bd862e3fe1be46a994272793"
    assert span.parent_span_id.hex() == "53995c3f42cd8ad8"
    assert {each.key: each.value.string_value for each in span.attributes} == {"task.id": "cat"}


def test_a_message_without_a_trace_begins_one(collector):
    endpoint, sent = collector
    tracing = create(endpoint, "painter")

    with tracing.stage(tracing.task("", "cat"), "run"):
        pass
    tracing.close()

    assert sent[0].resource_spans[0].scope_spans[0].spans[0].parent_span_id == b""


def test_without_an_endpoint_there_are_no_traces():
    assert isinstance(create("", "painter"), NoTracing)
