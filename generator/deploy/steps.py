"""The way into an account, step by step. Running all of them again is how to go on after a failure."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from generator.build import stack_layout
from generator.deploy import eks, network, release, stacks
from generator.deploy.job import Job


@dataclass(frozen=True)
class Step:
    """One step: a short name for --only, what it does, and how."""

    name: str
    what: str
    run: Callable[[Job], None]


def _data_plane(job: Job) -> None:
    # An EKS version of the past is known now: no one should pay for queues and an API first.
    eks.guard(job, eks.found(job))
    for part in stack_layout.parts(job.solution):
        stacks.apply(job, part.file, {})


def _release(job: Job) -> None:
    release.dependencies(job)
    release.sign_in(job)
    release.crds(job)
    release.apply(job)


STEPS: Sequence[Step] = (
    Step("stack", "queues, buckets, topics, HTTP API (CloudFormation)", _data_plane),
    Step("cluster", "network and EKS cluster (eksctl)", eks.apply),
    Step("network", "S3 gateway endpoint (CloudFormation)", network.apply),
    Step("release", "CRDs, Karpenter, KEDA, CSI driver, runtimes (Helm)", _release),
)


def run(job: Job, wanted: Sequence[str]) -> None:
    """Run the wanted steps in order; the number of the step is said, so that a stop is placed."""
    chosen = [step for step in STEPS if step.name in wanted]
    for number, step in enumerate(chosen, start=1):
        job.say(f"[{number}/{len(chosen)}] {step.name}: {step.what}")
        step.run(job)
