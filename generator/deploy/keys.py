"""The API keys of a deployed solution: list, add, rotate, revoke. API Gateway alone holds their values."""

import secrets
import string
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from generator.aws import errors
from generator.deploy import stacks
from generator.deploy.job import Job, RefusedError
from generator.solution import names
from generator.solution.http_api import ApiKey, Quota

# api/authorizer.py finds the name in a key of this form.
SECRET_CHARACTERS = 40
ALPHABET = string.ascii_letters + string.digits


@dataclass(frozen=True)
class KeyValue:
    """One value of a key, without the value itself. `active`: API Gateway accepts it."""

    id: str
    created: str
    active: bool


@dataclass(frozen=True)
class DeployedKey:
    """A key, its usage plan, and its values from the oldest to the newest.

    `source`: `stack` for the solution's own key, `config` for one of `APIGW.keys`, otherwise `command`.
    """

    limits: ApiKey
    source: str
    plan: str
    values: tuple[KeyValue, ...] = field(default=())

    @property
    def name(self) -> str:
        """The name, which tasks belong to."""
        return self.limits.name


def every(job: Job) -> list[DeployedKey]:
    """Every key of the solution, by name, the solution's own first. Raises AwsError."""
    with _calls("the API keys could not be read"):
        attached = [(plan, _attached(job, plan["id"])) for plan in _plans(job)]
        made = _api_keys(job, (key_id for _, ids in attached for key_id in ids))
        plans = [_key(job, plan, ids, made) for plan, ids in attached]
    return sorted(plans, key=lambda key: (key.source != "stack", key.name))


def find(job: Job, name: str) -> DeployedKey | None:
    """The key with this name. Raises AwsError."""
    return next((key for key in every(job) if key.name == name), None)


def secret(job: Job, value_id: str) -> str:
    """The value of a key. Raises AwsError."""
    with _calls("the API key could not be read"):
        key = job.aws.client("apigateway").get_api_key(apiKey=value_id, includeValue=True)
    return str(key["value"])


def add(job: Job, api_id: str, limits: ApiKey) -> str:
    """Create a key with its usage plan; its value. Raises AwsError, and RefusedError for a name in use."""
    existing = find(job, limits.name)
    if limits.name == names.OWN_API_KEY or (existing is not None and existing.values):
        raise RefusedError(f"there is an API key {limits.name!r} already: choose another name, or rotate it")
    with _calls(f"the API key {limits.name} could not be created"):
        # A plan without a key is that of an interrupted run.
        plan = existing.plan if existing else _create_plan(job, api_id, limits)
        return _create_value(job, limits.name, plan)


def rotate(job: Job, key: DeployedKey) -> str:
    """Create a new value of a key, next to those that it has. Raises AwsError."""
    with _calls(f"the API key {key.name} could not be rotated"):
        return _create_value(job, key.name, key.plan)


def end(job: Job, key: DeployedKey, values: Iterable[KeyValue]) -> int:
    """End some values of a key; how many worked until now. Raises AwsError.

    What the stack holds is only taken out of the usage plan and disabled: CloudFormation deletes it.
    """
    client, ended = job.aws.client("apigateway"), list(values)
    with _calls(f"the API key {key.name} could not be revoked"):
        for value in ended:
            if value.active:
                client.delete_usage_plan_key(usagePlanId=key.plan, keyId=value.id)
            if key.source == "command":
                client.delete_api_key(apiKey=value.id)
            else:
                disable = [{"op": "replace", "path": "/enabled", "value": "false"}]
                client.update_api_key(apiKey=value.id, patchOperations=disable)
    return sum(value.active for value in ended)


def revoke(job: Job, key: DeployedKey) -> int:
    """End every value of a key, and delete its usage plan unless the stack holds it. Raises AwsError."""
    ended = end(job, key, key.values)
    if key.source == "command":
        with _calls(f"the usage plan of {key.name} could not be deleted"):
            _delete_plan(job, key.plan)
    return ended


def remove_all(job: Job) -> None:
    """Delete the keys that the command made: a usage plan would keep the stage from being deleted."""
    if job.dry_run:
        job.say("# keys that `generator keys add` made are deleted with their usage plans")
        return
    for key in every(job):
        if key.source == "command":
            job.say(f"  API key {key.name}")
            revoke(job, key)


def _key(
    job: Job, plan: Mapping[str, Any], attached: Sequence[str], made: Mapping[str, Mapping[str, Any]]
) -> DeployedKey:
    """The key of a usage plan, which has the values `attached`."""
    name = plan["tags"][names.API_KEY_TAG]
    own = [key for key in made.values() if key["tags"][names.API_KEY_TAG] == name]
    values = tuple(
        KeyValue(str(key["id"]), key["createdDate"].isoformat(), key["enabled"] and key["id"] in attached)
        for key in sorted(own, key=lambda key: key["createdDate"])
    )
    configured = {key.name for key in job.solution.api.keys}
    source = "stack" if name == names.OWN_API_KEY else "config" if name in configured else "command"
    throttle, quota = plan.get("throttle") or {}, plan.get("quota") or {}
    limits = ApiKey(
        name,
        int(throttle.get("rateLimit", 0)),
        int(throttle.get("burstLimit", 0)),
        Quota(int(quota["limit"]), str(quota["period"])) if quota else None,
    )
    return DeployedKey(limits, source, str(plan["id"]), values)


def _plans(job: Job) -> list[Mapping[str, Any]]:
    """The usage plans of the solution's keys."""
    pages = job.aws.client("apigateway").get_paginator("get_usage_plans").paginate()
    return [plan for page in pages for plan in page["items"] if _is_own(job, plan)]


def _api_keys(job: Job, attached: Iterable[str]) -> dict[str, Mapping[str, Any]]:
    """The API keys of the solution by id, without their values: those in its plans, and those of its stack.

    Not by the list of the region's keys: who may ask for it may also ask for the values in it.
    """
    client = job.aws.client("apigateway")
    made = {}
    for key_id in dict.fromkeys((*attached, *_stack_keys(job))):
        try:
            made[key_id] = client.get_api_key(apiKey=key_id)
        except errors.refusals() as error:
            # One that somebody else put into the plan: the deployer may not read it.
            if errors.code(error) not in ("AccessDeniedException", "NotFoundException"):
                raise
    return {key_id: key for key_id, key in made.items() if _is_own(job, key)}


def _stack_keys(job: Job) -> Iterator[str]:
    """The ids of the keys that CloudFormation made: a revoked one is in no plan."""
    if stacks.find(job, job.stack) is None:
        return
    pages = job.aws.client("cloudformation").get_paginator("list_stack_resources")
    for page in pages.paginate(StackName=job.stack):
        for row in page["StackResourceSummaries"]:
            if row["ResourceType"] == "AWS::ApiGateway::ApiKey" and row.get("PhysicalResourceId"):
                yield row["PhysicalResourceId"]


def _attached(job: Job, plan: str) -> list[str]:
    """The ids of the keys in a usage plan."""
    pages = job.aws.client("apigateway").get_paginator("get_usage_plan_keys").paginate(usagePlanId=plan)
    return [str(row["id"]) for page in pages for row in page["items"]]


def _is_own(job: Job, resource: Mapping[str, Any]) -> bool:
    tags = resource.get("tags") or {}
    return tags.get(names.STACK_TAG) == job.stack and names.API_KEY_TAG in tags


def _create_plan(job: Job, api_id: str, limits: ApiKey) -> str:
    quota = {"quota": {"limit": limits.quota.limit, "period": limits.quota.period}} if limits.quota else {}
    plan = job.aws.client("apigateway").create_usage_plan(
        name=names.api_key(job.stack, limits.name),
        apiStages=[{"apiId": api_id, "stage": job.solution.api.stage}],
        throttle={"rateLimit": limits.rate_limit, "burstLimit": limits.burst_limit},
        tags=_tags(job, limits.name),
        **quota,
    )
    return str(plan["id"])


def _create_value(job: Job, name: str, plan: str) -> str:
    """A new value of a key, in its usage plan."""
    client = job.aws.client("apigateway")
    value = f"{name}-{''.join(secrets.choice(ALPHABET) for _ in range(SECRET_CHARACTERS))}"
    key = client.create_api_key(
        name=names.api_key(job.stack, name), enabled=True, value=value, tags=_tags(job, name)
    )
    client.create_usage_plan_key(usagePlanId=plan, keyId=key["id"], keyType="API_KEY")
    return value


def _delete_plan(job: Job, plan: str) -> None:
    """Delete a usage plan; API Gateway asks that it is taken off its stages first."""
    client = job.aws.client("apigateway")
    stages = client.get_usage_plan(usagePlanId=plan).get("apiStages", ())
    remove = [
        {"op": "remove", "path": "/apiStages", "value": f"{stage['apiId']}:{stage['stage']}"}
        for stage in stages
    ]
    if remove:
        client.update_usage_plan(usagePlanId=plan, patchOperations=remove)
    client.delete_usage_plan(usagePlanId=plan)


def _tags(job: Job, name: str) -> dict[str, str]:
    return {**job.solution.resource_tags(), names.API_KEY_TAG: name}


@contextmanager
def _calls(failure: str) -> Iterator[None]:
    """Turn what boto3 raises into an AwsError that says what failed."""
    try:
        yield
    except errors.refusals() as error:
        raise errors.refused(error, failure) from error
