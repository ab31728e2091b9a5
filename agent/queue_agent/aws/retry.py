"""Retries AWS calls, for far longer than the SDK does. Never used for calls to the runtime."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar

from aiohttp import ClientError as HttpError
from botocore.exceptions import BotoCoreError, ClientError

from queue_agent.aws_errors import error_code, is_permanent

MIN_BACKOFF_SECONDS = 0.1
MAX_BACKOFF_SECONDS = 20.0
# Errors that a retry would only bring again: the caller handles them.
FINAL_CODES = frozenset(
    {
        "404",
        "412",
        "InvalidParameterValue",
        "MessageNotInflight",
        "NoSuchKey",
        "NotFound",
        "PreconditionFailed",
        "ReceiptHandleIsInvalid",
    }
)

# New rights of a role take some seconds to arrive, so even permanent errors are retried for a short time.
PERMANENT_RETRY_SECONDS = 15.0

T = TypeVar("T")
OnRetry = Callable[[str, str], None]  # called with the name of the call and the error code


class AwsUnavailable(Exception):  # noqa: N818 (a state, not an error of the task)
    """A call to AWS failed until its time to retry was over. `permanent`: a person has to end the error."""

    def __init__(self, call: str, error: BaseException) -> None:
        self.permanent = is_permanent(error)
        super().__init__(f"{call}: {error_code(error)}")


class NoObjectError(OSError):
    """S3 answered 200 without an ETag: the body is an error, not the object or the receipt of a write.

    The SDK takes only such answers for an error that have no object in their body.
    https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
    """


def etag_of(response: Mapping[str, Any]) -> str:
    """The ETag of S3's answer. Raises `NoObjectError`."""
    etag = response.get("ETag")
    if not etag:
        raise NoObjectError("S3 answered 200 without an ETag")
    return str(etag)


def backoff_seconds(failures: int, jitter: float) -> float:
    """Seconds until the next attempt after so many failures; `jitter` in 0 … 1 spreads the callers."""
    limit: float = min(MIN_BACKOFF_SECONDS * 2.0 ** min(failures - 1, 16), MAX_BACKOFF_SECONDS)
    return limit * (0.5 + jitter / 2)


async def call_with_retry(
    name: str,
    call: Callable[[], Awaitable[T]],
    seconds: float,
    on_retry: OnRetry,
    *,
    hold_permanent: bool = True,
) -> T:
    """The result of `call`, which is retried until `seconds` are over.

    `hold_permanent`: permanent errors too; otherwise those are retried only for a short time.
    Raises `ClientError` at once for an error of `FINAL_CODES`, and in the end `AwsUnavailable` for others.
    """
    began, failures = asyncio.get_running_loop().time(), 0
    while True:
        try:
            return await call()
        except (ClientError, BotoCoreError, HttpError, OSError, TimeoutError) as error:
            code = error_code(error)
            if code in FINAL_CODES:
                raise
            failures += 1
            on_retry(name, code)
            wait = backoff_seconds(failures, random.random())  # noqa: S311 (spreads callers, guards nothing)
            short = not hold_permanent and is_permanent(error)
            patience = min(seconds, PERMANENT_RETRY_SECONDS) if short else seconds
            if asyncio.get_running_loop().time() + wait > began + patience:
                raise AwsUnavailable(name, error) from error
        await asyncio.sleep(wait)
