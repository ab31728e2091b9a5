"""Requests higher quotas from AWS: the only part of preflight that changes anything."""

from collections.abc import Iterable, Iterator

from generator.aws import errors
from generator.aws.clients import Aws
from generator.preflight.limits import S3_QUOTA_REGION
from generator.preflight.result import Increase, Result

OPEN = ("PENDING", "CASE_OPENED")


def request(clients: Aws, partition: str, results: Iterable[Result]) -> Iterator[str]:
    """Request the increases of `results`; one line for each. A request that is open is not repeated."""
    for result in results:
        if result.increase is not None:
            yield f"{result.name}: {_request(clients, partition, result.increase)}"


def _request(clients: Aws, partition: str, increase: Increase) -> str:
    region = S3_QUOTA_REGION.get(partition) if increase.service == "s3" else None
    client = clients.client("service-quotas", region)
    key = {"ServiceCode": increase.service, "QuotaCode": increase.code}
    try:
        requests = client.list_requested_service_quota_change_history_by_quota(**key)["RequestedQuotas"]
        pending = [row for row in requests if row["Status"] in OPEN]
        if pending:
            return f"a request for {pending[0]['DesiredValue']:g} is already open ({pending[0]['Id']})"
        answer = client.request_service_quota_increase(**key, DesiredValue=float(increase.value))
    except errors.refusals() as error:
        return f"could not be requested: {errors.reason(error)}"
    return f"requested {increase.value:,} ({answer['RequestedQuota']['Id']})"
