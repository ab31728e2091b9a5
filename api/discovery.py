"""What there is: the runtimes with their task types, models, limits, and how many tasks wait for each."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from botocore.exceptions import ClientError
from queue_agent.task.protocol import CONTENT_MAX_BYTES, CONTEXT_MAX_BYTES, TASK_TYPES, UPLOAD_MAX_BYTES

from api.node_inputs import MODEL_EXTENSIONS
from api.records import LINK_SECONDS
from api.settings import Runtime, Settings
from api.waits import Waits

WAITING, RUNNING = "ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"
# SQS sends the metric once a minute, some minutes late.
AGE_WINDOW = timedelta(minutes=10)
UNLISTED_CODES = ("AccessDenied", "NoSuchBucket", "403", "404")
# One call lists so many objects; a bucket with more files of models shows the first of them.
MAX_LISTED = 1000


def describe_runtimes(settings: Settings, root: str) -> dict[str, Any]:
    """Every runtime of the solution, and the limits that all tasks have."""
    runtimes = [_description(runtime, root) for _, runtime in sorted(settings.runtimes.items())]
    limits = {
        "task_bytes": CONTENT_MAX_BYTES,
        "upload_bytes": UPLOAD_MAX_BYTES,
        "context_bytes": CONTEXT_MAX_BYTES,
        "link_seconds": LINK_SECONDS,
        "record_seconds": settings.retention.records,
        "queue_seconds": settings.retention.queue,
    }
    return {"runtimes": runtimes, "limits": limits}


@dataclass(frozen=True)
class Sources:
    """The clients of AWS by which a runtime is described."""

    s3: Any
    sqs: Any
    cloudwatch: Any


def describe_runtime(runtime: Runtime, root: str, sources: Sources, waits: Waits) -> dict[str, Any]:
    """One runtime: also the models in its bucket, and its queue. No GPU is started for the answer."""
    expected = waits.expected(runtime.name, 0.0)
    fields = {
        **_description(runtime, root),
        "models": _models(runtime, sources.s3),
        "queue": _queue(runtime, sources),
        "expected_wait_seconds": None if expected is None else round(expected, 3),
    }
    return {name: value for name, value in fields.items() if value is not None}


def _description(runtime: Runtime, root: str) -> dict[str, Any]:
    fields = {
        "name": runtime.name,
        "type": runtime.type,
        "tasktypes": list(TASK_TYPES.get(runtime.type, ())),
        "model": runtime.model_file,
        "timeout_seconds": runtime.timeout,
        "priority_queue": bool(runtime.high_priority_url),
        "tasks_url": f"{root}/v1alpha2/{runtime.name}",
        "comfy_url": f"{root}/comfy/{runtime.name}" if runtime.type == "comfyui" else None,
    }
    return {name: value for name, value in fields.items() if value is not None}


def _models(runtime: Runtime, s3: Any) -> list[str] | None:
    """The files of models in the runtime's bucket, as paths below the folder that it has mounted.

    None for models that are elsewhere, or in a bucket of another account that allows only its readers.
    """
    if not runtime.models_bucket:
        return None
    prefix = runtime.models_prefix
    try:
        answer = s3.list_objects_v2(Bucket=runtime.models_bucket, Prefix=prefix, MaxKeys=MAX_LISTED)
    except ClientError as error:
        if error.response["Error"]["Code"] in UNLISTED_CODES:
            return None
        raise
    keys = [str(item["Key"]).removeprefix(prefix) for item in answer.get("Contents", ())]
    return [key for key in keys if key.lower().endswith(MODEL_EXTENSIONS)]


def _queue(runtime: Runtime, sources: Sources) -> dict[str, int]:
    """How many tasks wait, how many an agent has, and how many failed in every attempt; SQS approximates.

    `oldest_seconds`: the age of the oldest task that has not ended, as of the last minutes, if it is known.
    """
    urls = [url for url in (runtime.queue_url, runtime.high_priority_url) if url]
    counts = [_counts(url, sources.sqs) for url in urls]
    waiting, running = (sum(int(count[name]) for count in counts) for name in (WAITING, RUNNING))
    ages = [_oldest(url, sources.cloudwatch) for url in urls] if waiting or running else []
    age = max((age for age in ages if age is not None), default=None)
    return {
        "waiting": waiting,
        "running": running,
        "dead_lettered": int(_counts(runtime.dead_letter_url, sources.sqs)[WAITING]),
        **({} if age is None else {"oldest_seconds": age}),
    }


def _oldest(url: str, cloudwatch: Any) -> int | None:
    """The latest value of the metric of SQS; None for a queue that has none yet, as in the local pipeline."""
    now = datetime.now(UTC)
    points = cloudwatch.get_metric_statistics(
        Namespace="AWS/SQS",
        MetricName="ApproximateAgeOfOldestMessage",
        Dimensions=[{"Name": "QueueName", "Value": url.rpartition("/")[2]}],
        StartTime=now - AGE_WINDOW,
        EndTime=now,
        Period=60,
        Statistics=["Maximum"],
    )["Datapoints"]
    return int(max(points, key=lambda point: point["Timestamp"])["Maximum"]) if points else None


def _counts(url: str, sqs: Any) -> Mapping[str, str]:
    answer = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=[WAITING, RUNNING])
    attributes: Mapping[str, str] = answer["Attributes"]
    return attributes
