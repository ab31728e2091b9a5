"""Traces continue the one that AWS began; without an endpoint there is none."""

import json
import signal
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from queue_agent.ops.tracing import NoTracing, create

from testing.world import World

HEADER = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1"
TASK = json.dumps({"metadata": {"id": "cat", "tasktype": "text-to-image"}, "content": {"prompt": "a cat"}})


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
    assert {item.key: item.value.string_value for item in span.attributes} == {"task.id": "cat"}


def test_a_message_without_a_trace_begins_one(collector):
    endpoint, sent = collector
    tracing = create(endpoint, "painter")

    with tracing.stage(tracing.task("", "cat"), "run"):
        pass
    tracing.close()

    assert sent[0].resource_spans[0].scope_spans[0].spans[0].parent_span_id == b""


def test_without_an_endpoint_there_are_no_traces():
    assert isinstance(create("", "painter"), NoTracing)


def test_without_the_extra_there_are_none_and_that_is_said(monkeypatch, caplog):
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)

    assert isinstance(create("http://127.0.0.1:1", "painter"), NoTracing)
    assert "install the extra" in caplog.text


@pytest.mark.thorough
def test_every_stage_of_a_task_is_in_the_trace_that_aws_began(collector, world: World):
    endpoint, sent = collector
    agent = world.agent(world.runtime("--service-time", "0.05").url, OTEL_EXPORTER_OTLP_ENDPOINT=endpoint)
    header = {"AWSTraceHeader": {"DataType": "String", "StringValue": HEADER}}

    world.sqs.send_message(QueueUrl=world.queue, MessageBody=TASK, MessageSystemAttributes=header)
    world.callbacks_for(["cat"])
    agent.signal(signal.SIGTERM)
    agent.process.wait(10)

    spans = [span for item in sent for part in item.resource_spans[0].scope_spans for span in part.spans]
    assert sorted(span.name for span in spans) == ["finish", "prepare", "run"]
    assert {span.trace_id.hex() for span in spans} == {"5759e988bd862e3fe1be46a994272793"}
