"""One CloudFormation stack: created or updated by a change set, which is shown, executed and followed."""

import hashlib
import itertools
import shlex
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from generator import yaml_loader
from generator.aws import errors
from generator.build import stack_layout
from generator.deploy import changes, reasons, templates
from generator.deploy.job import Job
from generator.errors import AwsError

POLL_SECONDS = 3.0
POLLS_BEFORE_START = 20
# A stack in one of these never worked: it is deleted and created again.
BROKEN = frozenset({"ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "CREATE_FAILED", "DELETE_FAILED"})
EMPTY = ("didn't contain changes", "No updates are to be performed")
GOOD = frozenset({"CREATE_COMPLETE", "UPDATE_COMPLETE", "IMPORT_COMPLETE", "DELETE_COMPLETE"})


@dataclass(frozen=True)
class Stack:
    """The current state of a stack."""

    status: str
    outputs: Mapping[str, str]

    @property
    def busy(self) -> bool:
        """Whether CloudFormation is changing it."""
        return self.status.endswith("_IN_PROGRESS") and self.status != "REVIEW_IN_PROGRESS"


def find(job: Job, name: str) -> Stack | None:
    """The stack, if it exists."""
    try:
        row = job.aws.client("cloudformation").describe_stacks(StackName=name)["Stacks"][0]
    except errors.refusals() as error:
        # AWS has no error code of its own for a stack that does not exist.
        if errors.code(error) == "ValidationError":
            return None
        raise errors.refused(error, f"stack {name} could not be looked up") from error
    outputs = {item["OutputKey"]: item["OutputValue"] for item in row.get("Outputs", ())}
    return None if row["StackStatus"] == "DELETE_COMPLETE" else Stack(str(row["StackStatus"]), outputs)


def apply(job: Job, file: str, parameters: Mapping[str, str]) -> None:
    """Create or update the stack of one file of the build."""
    name = stack_layout.stack_name(job.solution, file)
    if job.dry_run:
        if templates.large(job.files[file]):
            job.say(f"$ aws s3 mb s3://{templates.bucket(job.solution)} --region {job.solution.region}")
        job.say(f"$ {shlex.join(_equivalent(job, name, file, parameters))}")
        return
    try:
        _apply(job, name, job.files[file], parameters)
    except errors.refusals() as error:
        raise errors.refused(error, f"stack {name}") from error


def _equivalent(job: Job, name: str, file: str, parameters: Mapping[str, str]) -> list[str]:
    """The equivalent AWS CLI command."""
    command = ["aws", "cloudformation", "deploy", "--stack-name", name]
    command += ["--template-file", str(job.folder / file), "--capabilities", "CAPABILITY_NAMED_IAM"]
    if templates.large(job.files[file]):
        command += ["--s3-bucket", templates.bucket(job.solution)]
    if parameters:
        command += ["--parameter-overrides", *(f"{key}={value}" for key, value in parameters.items())]
    tags = [f"{key}={value}" for key, value in job.solution.resource_tags().items()]
    return [*command, "--tags", *tags, "--region", job.solution.region]


def _apply(job: Job, name: str, text: str, parameters: Mapping[str, str]) -> None:
    stack = _when_idle(job, name)
    if stack and stack.status in BROKEN:
        job.say(f"stack {name} is {stack.status}: it never worked, and is created again")
        delete(job, name)
        stack = None
    set_name = f"generator-{hashlib.sha256((text + repr(parameters)).encode()).hexdigest()[:12]}"
    if stack:
        # Left by an interrupted run: it may be based on an older state of the stack.
        job.aws.client("cloudformation").delete_change_set(StackName=name, ChangeSetName=set_name)
    new = stack is None or stack.status == "REVIEW_IN_PROGRESS"
    kind = "CREATE" if new else "UPDATE"
    body = templates.argument(job, name, text)
    if not _create_change_set(
        job, name, {"ChangeSetName": set_name, "ChangeSetType": kind, **body}, parameters
    ):
        job.say(f"stack {name}: nothing to change")
        return
    _show(job, name, set_name, text)
    cloudformation = job.aws.client("cloudformation")
    started = _event_ids(job, name)
    cloudformation.execute_change_set(StackName=name, ChangeSetName=set_name)
    watch(job, name, started)


def _when_idle(job: Job, name: str) -> Stack | None:
    """The stack, once no other operation is in progress."""
    stack = find(job, name)
    if stack and stack.busy:
        job.say(f"stack {name} is {stack.status}: waiting for it")
        _wait(job, name, set())
        stack = find(job, name)
    if stack and stack.status == "UPDATE_ROLLBACK_FAILED":
        flags = f"--stack-name {name} --region {job.solution.region}"
        command = f"aws cloudformation continue-update-rollback {flags}"
        raise AwsError(f"stack {name} is {stack.status}: run `{command}`, then this again")
    return stack


def _create_change_set(
    job: Job, name: str, change_set: Mapping[str, str], parameters: Mapping[str, str]
) -> bool:
    """Create a change set. Whether it has changes; if so, it can be executed. Raises AwsError."""
    client, set_name = job.aws.client("cloudformation"), change_set["ChangeSetName"]
    client.create_change_set(
        StackName=name,
        Capabilities=["CAPABILITY_NAMED_IAM"],
        Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()],
        Tags=[{"Key": key, "Value": value} for key, value in sorted(job.solution.resource_tags().items())],
        **({"ImportExistingResources": True} if job.adopt else {}),
        **change_set,
    )
    while True:
        answer = client.describe_change_set(StackName=name, ChangeSetName=set_name)
        if answer["Status"] == "CREATE_COMPLETE":
            return True
        if answer["Status"] == "FAILED":
            reason = str(answer.get("StatusReason", ""))
            more = reasons.validation_errors(client, {"ChangeSetName": str(answer["ChangeSetId"])})
            client.delete_change_set(StackName=name, ChangeSetName=set_name)
            if any(sign in reason for sign in EMPTY):
                return False
            raise AwsError(f"stack {name}: {'; '.join(more) or reason}")
        time.sleep(POLL_SECONDS)


def _show(job: Job, name: str, set_name: str, text: str) -> None:
    """Print what will change; ask before anything that exists is deleted or replaced."""
    client = job.aws.client("cloudformation")
    pages = client.get_paginator("describe_change_set").paginate(StackName=name, ChangeSetName=set_name)
    rows = [row for page in pages for row in page["Changes"]]
    planned = changes.kept(changes.changes(rows), _parsed(text), _deployed(job, name))
    for change in planned:
        job.say(f"  {change}")
    losing = [change for change in planned if change.loses]
    if losing:
        job.confirm(f"{len(losing)} of these may be deleted or replaced. Continue?")


def _deployed(job: Job, name: str) -> Mapping[str, Any]:
    """The current template of the stack; empty for a new one."""
    try:
        answer = job.aws.client("cloudformation").get_template(StackName=name)["TemplateBody"]
    except errors.refusals() as error:
        if errors.code(error) != "ValidationError":
            raise
        return {}
    return _parsed(answer) if isinstance(answer, str) else answer


def _parsed(text: str) -> Mapping[str, Any]:
    return yaml_loader.load(text) or {}


def delete(job: Job, name: str) -> None:
    """Delete a stack and wait until it is gone; resources that its template retains stay."""
    if job.dry_run:
        region = job.solution.region
        job.say(f"$ aws cloudformation delete-stack --stack-name {name} --region {region}")
        job.say(f"$ aws cloudformation wait stack-delete-complete --stack-name {name} --region {region}")
        return
    try:
        if find(job, name) is None:
            job.say(f"stack {name}: does not exist")
            return
        started = _event_ids(job, name)
        job.aws.client("cloudformation").delete_stack(StackName=name)
        watch(job, name, started)
    except errors.refusals() as error:
        raise errors.refused(error, f"stack {name}") from error


def watch(job: Job, name: str, seen: set[str]) -> None:
    """Print the events of an operation until it ends. Raises AwsError with the first reason if it fails."""
    ended, failed = _wait(job, name, seen)
    if ended not in GOOD:
        before = reasons.validation_errors(job.aws.client("cloudformation"), {"StackName": name})
        first = failed[0] if failed else "CloudFormation gave no reason"
        raise AwsError(f"stack {name} ended as {ended}: {'; '.join(before) or first}")
    job.say(f"stack {name}: {ended}")


def _wait(job: Job, name: str, seen: set[str]) -> tuple[str, list[str]]:
    """The final status, and the reasons of failures in their order.

    CloudFormation starts a moment after the request: until then the status is that of the last operation.
    """
    failed: list[str] = []
    started = False
    for polls in itertools.count():
        stack = find(job, name)
        new = [row for row in _events(job, name) if row["EventId"] not in seen]
        seen |= {row["EventId"] for row in new}
        for row in new:
            job.say(f"  {row['ResourceStatus']:24} {row['LogicalResourceId']}")
        failed += [_reason(row) for row in new if row["ResourceStatus"].endswith("FAILED")]
        if stack is None:
            return "DELETE_COMPLETE", failed
        started = started or bool(new) or stack.busy or polls > POLLS_BEFORE_START
        if started and not stack.busy:
            return stack.status, failed
        time.sleep(POLL_SECONDS)
    raise AssertionError  # the loop above does not end by itself


def _reason(row: Mapping[str, Any]) -> str:
    return f"{row['LogicalResourceId']}: {row.get('ResourceStatusReason', row['ResourceStatus'])}"


def _event_ids(job: Job, name: str) -> set[str]:
    """The ids of all events so far, so that only later ones are printed."""
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
