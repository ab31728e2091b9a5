"""The cluster: created by eksctl, or updated to cluster.yaml."""

from pathlib import Path

from generator.aws import eks as aws_eks
from generator.aws import errors
from generator.aws.eks import Cluster
from generator.deploy import stacks, tools
from generator.deploy.job import Job, RefusedError
from generator.errors import AwsError
from generator.facts import versions
from generator.solution import names


def find(job: Job) -> Cluster | None:
    """The cluster of the solution, if it exists. Raises AwsError."""
    name = job.solution.cluster
    try:
        return aws_eks.cluster(job.aws.client("eks"), name)
    except errors.refusals() as error:
        raise errors.refused(error, f"cluster {name} could not be looked up") from error


def need_existing(job: Job) -> Cluster | None:
    """The existing cluster that the config names; None for a dry run that cannot ask AWS.

    Raises AwsError, and RefusedError if there is no such cluster, or one of another version.
    """
    if job.offline:
        return None
    cluster, eks = find(job), job.solution.versions.eks
    if cluster is None:
        raise RefusedError(f"cluster {job.solution.cluster} does not exist: change existingCluster.name")
    if cluster.version != eks:
        raise RefusedError(f'the cluster runs EKS {cluster.version}: set eksVersion: "{cluster.version}"')
    return cluster


def guard(job: Job, existing: Cluster | None) -> None:
    """Raise RefusedError for an EKS version that EKS would refuse later, to create or to upgrade to.

    A dry run that could not ask AWS only says so.
    """
    eks, facts = job.solution.versions.eks, job.facts
    if existing is None:
        if not facts.support(eks).can_be_created(job.today):
            end = facts.support(eks).extended_ends
            refusal = (
                f"AWS has not created clusters with EKS {eks} since {end}: "
                f'set eksVersion: "{facts.recommended_eks(job.today)}"'
            )
            if not job.offline:
                raise RefusedError(refusal)
            # Nobody could say whether the cluster exists already, for which the commands are right.
            job.say(f"# if the cluster {job.stack} does not exist yet: {refusal}")
        return
    if (help := versions.upgrade_help(existing.version, eks)) is not None:
        raise RefusedError(f"the cluster runs EKS {existing.version}. {help}")


def apply(job: Job) -> None:
    """Create the cluster, or update the existing one to cluster.yaml."""
    job.tools.need("eksctl")
    existing = own_cluster(job)
    guard(job, existing)
    config = str(job.folder / "cluster.yaml")
    if existing is None:
        _clear_failed(job)
        job.tools.run("eksctl", "create", "cluster", "-f", config, "--write-kubeconfig=false")
        return
    if existing.status == "CREATING" and not job.dry_run:
        job.say(f"cluster {job.stack} is being created: waiting for it")
        _wait_until_active(job)
    if existing.version != job.solution.versions.eks:
        _upgrade(job, config)
    for command in _updates(job, config):
        job.tools.run(*command)
    if job.solution.keys.secrets:
        # It succeeds where the key is set already, and refuses another one.
        job.tools.run("eksctl", "utils", "enable-secrets-encryption", "-f", config, "--approve")


def _wait_until_active(job: Job) -> None:
    try:
        job.aws.client("eks").get_waiter("cluster_active").wait(name=job.stack)
    except errors.refusals() as error:
        raise errors.refused(error, f"cluster {job.stack} is not active") from error


def own_cluster(job: Job) -> Cluster | None:
    """The solution's cluster, if it exists, or the one that the config names.

    Raises RefusedError for a cluster that is neither.
    """
    if job.offline:
        return None
    cluster = find(job)
    named = job.solution.existing_cluster is not None
    if cluster and not named and cluster.owner != job.stack:
        raise RefusedError(
            f"cluster {job.stack} was not created for this solution, which would change it: "
            f"choose another stackName. If it belongs to the solution, tag it {names.STACK_TAG}={job.stack}"
        )
    return cluster


def _clear_failed(job: Job) -> None:
    """Delete the stack of a failed creation, which makes eksctl refuse to start. It holds no data."""
    if job.dry_run:
        return
    left = stacks.find(job, f"eksctl-{job.stack}-cluster")
    if left and left.status in stacks.BROKEN:
        job.say(f"an earlier attempt left eksctl's stack {left.status}: deleting it first")
        job.tools.run("eksctl", "delete", "cluster", "--name", job.stack, *region(job), "--wait")


def _upgrade(job: Job, config: str) -> None:
    """The control plane first, then the node group; GPU nodes follow by Karpenter's drift."""
    job.confirm(f"Upgrade the control plane to EKS {job.solution.versions.eks}? It cannot go back.")
    job.tools.run("eksctl", "upgrade", "cluster", "-f", config, "--approve")
    job.tools.run(
        "eksctl", "upgrade", "nodegroup", "--cluster", job.stack, "--name", "controllers",
        "--kubernetes-version", job.solution.versions.eks, *region(job),
    )  # fmt: skip


def _updates(job: Job, config: str) -> list[tuple[str, ...]]:
    """The commands that update an existing cluster to the file; each changes only what differs."""
    irsa = [
        ("eksctl", "utils", "associate-iam-oidc-provider", "-f", config, "--approve"),
        ("eksctl", "create", "iamserviceaccount", "-f", config, "--approve"),
        ("eksctl", "update", "iamserviceaccount", "-f", config, "--approve"),
    ]
    return [
        *([] if job.solution.pod_identity else irsa),
        ("eksctl", "create", "accessentry", "-f", config),
        ("eksctl", "create", "nodegroup", "-f", config),
        ("eksctl", "create", "addon", "-f", config),
        ("eksctl", "update", "addon", "-f", config),
    ]


def region(job: Job) -> tuple[str, str]:
    """The flag that eksctl needs where it is not given the config file."""
    return "--region", job.solution.region


def delete(job: Job) -> None:
    """Delete the cluster and its network, and wait until they are gone."""
    job.tools.need("eksctl")
    job.tools.run(
        "eksctl", "delete", "cluster", "--name", job.stack, *region(job), "--wait",
        # The nodes were drained before; a pod that cannot be evicted would block this forever.
        "--disable-nodegroup-eviction",
    )  # fmt: skip


def kubeconfig(job: Job, scratch: Path) -> Path:
    """The kubeconfig of the build, else one in a temporary folder. Raises AwsError."""
    own = tools.kubeconfig(job.folder)
    if own.exists():
        return own
    path = tools.kubeconfig(scratch)
    command = ["eksctl", "utils", "write-kubeconfig", "--cluster", job.solution.cluster, *region(job)]
    answer = job.tools.answer(*command, "--kubeconfig", str(path))
    if answer.code:
        raise AwsError(f"`{' '.join(command[:3])}` failed: {answer.reason}")
    return path
