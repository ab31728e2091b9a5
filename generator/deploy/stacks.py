"""One CloudFormation stack: made or changed by a change set, shown before it runs, watched to its end."""

import hashlib
import itertools
import shlex
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from generator.aws import errors
from generator.build import stack_layout
from generator.deploy import changes, reasons, templates
from generator.deploy.job import Job
from generator.errors import AwsError

POLL_SECONDS = 3.0
LOOKS_BEFORE_IT_BEGINS = 20
# A stack in one of these holds nothing that works: it is removed and made anew.
BROKEN = frozenset({"ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "CREATE_FAILED", "DELETE_FAILED"})
EMPTY = ("didn't contain changes", "No updates are to be performed")
GOOD = frozenset({"CREATE_COMPLETE", "UPDATE_COMPLETE", "IMPORT_COMPLETE", "DELETE_COMPLETE"})


@dataclass(frozen=True)
class Found:
    """A stack as it is now."""

    status: str
    outputs: Mapping[str, str]

    @property
    def busy(self) -> bool:
        """Whether CloudFormation works on it."""
        return self.status.endswith("_IN_PROGRESS") and self.status != "REVIEW_IN_PROGRESS"


def find(job: Job, name: str) -> Found | None:
    """The stack, if it exists."""
    try:
        row = job.aws.client("cloudformation").describe_stacks(StackName=name)["Stacks"][0]
    except errors.refusals() as error:
        # AWS has no code of its own for a stack that does not exist.
        if errors.code(error) == "ValidationError":
            return None
        raise errors.refused(error, f"stack {name} could not be looked up") from error
    outputs = {item["OutputKey"]: item["OutputValue"] for item in row.get("Outputs", ())}
    return None if row["StackStatus"] == "DELETE_COMPLETE" else Found(str(row["StackStatus"]), outputs)


def apply(job: Job, file: str, parameters: Mapping[str, str]) -> None:
    """Make the stack of one file of the build what the file says."""
    name, path = stack_layout.stack_name(job.solution, file), job.folder / file
    if job.dry_run:
        if templates.large(path.read_text("utf-8")):
            job.say(f"$ aws s3 mb s3://{templates.bucket(job.solution)} --region {job.solution.region}")
        job.say(f"$ {shlex.join(_equivalent(job, name, path, parameters))}")
        return
    try:
        _apply(job, name, path, parameters)
    except errors.refusals() as error:
        raise errors.refused(error, f"stack {name}") from error


def _equivalent(job: Job, name: str, path: Path, parameters: Mapping[str, str]) -> list[str]:
    """The command of the AWS CLI that does the same."""
    command = ["aws", "cloudformation", "deploy", "--stack-name", name, "--template-file", str(path)]
    command += ["--capabilities", "CAPABILITY_NAMED_IAM"]
    if templates.large(path.read_text("utf-8")):
        command += ["--s3-bucket", templates.bucket(job.solution)]
    if parameters:
        command += ["--parameter-overrides", *(f"{key}={value}" for key, value in parameters.items())]
    tags = [f"{key}={value}" for key, value in job.solution.resource_tags().items()]
    return [*command, "--tags", *tags, "--region", job.solution.region]


def _apply(job: Job, name: str, path: Path, parameters: Mapping[str, str]) -> None:
    found = _settled(job, name)
    if found and found.status in BROKEN:
        job.say(f"stack {name} is {found.status}: it never worked, and is made anew")
        delete(job, name)
        found = None
    text = path.read_text("utf-8")
    set_name = f"generator-{hashlib.sha256((text + repr(parameters)).encode()).hexdigest()[:12]}"
    if found:
        # Left by a run that was stopped: it may be of an older state.
        job.aws.client("cloudformation").delete_change_set(StackName=name, ChangeSetName=set_name)
    fresh = found is None or found.status == "REVIEW_IN_PROGRESS"
    kind = "CREATE" if fresh else "UPDATE"
    body = templates.argument(job, name, text)
    if not _proposed(job, name, {"ChangeSetName": set_name, "ChangeSetType": kind, **body}, parameters):
        job.say(f"stack {name}: nothing to change")
        return
    _show(job, name, set_name, text)
    cloudformation = job.aws.client("cloudformation")
    started = _seen(job, name)
    cloudformation.execute_change_set(StackName=name, ChangeSetName=set_name)
    watch(job, name, started)


def _settled(job: Job, name: str) -> Found | None:
    """The stack once nobody else works on it."""
    found = find(job, name)
    if found and found.busy:
        job.say(f"stack {name} is {found.status}: waiting for it")
        _wait(job, name, set())
        found = find(job, name)
    if found and found.status == "UPDATE_ROLLBACK_FAILED":
        where = f"--stack-name {name} --region {job.solution.region}"
        cure = f"aws cloudformation continue-update-rollback {where}"
        raise AwsError(f"stack {name} is {found.status}: `{cure}`, then run this again")
    return found


def _proposed(job: Job, name: str, wanted: Mapping[str, str], parameters: Mapping[str, str]) -> bool:
    """Whether there is anything to change; if so, the change set is ready."""
    client, set_name = job.aws.client("cloudformation"), wanted["ChangeSetName"]
    client.create_change_set(
        StackName=name,
        Capabilities=["CAPABILITY_NAMED_IAM"],
        Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()],
        Tags=[{"Key": key, "Value": value} for key, value in sorted(job.solution.resource_tags().items())],
        **({"ImportExistingResources": True} if job.adopt else {}),
        **wanted,
    )
    while True:
        answer = client.describe_change_set(StackName=name, ChangeSetName=set_name)
        if answer["Status"] == "CREATE_COMPLETE":
            return True
        if answer["Status"] == "FAILED":
            said = str(answer.get("StatusReason", ""))
            more = reasons.found_before(client, {"ChangeSetName": str(answer["ChangeSetId"])})
            client.delete_change_set(StackName=name, ChangeSetName=set_name)
            if any(sign in said for sign in EMPTY):
                return False
            raise AwsError(f"stack {name}: {'; '.join(more) or said}")
        time.sleep(POLL_SECONDS)


def _show(job: Job, name: str, set_name: str, text: str) -> None:
    """Say what will change; ask before anything that exists goes."""
    client = job.aws.client("cloudformation")
    pages = client.get_paginator("describe_change_set").paginate(StackName=name, ChangeSetName=set_name)
    rows = [row for page in pages for row in page["Changes"]]
    found = changes.kept(changes.changes(rows), _parsed(text), _deployed(job, name))
    for change in found:
        job.say(f"  {change}")
    losing = [change for change in found if change.loses]
    if losing:
        job.confirm(f"{len(losing)} of these may be deleted or replaced. Go on?")


def _deployed(job: Job, name: str) -> Mapping[str, Any]:
    """The template that the stack has now; nothing for a new one."""
    try:
        answer = job.aws.client("cloudformation").get_template(StackName=name)["TemplateBody"]
    except errors.refusals() as error:
        if errors.code(error) != "ValidationError":
            raise
        return {}
    return _parsed(answer) if isinstance(answer, str) else answer


def _parsed(text: str) -> Mapping[str, Any]:
    loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return yaml.load(text, loader) or {}  # noqa: S506 - a safe loader


def delete(job: Job, name: str) -> None:
    """Delete a stack and wait until it is gone; what its template retains stays."""
    if job.dry_run:
        region = job.solution.region
        job.say(f"$ aws cloudformation delete-stack --stack-name {name} --region {region}")
        job.say(f"$ aws cloudformation wait stack-delete-complete --stack-name {name} --region {region}")
        return
    try:
        if find(job, name) is None:
            job.say(f"stack {name}: is not there")
            return
        started = _seen(job, name)
        job.aws.client("cloudformation").delete_stack(StackName=name)
        watch(job, name, started)
    except errors.refusals() as error:
        raise errors.refused(error, f"stack {name}") from error


def watch(job: Job, name: str, seen: set[str]) -> None:
    """Show what happens until it ends. Raises AwsError with the first reason when it ends badly."""
    ended, failed = _wait(job, name, seen)
    if ended not in GOOD:
        before = reasons.found_before(job.aws.client("cloudformation"), {"StackName": name})
        first = failed[0] if failed else "CloudFormation gives no reason"
        raise AwsError(f"stack {name} ended as {ended}: {'; '.join(before) or first}")
    job.say(f"stack {name}: {ended}")


def _wait(job: Job, name: str, seen: set[str]) -> tuple[str, list[str]]:
    """The status at the end, and the reasons of failures on the way, in their order.

    CloudFormation begins a moment after it was asked to: until then the old status means nothing.
    """
    failed: list[str] = []
    begun = False
    for look in itertools.count():
        found = find(job, name)
        fresh = [row for row in _events(job, name) if row["EventId"] not in seen]
        seen |= {row["EventId"] for row in fresh}
        for row in fresh:
            job.say(f"  {row['ResourceStatus']:24} {row['LogicalResourceId']}")
        failed += [_reason(row) for row in fresh if row["ResourceStatus"].endswith("FAILED")]
        if found is None:
            return "DELETE_COMPLETE", failed
        begun = begun or bool(fresh) or found.busy or look > LOOKS_BEFORE_IT_BEGINS
        if begun and not found.busy:
            return found.status, failed
        time.sleep(POLL_SECONDS)
    raise AssertionError  # the loop has no end of its own


def _reason(row: Mapping[str, Any]) -> str:
    return f"{row['LogicalResourceId']}: {row.get('ResourceStatusReason', row['ResourceStatus'])}"


def _seen(job: Job, name: str) -> set[str]:
    """The ids of what happened so far, so that only what follows is shown."""
    return {row["EventId"] for row in _events(job, name)}


def _events(job: Job, name: str) -> list[Mapping[str, Any]]:
    """The latest hundred events, oldest first; none for a stack that is gone."""
    try:
        rows = job.aws.client("cloudformation").describe_stack_events(StackName=name)["StackEvents"]
    except errors.refusals() as error:
        if errors.code(error) != "ValidationError":
            raise
        return []
    return sorted(rows, key=lambda row: row["Timestamp"])
