"""Starts the agent from its environment and ends it on SIGTERM: `python -m queue_agent`."""

import asyncio
import contextlib
import gc
import os
import signal
import sys
import uuid
from collections.abc import AsyncIterator

import uvloop
from aiobotocore.config import AioConfig
from aiobotocore.session import get_session

from queue_agent import adapters, settings
from queue_agent.adapters.shared.http import session as runtime_session
from queue_agent.aws.callbacks import Callbacks
from queue_agent.aws.claims import Claims
from queue_agent.aws.queue import Queue
from queue_agent.aws.store import Store
from queue_agent.flow.feeder import Feeder
from queue_agent.flow.services import Services
from queue_agent.ops import logs, tracing
from queue_agent.ops.health import Health
from queue_agent.ops.metrics import Metrics
from queue_agent.settings import Settings, SettingsError
from queue_agent.task.addresses import PublicResolver
from queue_agent.task.inputs import Inputs, Limits

EXIT_BUG, EXIT_SETTINGS = 1, 2
# A call of the SDK fails once and comes back: `retry` repeats it, longer than the SDK would.
AWS = AioConfig(
    connect_timeout=5,
    read_timeout=60,
    retries={"total_max_attempts": 1},
    tcp_keepalive=True,
    max_pool_connections=64,
    request_checksum_calculation="when_required",
    response_checksum_validation="when_required",
    # Both cost a tenth of a call's CPU: a list of features in each request, a check of our own arguments.
    user_agent="sd-on-eks-queue-agent",
    parameter_validation=False,
)


def main() -> None:
    """The command `queue-agent`."""
    try:
        told = settings.from_environment(os.environ)
    except SettingsError as faults:
        sys.stderr.write(f"{faults}\n")
        sys.exit(EXIT_SETTINGS)
    logs.set_up(told.log_level, told.runtime_name)
    # What was made at start stays: the collector need not look at it again while tasks run.
    gc.freeze()
    # Measured by `make bench-agent`: a sixth less CPU for each task than with asyncio's own loop.
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        sys.exit(runner.run(_run(told)))


async def _run(told: Settings) -> int:
    async with _connected(told) as kit:
        pipeline = Feeder(kit)
        health = Health(kit.metrics, pipeline.supervisor.up.is_set, pipeline.drained)
        ending = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, ending.set)
        port = await health.start(told.agent_host, told.agent_port)
        logs.log.info("the agent listens", extra={"port": port, "runtime_type": told.runtime_type})
        watching = asyncio.ensure_future(pipeline.supervisor.watch())
        feeding = asyncio.ensure_future(pipeline.feed())
        told_to_end = asyncio.ensure_future(ending.wait())
        await asyncio.wait({watching, feeding, told_to_end}, return_when=asyncio.FIRST_COMPLETED)
        broken = next((task for task in (watching, feeding) if task.done()), None)
        if broken is not None:
            logs.log.critical("the agent is broken", exc_info=broken.exception())
        await pipeline.drain(feeding, told.shutdown_grace_seconds)
        watching.cancel()
        await health.stop()
        logs.log.info("the agent ends")
        return EXIT_BUG if broken is not None else 0


@contextlib.asynccontextmanager
async def _connected(told: Settings) -> AsyncIterator[Services]:
    metrics = Metrics()
    session = get_session()
    async with contextlib.AsyncExitStack() as stack:
        sqs, s3, sns = [
            await stack.enter_async_context(
                session.create_client(service, region_name=told.region, config=AWS)
            )
            for service in ("sqs", "s3", "sns")
        ]
        http = await stack.enter_async_context(runtime_session())
        adapter = adapters.create(told, http)
        limits = Limits(told.input_max_bytes, told.input_timeout_seconds, told.input_buckets)
        inputs = Inputs(s3, limits, PublicResolver())
        stack.push_async_callback(inputs.aclose)
        store = Store(s3, told.bucket, told.aws_retry_seconds, metrics.retried)
        spans = tracing.create(told.otlp_endpoint, told.runtime_name)
        stack.callback(spans.close)
        yield Services(
            settings=told,
            adapter=adapter,
            queue=Queue(
                sqs,
                told.queue_url,
                told.dead_letter_queue_url,
                told.visibility_timeout_seconds,
                metrics.retried,
            ),
            store=store,
            claims=Claims(store, uuid.uuid4().hex, told.visibility_timeout_seconds),
            callbacks=Callbacks(sns, told.topic_arn, metrics.retried),
            inputs=inputs,
            metrics=metrics,
            tracing=spans,
        )


if __name__ == "__main__":
    main()
