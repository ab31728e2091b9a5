"""Follows one task in the bucket: writes how far it is, and sees that its sender wants to cancel it.

A task that ends within FOLLOW_SECONDS costs no call. A longer one costs one call to S3 every FOLLOW_SECONDS:
a PUT when its progress has grown by PROGRESS_STEP, so at most 21 PUTs a task, else a GET.
"""

import asyncio
from dataclasses import asdict, replace

from queue_agent.aws.claims import Lease, LeaseLost
from queue_agent.aws.retry import AwsUnavailable
from queue_agent.contract import Progress
from queue_agent.flow.job import Job, Stage
from queue_agent.ops.logs import log

FOLLOW_SECONDS = 4.0
PROGRESS_STEP = 0.05
# Why a job is abandoned whose sender cancelled it.
CANCELLED = "cancelled"


async def follow(job: Job) -> None:
    """Follow a job until its run is over or it is abandoned."""
    written = -1.0
    while job.stage not in (Stage.FINISHING, Stage.ANNOUNCING):
        await asyncio.sleep(FOLLOW_SECONDS)
        if job.lease is None:
            continue
        try:
            written = await _exchange(job, job.lease, written)
        except AwsUnavailable as error:
            log.warning("the progress was not written", extra={**job.log_fields(), "error": str(error)})
        except LeaseLost:
            log.warning("lease lost to another agent", extra=job.log_fields())
            job.abandon("lease_lost")
            return
        if job.lease.cancel_requested:
            log.info("cancelled by its sender", extra=job.log_fields())
            job.abandon(CANCELLED)
            return


async def _exchange(job: Job, lease: Lease, written: float) -> float:
    """Write the progress if it has grown, else look whether the claim has changed; the progress written."""
    value = job.progress
    if job.stage is not Stage.RUNNING or value - written < PROGRESS_STEP:
        await lease.look()
        return written
    place = replace(job.place or Progress(0.0), value=round(value, 4))
    fields = {name: item for name, item in asdict(place).items() if item is not None}
    await lease.report({**fields, "started": job.run_started}, FOLLOW_SECONDS)
    return value
