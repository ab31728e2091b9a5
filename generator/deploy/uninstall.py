"""Removes a solution: runtimes first, while Karpenter and KEDA can clean up. Pictures are never deleted."""

import time
from collections.abc import Iterator
from typing import Any

from generator.aws import errors
from generator.build import stack_layout
from generator.deploy import eks, keys, release, stacks, templates
from generator.deploy.job import Job
from generator.errors import AwsError
from generator.solution import names

POLL_SECONDS = 10.0
PROFILES_SECONDS = 300.0


def run(job: Job, wait_seconds: float) -> None:
    """Delete everything except output buckets and queues. Raises RefusedError and AwsError."""
    cluster = eks.own_cluster(job)
    job.confirm(
        f"Delete {job.stack} from {job.solution.account}, {job.solution.region}? Pictures and queues stay."
    )
    existing = job.solution.existing_cluster is not None
    if cluster is not None or job.dry_run:
        if not existing:
            release.dependencies(job)
        release.sign_in(job)
        if job.dry_run or release.installed(job):
            job.say("[1/5] runtimes: pods finish their tasks, GPU nodes terminate")
            release.prune(job)
            wait_for_nodes(job, wait_seconds)
            job.say(f"[2/5] release{'' if existing else ': Karpenter, KEDA, CSI driver'}")
            release.uninstall(job)
        refuse_with_nodes(job)
    job.say(f"[3/5] {'roles' if existing else 'S3 gateway endpoint, roles of EKS Pod Identity'}")
    for file in reversed(stack_layout.after_cluster(job.solution)):
        stacks.delete(job, stack_layout.stack_name(job.solution, file))
    job.say(f"[4/5] cluster and network{': they stay' if existing else ''}")
    if not existing and (cluster is not None or job.dry_run or _eksctl_left(job)):
        eks.delete(job)
    job.say("[5/5] alarms, topics, HTTP API, roles")
    stacks.delete(job, names.image_builder(job.stack))
    keys.remove_all(job)
    for part in reversed(stack_layout.parts(job.solution)):
        stacks.delete(job, stack_layout.stack_name(job.solution, part.file))
    templates.remove(job)
    for line in kept(job):
        job.say(line)


def _eksctl_left(job: Job) -> bool:
    return stacks.find(job, f"eksctl-{job.stack}-cluster") is not None


def wait_for_nodes(job: Job, seconds: float) -> None:
    """Wait until Karpenter has terminated the GPU nodes. Raises AwsError when the time is up."""
    if job.dry_run:
        job.say(f"$ kubectl wait nodeclaims --selector '{_own_pools(job)}' --for=delete")
        job.say(f"$ kubectl wait {_class_kind(job)} --selector {_classes(job)} --for=delete")
        return
    end = time.monotonic() + seconds
    while left := node_claims(job):
        if time.monotonic() > end:
            reason = f"after {seconds / 60:.0f} minutes {len(left)} GPU nodes still exist"
            raise AwsError(
                f"{reason} ({', '.join(left)}): a task may be running; run this again to wait longer"
            )
        job.say(f"  {len(left)} GPU nodes left")
        time.sleep(POLL_SECONDS)
    _wait_for_profiles(job, time.monotonic() + PROFILES_SECONDS)


def _wait_for_profiles(job: Job, end: float) -> None:
    """Wait until Karpenter has deleted the instance profiles: one that is left blocks the role's deletion."""
    while left := _listed(job, _class_kind(job), "--selector", _classes(job)):
        if time.monotonic() > end:
            why = f"`kubectl describe {_class_kind(job)}` shows why"
            raise AwsError(f"Karpenter has not deleted {', '.join(left)}: {why}")
        time.sleep(POLL_SECONDS)


def _classes(job: Job) -> str:
    return f"app.kubernetes.io/part-of={job.stack}"


def _class_kind(job: Job) -> str:
    return "nodeclasses.eks.amazonaws.com" if job.solution.auto_mode else "ec2nodeclasses"


def _own_pools(job: Job) -> str:
    """Selects the NodeClaims of the runtimes."""
    names = ",".join(pool.name for pool in job.solution.node_pools)
    return f"karpenter.sh/nodepool in ({names})"


def node_claims(job: Job) -> list[str]:
    """The names of Karpenter's NodeClaims, in an existing cluster those of the runtimes.

    Raises AwsError when kubectl fails.
    """
    of_runtimes = ("--selector", _own_pools(job)) if job.solution.existing_cluster else ()
    return _listed(job, "nodeclaims", *of_runtimes)


def _listed(job: Job, *what: str) -> list[str]:
    text = job.tools.read("kubectl", "get", *what, "--output", "name", "--ignore-not-found")
    if text is None:
        raise AwsError(
            f"`kubectl get {what[0]}` failed: without an answer nothing can be assumed to be deleted"
        )
    return text.split()


def refuse_with_nodes(job: Job) -> None:
    """Raise AwsError while GPU nodes run: without Karpenter nothing would terminate them."""
    if job.dry_run:
        return
    filters = [
        *_of_runtimes(job),
        {"Name": "instance-state-name", "Values": ["pending", "running", "stopping", "stopped"]},
    ]
    try:
        rows = job.aws.client("ec2").describe_instances(Filters=filters)["Reservations"]
    except errors.refusals() as error:
        raise errors.refused(error, "running GPU nodes could not be looked up") from error
    left = [instance["InstanceId"] for row in rows for instance in row["Instances"]]
    if left:
        command = (
            f"aws ec2 terminate-instances --instance-ids {' '.join(left)} --region {job.solution.region}"
        )
        raise AwsError(f"{len(left)} GPU nodes still run: run `{command}`, then this again")


def _of_runtimes(job: Job) -> list[dict[str, Any]]:
    """Filters for the nodes of the runtimes: all that Karpenter starts in a cluster of the solution's own."""
    if job.solution.existing_cluster is None:
        return [
            {"Name": f"tag:kubernetes.io/cluster/{job.stack}", "Values": ["owned"]},
            {"Name": "tag-key", "Values": ["karpenter.sh/nodepool"]},
        ]
    tag = "eks:kubernetes-node-pool-name" if job.solution.auto_mode else "karpenter.sh/nodepool"
    pools = [pool.name for pool in job.solution.node_pools]
    return [{"Name": f"tag:{tag}", "Values": pools}]


def kept(job: Job) -> Iterator[str]:
    """What is kept, with the commands that delete it."""
    region = job.solution.region
    yield "Kept, because they hold pictures and tasks (see docs/uninstall.md). To delete them:"
    for runtime in job.solution.runtimes:
        yield f"  aws s3 rb s3://{runtime.output_bucket} --force --region {region}"
        for queue in runtime.queues:
            yield f"  aws sqs delete-queue --queue-url {queue.url} --region {region}"
