"""The cluster: made by eksctl, or brought up to what cluster.yaml says."""

from generator.aws import eks as aws_eks
from generator.aws import errors
from generator.aws.eks import Cluster
from generator.deploy import stacks
from generator.deploy.job import Job, RefusedError
from generator.errors import AwsError
from generator.facts import versions
from generator.solution import names


def find(job: Job) -> Cluster | None:
    """The cluster of the solution's name, if it exists. Raises AwsError."""
    try:
        return aws_eks.cluster(job.aws.client("eks"), job.stack)
    except errors.refusals() as error:
        raise errors.refused(error, f"cluster {job.stack} could not be looked up") from error


def guard(job: Job, existing: Cluster | None) -> None:
    """Raise RefusedError for an EKS version that EKS would refuse later, to create or to upgrade to."""
    eks, facts = job.solution.versions.eks, job.facts
    if existing is None:
        if not facts.support(eks).can_be_created(job.today):
            end = facts.support(eks).extended_ends
            raise RefusedError(
                f"AWS has not created clusters with EKS {eks} since {end}: "
                f'set eksVersion: "{facts.recommended_eks(job.today)}"'
            )
        return
    if (help := versions.upgrade_help(existing.version, eks)) is not None:
        raise RefusedError(f"the cluster runs EKS {existing.version}. {help}")


def apply(job: Job) -> None:
    """Make the cluster, or what cluster.yaml says beyond the one that exists."""
    job.tools.need("eksctl")
    existing = found(job)
    guard(job, existing)
    config = str(job.folder / "cluster.yaml")
    if existing is None:
        _clear_failed(job)
        job.tools.run("eksctl", "create", "cluster", "-f", config, "--write-kubeconfig=false")
        return
    if existing.status == "CREATING" and not job.dry_run:
        job.say(f"cluster {job.stack} is being made: waiting for it")
        job.aws.client("eks").get_waiter("cluster_active").wait(name=job.stack)
    if existing.version != job.solution.versions.eks:
        _upgrade(job, config)
    for command in _updates(config):
        job.tools.run(*command)


def found(job: Job) -> Cluster | None:
    """The solution's own cluster; in a dry run without AWS, none. Raises RefusedError for anybody else's."""
    try:
        cluster = find(job)
    except AwsError as error:
        if not job.dry_run:
            raise
        job.say(f"# AWS could not be asked ({error}): these are the commands for a fresh account")
        return None
    if cluster and cluster.owner != job.stack:
        raise RefusedError(
            f"cluster {job.stack} was not made for this solution, which would change and one day delete it: "
            f"choose another stackName. If it is its own all the same, tag it {names.STACK_TAG}={job.stack}"
        )
    return cluster


def _clear_failed(job: Job) -> None:
    """eksctl refuses to start where a try of its own ended badly; that holds no cluster, and no data."""
    if job.dry_run:
        return
    left = stacks.find(job, f"eksctl-{job.stack}-cluster")
    if left and left.status in stacks.BROKEN:
        job.say(f"an earlier try left eksctl's stack {left.status}: removing it first")
        job.tools.run("eksctl", "delete", "cluster", "--name", job.stack, *region(job), "--wait")


def _upgrade(job: Job, config: str) -> None:
    """The control plane first, then the node group; GPU nodes follow by Karpenter's drift."""
    job.confirm(f"Upgrade the control plane to EKS {job.solution.versions.eks}? It cannot go back.")
    job.tools.run("eksctl", "upgrade", "cluster", "-f", config, "--approve")
    job.tools.run(
        "eksctl", "upgrade", "nodegroup", "--cluster", job.stack, "--name", "controllers",
        "--kubernetes-version", job.solution.versions.eks, *region(job),
    )  # fmt: skip


def _updates(config: str) -> list[tuple[str, ...]]:
    """What brings an existing cluster up to the file; each of them leaves alone what is right already."""
    return [
        ("eksctl", "utils", "associate-iam-oidc-provider", "-f", config, "--approve"),
        ("eksctl", "create", "accessentry", "-f", config),
        ("eksctl", "create", "iamserviceaccount", "-f", config, "--approve"),
        ("eksctl", "update", "iamserviceaccount", "-f", config, "--approve"),
        ("eksctl", "create", "nodegroup", "-f", config),
        ("eksctl", "create", "addon", "-f", config),
        ("eksctl", "update", "addon", "-f", config),
    ]


def region(job: Job) -> tuple[str, str]:
    """The flag that every command without the config file needs."""
    return "--region", job.solution.region


def delete(job: Job) -> None:
    """Delete cluster and network, and wait for it."""
    job.tools.need("eksctl")
    job.tools.run(
        "eksctl", "delete", "cluster", "--name", job.stack, *region(job), "--wait",
        # Everything was drained before; what cannot be evicted would hold this up for ever.
        "--disable-nodegroup-eviction",
    )  # fmt: skip
