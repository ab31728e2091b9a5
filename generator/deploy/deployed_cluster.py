"""Reads the parts of a cluster that cluster.yaml names, in the form of `comparable.cluster_of`."""

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from generator.aws import errors
from generator.build import cluster, comparable
from generator.deploy import eks
from generator.deploy.job import Job

# IAM allows about 20 reads a second; boto3 repeats what it refuses beyond that.
WORKERS = 8


def read(job: Job) -> dict[str, Any] | None:
    """The cluster; None if it does not exist. Raises RefusedError, AwsError and what boto3 raises."""
    existing = eks.own_cluster(job)
    if existing is None:
        return None
    named = comparable.cluster_of(comparable.parsed(job.files[cluster.FILE]))
    return {
        "version": existing.version,
        "availabilityZones": _zones(job, existing.subnets),
        "publicEndpoint": existing.public_endpoint,
        "privateEndpoint": existing.private_endpoint,
        "logs": list(existing.logs),
        "addons": _addons(job, named["addons"]),
        "nodeGroups": _node_groups(job, named["nodeGroups"]),
        "roles": _roles(job, named["roles"]),
    }


def _zones(job: Job, subnets: Iterable[str]) -> list[str]:
    rows = job.aws.client("ec2").describe_subnets(SubnetIds=list(subnets))["Subnets"]
    return sorted({row["AvailabilityZone"] for row in rows})


def _addons(job: Job, named: Iterable[str]) -> list[str]:
    """The add-ons of the config that are installed; a deployment leaves others as they are."""
    pages = job.aws.client("eks").get_paginator("list_addons").paginate(clusterName=job.stack)
    installed = {name for page in pages for name in page["addons"]}
    return sorted(installed.intersection(named))


def _node_groups(job: Job, named: Iterable[str]) -> dict[str, Any]:
    """The managed node groups of the config that exist."""
    client = job.aws.client("eks")
    groups = {}
    for name in named:
        try:
            row = client.describe_nodegroup(clusterName=job.stack, nodegroupName=name)["nodegroup"]
        except errors.refusals() as error:
            if errors.code(error) != "ResourceNotFoundException":
                raise
            continue
        size = row["scalingConfig"]
        groups[name] = comparable.node_group(
            row.get("instanceTypes", ()), size["minSize"], size["desiredSize"], size["maxSize"]
        )
    return groups


def _roles(job: Job, named: Iterable[str]) -> dict[str, Any]:
    """The statements in the inline policies of the roles of the config that exist."""
    listed = list(named)
    with ThreadPoolExecutor(WORKERS) as pool:
        found = pool.map(lambda role: _statements(job.aws.client("iam"), role), listed)
    return {role: rows for role, rows in zip(listed, found, strict=True) if rows is not None}


def _statements(iam: Any, role: str) -> list[Any] | None:
    try:
        policies = iam.list_role_policies(RoleName=role)["PolicyNames"]
        answers = [iam.get_role_policy(RoleName=role, PolicyName=name) for name in policies]
    except errors.refusals() as error:
        if errors.code(error) != "NoSuchEntity":
            raise
        return None
    return comparable.statements(answer["PolicyDocument"] for answer in answers)
