"""Checks that the credentials are those of the solution's account, before a command does anything."""

from dataclasses import replace

from generator.aws import identity
from generator.deploy.job import Job, RefusedError
from generator.errors import CredentialsError


def check(job: Job) -> Job:
    """The job. A dry run that cannot ask AWS says so and goes on as for an empty account.

    Raises CredentialsError where AWS cannot be asked, and RefusedError for another account.
    """
    try:
        wrong = identity.mismatch(identity.identity(job.aws), job.solution)
        if wrong is None:
            return job
        error: CredentialsError | RefusedError = RefusedError(str(wrong))
    except CredentialsError as credentials_error:
        error = credentials_error
    if not job.dry_run:
        raise error
    job.say(f"# AWS could not be asked: these are the commands for an empty account ({error})")
    return replace(job, offline=True)
