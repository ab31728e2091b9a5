"""Checks that the credentials are those of the solution's account, before a command does anything."""

from dataclasses import replace

from generator.aws import identity
from generator.deploy import eks
from generator.deploy.job import Job, RefusedError
from generator.errors import AwsError


def check(job: Job) -> Job:
    """The job. A dry run that cannot ask AWS says so and goes on as for an empty account.

    Raises CredentialsError where AWS cannot be asked, and RefusedError for another account.
    """
    try:
        _check(job)
        if job.dry_run:
            eks.find(job)  # what a dry run asks later
    except (AwsError, RefusedError) as error:
        if not job.dry_run:
            raise
        reason = error
    else:
        return job
    job.say(f"# AWS could not be asked: these are the commands for an empty account ({reason})")
    return replace(job, offline=True)


def _check(job: Job) -> None:
    wrong = identity.mismatch(identity.identity(job.aws), job.solution)
    if wrong is not None:
        raise RefusedError(str(wrong))
