"""Asks AWS for higher quotas: the one thing of preflight that changes anything."""

from collections.abc import Iterable, Iterator

from generator.aws import errors
from generator.aws.clients import Aws
from generator.preflight.limits import S3_QUOTA_REGION
from generator.preflight.result import Increase, Result

OPEN = ("PENDING", "CASE_OPENED")


def request(clients: Aws, partition: str, results: Iterable[Result]) -> Iterator[str]:
    """File what is needed; one line for each quota. A request that is open is not filed twice."""
    for result in results:
        if result.increase is not None:
            yield f"{result.what}: {_request(clients, partition, result.increase)}"


def _request(clients: Aws, partition: str, increase: Increase) -> str:
    region = S3_QUOTA_REGION.get(partition) if increase.service == "s3" else None
    client = clients.client("service-quotas", region)
    key = {"ServiceCode": increase.service, "QuotaCode": increase.code}
    try:
        asked = client.list_requested_service_quota_change_history_by_quota(**key)["RequestedQuotas"]
        pending = [row for row in asked if row["Status"] in OPEN]
        if pending:
            return f"a request for {pending[0]['DesiredValue']:g} is open already ({pending[0]['Id']})"
        made = client.request_service_quota_increase(**key, DesiredValue=float(increase.wanted))
    except errors.refusals() as error:
        return f"could not be asked for: {errors.reason(error)}"
    return f"asked for {increase.wanted:,} ({made['RequestedQuota']['Id']})"
