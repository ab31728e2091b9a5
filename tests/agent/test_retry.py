import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from queue_agent.aws.retry import (
    MAX_BACKOFF_SECONDS,
    AwsUnavailable,
    backoff_seconds,
    call_with_retry,
)
from queue_agent.aws_errors import is_permanent


def refusal(code: str, status: int = 0) -> ClientError:
    answer = {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(answer, "PutObject")


class Flaky:
    """Fails with each of these, then answers."""

    def __init__(self, *faults: Exception) -> None:
        self.faults = list(faults)
        self.noted: list[str] = []

    async def __call__(self) -> str:
        if self.faults:
            raise self.faults.pop(0)
        return "done"

    def note(self, call: str, code: str) -> None:
        self.noted.append(code)


async def test_a_call_is_repeated_until_it_succeeds_and_each_failure_is_noted():
    call = Flaky(refusal("SlowDown"), EndpointConnectionError(endpoint_url="x"), TimeoutError())

    assert await call_with_retry("PutObject", call, 10, call.note) == "done"
    assert call.noted == ["SlowDown", "EndpointConnectionError", "TimeoutError"]


async def test_an_answer_is_not_repeated():
    call = Flaky(refusal("PreconditionFailed"))

    with pytest.raises(ClientError):
        await call_with_retry("PutObject", call, 10, call.note)


async def test_it_gives_up_after_the_time_that_it_has():
    call = Flaky(*[refusal("SlowDown")] * 50)

    with pytest.raises(AwsUnavailable, match="SlowDown"):
        await call_with_retry("PutObject", call, 0.5, call.note)
    assert 2 <= len(call.noted) <= 5


async def test_what_only_a_person_can_end_is_not_retried_for_long_after_a_run(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr("queue_agent.aws.retry.PERMANENT_RETRY_SECONDS", 0.3)
    call = Flaky(*[refusal("AccessDenied")] * 50)

    with pytest.raises(AwsUnavailable, match="AccessDenied") as refused:
        await call_with_retry("Publish", call, 3600, call.note, hold_permanent=False)

    assert refused.value.permanent and 2 <= len(call.noted) <= 4


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("AccessDenied", 403),
        ("AccountProblem", 403),
        ("EntityTooLarge", 400),
        ("KmsAccessDenied", 400),
        ("KMS.KMSInvalidStateException", 400),
        ("MethodNotAllowed", 405),
        ("NotSignedUp", 403),
        ("QueueDoesNotExist", 400),
        ("403", 403),
    ],
)
def test_what_aws_refuses_is_permanent(code: str, status: int):
    assert is_permanent(refusal(code, status))


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("InternalError", 500),
        ("SlowDown", 503),
        ("ThrottlingException", 400),
        ("KMSThrottling", 400),
        ("KmsThrottled", 400),
        ("RequestThrottled", 403),
        ("ExpiredToken", 400),
        ("RequestTimeTooSkewed", 403),
        ("RequestTimeout", 400),
        ("BadDigest", 400),
        ("ConditionalRequestConflict", 409),
        ("OperationAborted", 409),
        ("429", 429),
    ],
)
def test_what_ends_by_itself_is_not_permanent(code: str, status: int):
    assert not is_permanent(refusal(code, status))
    assert not is_permanent(TimeoutError())


def test_pauses_grow_to_a_limit():
    pauses = [backoff_seconds(failures, 1.0) for failures in (1, 2, 3, 20, 1000)]

    assert pauses == [0.1, 0.2, 0.4, MAX_BACKOFF_SECONDS, MAX_BACKOFF_SECONDS]
