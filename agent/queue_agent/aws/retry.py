"""Repeats an AWS call for as long as it pays, far longer than the SDK. Never used for work on the GPU."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

from aiohttp import ClientError as HttpError
from botocore.exceptions import BotoCoreError, ClientError

FIRST_PAUSE_SECONDS = 0.1
LONGEST_PAUSE_SECONDS = 20.0
# Answers that a repeat would only bring again: the caller knows what they mean.
ANSWERS = frozenset(
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

T = TypeVar("T")
Note = Callable[[str, str], None]


class AwsUnavailable(Exception):  # noqa: N818 (a state of the world)
    """AWS refused one call for the whole time that was allowed."""

    def __init__(self, call: str, error: str) -> None:
        self.call, self.error = call, error
        super().__init__(f"{call}: {error}")


def code_of(error: BaseException) -> str:
    """AWS' own code of an error, or the name of its class."""
    if isinstance(error, ClientError):
        return str(error.response.get("Error", {}).get("Code", "Unknown"))
    return type(error).__name__


def pause(tries: int, share: float) -> float:
    """Seconds before the next try, after `tries` that failed; `share` in 0 … 1 spreads the callers."""
    longest: float = min(FIRST_PAUSE_SECONDS * 2.0 ** min(tries - 1, 16), LONGEST_PAUSE_SECONDS)
    return longest * (0.5 + share / 2)


async def insist(name: str, call: Callable[[], Awaitable[T]], seconds: float, note: Note) -> T:
    """The result of `call`, repeated until `seconds` are over; `note(name, code)` hears of each failure.

    An error in `ANSWERS` is raised at once, others as `AwsUnavailable` in the end.
    """
    end = asyncio.get_running_loop().time() + seconds
    tries = 0
    while True:
        try:
            return await call()
        except (ClientError, BotoCoreError, HttpError, OSError, TimeoutError) as error:
            code = code_of(error)
            if code in ANSWERS:
                raise
            tries += 1
            note(name, code)
            wait = pause(tries, random.random())  # noqa: S311 (spreads callers, guards nothing)
            if asyncio.get_running_loop().time() + wait > end:
                raise AwsUnavailable(name, code) from error
        await asyncio.sleep(wait)
