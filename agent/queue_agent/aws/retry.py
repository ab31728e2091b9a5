"""Retries AWS calls, for far longer than the SDK does. Never used for calls to the runtime."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar

from aiohttp import ClientError as HttpError
from botocore.exceptions import BotoCoreError, ClientError

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

# Errors with a status of 4xx that end by themselves: limits of calls, clocks and credentials that are about
# to be set right, a request that was damaged on its way.
# https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
# https://docs.aws.amazon.com/sns/latest/api/CommonErrors.html
PASSING_CODES = frozenset(
    {
        "BadDigest",
        "BandwidthLimitExceeded",
        "ExpiredToken",
        "ExpiredTokenException",
        "IncompleteBody",
        "InvalidToken",
        "LimitExceededException",
        "OverLimit",
        "PriorRequestNotComplete",
        "ProvisionedThroughputExceededException",
        "RequestExpired",
        "RequestLimitExceeded",
        "RequestTimeTooSkewed",
        "RequestTimeout",
        "SignatureDoesNotMatch",
        "SlowDown",
        "TokenRefreshRequired",
        "TooManyRequestsException",
        "XAmzContentSHA256Mismatch",
    }
)
PASSING_WORD = "throttl"  # Throttling, ThrottlingException, KMSThrottling, RequestThrottled …
# Conflicts of writers, and limits.
PASSING_STATUSES = (408, 409, 425, 429)
# All others with 4xx a person has to end: rights, a resource that was deleted, a key that is disabled, a
# request that AWS never accepts. These are known by their codes alone.
# https://docs.aws.amazon.com/sns/latest/api/API_Publish.html
PERMANENT_CODES = frozenset(
    {
        "AccessDenied",
        "AccessDeniedException",
        "AllAccessDisabled",
        "AuthorizationError",
        "AuthorizationHeaderMalformed",
        "EndpointDisabled",
        "InvalidAccessKeyId",
        "InvalidBucketName",
        "InvalidClientTokenId",
        "InvalidParameter",
        "InvalidSecurity",
        "KMS.DisabledException",
        "KMS.NotFoundException",
        "KMSAccessDenied",
        "KMSDisabled",
        "KMSInvalidState",
        "KMSNotFound",
        "KMSOptInRequired",
        "KeyTooLongError",
        "NoSuchBucket",
        "NotFound",
        "ParameterValueInvalid",
        "PermanentRedirect",
        "PlatformApplicationDisabled",
        "UnrecognizedClientException",
        "ValidationException",
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


def error_code(error: BaseException) -> str:
    """The error code of AWS, or the name of the exception's class."""
    if isinstance(error, ClientError):
        return str(error.response.get("Error", {}).get("Code", "Unknown"))
    return type(error).__name__


def is_permanent(error: BaseException) -> bool:
    """Whether more time would not help: a person has to end the error."""
    if not isinstance(error, ClientError):
        return False
    code = error_code(error)
    if code in PASSING_CODES or PASSING_WORD in code.lower():
        return False
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return code in PERMANENT_CODES or (400 <= status < 500 and status not in PASSING_STATUSES)


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
