"""Starts the agent from its environment and stops it on SIGTERM: `python -m queue_agent`."""

import os
import signal

if __name__ == "__main__":
    # The kernel drops a SIGTERM to PID 1 of a container that has no handler: the imports take a second.
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))

import asyncio
import contextlib
import gc
import sys
import uuid
from collections.abc import AsyncIterator

import uvloop
from aiobotocore.config import AioConfig
from aiobotocore.session import get_session

from queue_agent import adapters
from queue_agent.adapters.guarded import GuardedAdapter
from queue_agent.adapters.shared.http import session as runtime_session
from queue_agent.aws.callbacks import Callbacks
from queue_agent.aws.claims import Claims
from queue_agent.aws.queue import Queue, QueueUrls
from queue_agent.aws.store import Store
from queue_agent.blobs import Scratch
from queue_agent.flow.describe import keep_nodes
from queue_agent.flow.services import Services
from queue_agent.flow.worker import Worker
from queue_agent.ops import tracing
from queue_agent.ops.health import Health
from queue_agent.ops.logs import log, set_up
from queue_agent.ops.metrics import Metrics
from queue_agent.pictures.converter import Converter
from queue_agent.settings import Settings, SettingsError, from_environment
from queue_agent.task.addresses import PublicResolver
from queue_agent.task.inputs import InputLimits, Inputs

EXIT_BUG, EXIT_SETTINGS = 1, 2
SWITCH_SECONDS = 0.0005
# What the agent allocates is mostly JSON, which has no cycles: to look for them as often as by default more
# than doubles the time to parse it.
GC_THRESHOLDS = (50_000, 20, 100)
# The SDK does not retry: aws/retry.py does, for longer than the SDK would.
AWS = AioConfig(
    connect_timeout=5,
    read_timeout=60,
    retries={"total_max_attempts": 1},
    tcp_keepalive=True,
    max_pool_connections=64,
    request_checksum_calculation="when_required",
    response_checksum_validation="when_required",
    # Each costs a tenth of a call's CPU time: a feature list in each request, a check of our own arguments.
    user_agent="sd-on-eks-queue-agent",
    parameter_validation=False,
)
S3 = AWS.merge(
    AioConfig(
        # Without it the SDK signs links by an old scheme, which newer regions refuse.
        signature_version="s3v4",
        # To sign a body the SDK hashes all of it in the event loop, while the GPU may wait for its next task.
        # Outputs have a checksum instead, which S3 compares: see Store.put.
        s3={"payload_signing_enabled": False},
    )
)


def main() -> None:
    """The command `queue-agent`."""
    try:
        settings = from_environment(os.environ)
    except SettingsError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(EXIT_SETTINGS)
    set_up(settings.log_level, settings.runtime_name)
    # The objects of the start stay: the garbage collector need not look at them again.
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)
    # The event loop gets the interpreter's lock back sooner from threads that decode images.
    sys.setswitchinterval(SWITCH_SECONDS)
    # Measured by `make bench-agent`: a sixth less CPU for each task than with asyncio's own loop.
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        sys.exit(runner.run(_run(settings)))


async def _run(settings: Settings) -> int:
    async with _connected(settings) as services:
        worker = Worker(services)
        supervisor = worker.supervisor
        health = Health(
            services.metrics,
            supervisor.available.is_set,
            lambda: supervisor.restart_reason,
            worker.drained,
        )
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        port = await health.start(settings.agent_host, settings.agent_port)
        log.info("agent started", extra={"port": port, "runtime_type": settings.runtime_type})
        watching = asyncio.ensure_future(worker.supervisor.watch())
        working = asyncio.ensure_future(worker.run())
        describing = asyncio.ensure_future(keep_nodes(services, supervisor.available))
        stopping = asyncio.ensure_future(stop.wait())
        await asyncio.wait({watching, working, stopping}, return_when=asyncio.FIRST_COMPLETED)
        failed = next((task for task in (watching, working) if task.done()), None)
        if failed is not None:
            log.critical("agent failed", exc_info=failed.exception())
        await worker.shutdown(working, settings.shutdown_grace_seconds)
        watching.cancel()
        describing.cancel()
        await health.stop()
        log.info("agent stopped")
        return EXIT_BUG if failed is not None else 0


@contextlib.asynccontextmanager
async def _connected(settings: Settings) -> AsyncIterator[Services]:
    metrics = Metrics()
    session = get_session()
    async with contextlib.AsyncExitStack() as stack:
        sqs, s3, sns = [
            await stack.enter_async_context(
                session.create_client(service, region_name=settings.region, config=config)
            )
            for service, config in (("sqs", AWS), ("s3", S3), ("sns", AWS))
        ]
        scratch = Scratch()
        http = await stack.enter_async_context(runtime_session())
        adapter = GuardedAdapter(adapters.create(settings, http, scratch))
        limits = InputLimits(
            settings.input_max_bytes, settings.input_timeout_seconds, settings.input_buckets, settings.bucket
        )
        inputs = Inputs(s3, limits, PublicResolver(), scratch=scratch)
        stack.push_async_callback(inputs.aclose)
        store = Store(s3, settings.bucket, settings.aws_retry_seconds, metrics.retried)
        spans = tracing.create(
            "" if settings.tracing_disabled else settings.otlp_endpoint, settings.runtime_name
        )
        stack.callback(spans.close)
        yield Services(
            settings=settings,
            adapter=adapter,
            queue=Queue(
                sqs,
                QueueUrls(
                    settings.queue_url, settings.dead_letter_queue_url, settings.high_priority_queue_url
                ),
                settings.visibility_timeout_seconds,
                metrics.retried,
            ),
            store=store,
            claims=Claims(store, uuid.uuid4().hex, settings.visibility_timeout_seconds),
            callbacks=Callbacks(sns, settings.topic_arn, metrics.retried),
            inputs=inputs,
            converter=Converter(scratch),
            metrics=metrics,
            tracing=spans,
        )


if __name__ == "__main__":
    main()
