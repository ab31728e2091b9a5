"""How pods get their roles: the stacks of their roles, and a switch between EKS Pod Identity and IRSA."""

from collections.abc import Iterator

from generator.build import stack_layout
from generator.build.identity import ISSUER
from generator.deploy import eks, stacks
from generator.deploy.job import Job, RefusedError
from generator.iam import accounts


def guard(job: Job) -> None:
    """Raise RefusedError where the roles exist already, given the other way: both have the same names."""
    if job.offline or job.solution.existing_cluster:
        return
    commands = list(_of_the_other_way(job))
    if commands:
        other = "IRSA" if job.solution.pod_identity else "EKS Pod Identity"
        raise RefusedError(
            f"pods have their roles by {other}: set podIdentity back. To switch, delete the roles and deploy "
            f"again; in between, pods cannot reach AWS: {'; '.join(commands)}"
        )


def _of_the_other_way(job: Job) -> Iterator[str]:
    """The commands that delete roles which the other way gave."""
    flags = " ".join(("--cluster", job.stack, *eks.region(job)))
    if job.solution.pod_identity:
        for account in accounts.service_accounts(job.solution):
            name = f"eksctl-{job.stack}-addon-iamserviceaccount-{account.namespace}-{account.name}"
            if stacks.find(job, name):
                names = f"--namespace {account.namespace} --name {account.name}"
                yield f"eksctl delete iamserviceaccount {flags} {names} --wait"
        return
    name = f"{job.stack}-{stack_layout.IDENTITY}"
    if stacks.find(job, name):
        yield f"aws cloudformation delete-stack --stack-name {name} {' '.join(eks.region(job))}"


def apply(job: Job) -> None:
    """Create or update the roles and associations; none where eksctl creates the roles."""
    parts = stack_layout.identity_parts(job.solution)
    parameters = _issuer(job) if parts and not job.solution.pod_identity else {}
    for part in parts:
        stacks.apply(job, part.file, parameters)


def _issuer(job: Job) -> dict[str, str]:
    """The parameter of templates whose roles trust the issuer of an existing cluster."""
    cluster = eks.need_existing(job)
    return {ISSUER: cluster.issuer if cluster else "OIDC-ISSUER-OF-THE-CLUSTER"}
