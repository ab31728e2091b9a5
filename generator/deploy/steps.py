"""The steps of a deployment. Running all of them again continues after a failure."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from generator.build import stack_layout
from generator.deploy import eks, identity, network, release, stacks
from generator.deploy.job import Job
from generator.solution.model import Solution


@dataclass(frozen=True)
class Step:
    """One step: a short name for --only, a description, and the function that runs it."""

    name: str
    description: str
    run: Callable[[Job], None]


def _data_plane(job: Job) -> None:
    # Refuse an EKS version here rather than after the queues and the API are created.
    if job.solution.existing_cluster:
        eks.need_existing(job)
    else:
        eks.guard(job, eks.own_cluster(job))
    for part in stack_layout.parts(job.solution):
        stacks.apply(job, part.file, {})


def _cluster(job: Job) -> None:
    identity.guard(job)
    eks.apply(job)
    identity.apply(job)


def _release(job: Job) -> None:
    release.dependencies(job)
    release.sign_in(job)
    release.crds(job)
    release.apply(job)


def _runtimes(job: Job) -> None:
    release.sign_in(job)
    release.apply(job)


STEPS: Sequence[Step] = (
    Step("stack", "queues, buckets, topics, HTTP API (CloudFormation)", _data_plane),
    Step("cluster", "network and EKS cluster (eksctl), roles", _cluster),
    Step("network", "S3 gateway endpoint (CloudFormation)", network.apply),
    Step("release", "CRDs, Karpenter, KEDA, CSI driver, runtimes (Helm)", _release),
)


# For a cluster that exists already.
_IN_EXISTING_CLUSTER: Sequence[Step] = (
    Step("stack", "queues, buckets, topics, HTTP API (CloudFormation)", _data_plane),
    Step("cluster", "roles of the runtimes (CloudFormation)", identity.apply),
    Step("release", "runtimes (Helm)", _runtimes),
)


def of(solution: Solution) -> Sequence[Step]:
    """The steps of a deployment of this solution, in their order."""
    return _IN_EXISTING_CLUSTER if solution.existing_cluster else STEPS


def run(job: Job, names: Sequence[str]) -> None:
    """Run the named steps in order, and print the number of each. Raises AwsError, RefusedError."""
    chosen = [step for step in of(job.solution) if step.name in names]
    for number, step in enumerate(chosen, start=1):
        job.say(f"[{number}/{len(chosen)}] {step.name}: {step.description}")
        step.run(job)
