"""Reads what is deployed, in the form of `generator.build.comparable`: templates, cluster, values."""

import json
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from generator.aws import errors
from generator.build import comparable, stack_layout
from generator.build.files import without_header
from generator.deploy import deployed_cluster, eks
from generator.deploy.job import Job, RefusedError
from generator.errors import AwsError
from generator.solution import names

# The message of helm.sh/helm/v3/pkg/storage/driver.ErrReleaseNotFound.
NO_RELEASE = "release: not found"


@dataclass(frozen=True)
class Deployed:
    """What is deployed, by the name of its document; `unread` says why others could not be read."""

    documents: Mapping[str, str]
    unread: Mapping[str, str]


def read(job: Job) -> Deployed:
    """Ask AWS and Helm for every document. What cannot be read does not stop the others."""
    documents: dict[str, str] = {}
    unread: dict[str, str] = {}
    for name, ask in _questions(job):
        try:
            text = ask()
        except (AwsError, RefusedError) as error:
            unread[name] = str(error)
        except errors.refusals() as error:
            unread[name] = errors.reason(error)
        else:
            if text is not None:
                documents[name] = text
    return Deployed(documents, unread)


def _questions(job: Job) -> Iterator[tuple[str, Callable[[], str | None]]]:
    """The name of each document, and what reads it; None for one that does not exist."""
    before = [part.file for part in stack_layout.parts(job.solution)]
    for file in [*before, *stack_layout.after_cluster(job.solution)]:
        yield file, partial(_template, job, stack_layout.stack_name(job.solution, file))
    if job.solution.existing_cluster is None:
        yield comparable.CLUSTER, partial(_cluster, job)
    yield comparable.VALUES, partial(_values, job)


def _template(job: Job, stack: str) -> str | None:
    """The template that a stack was last deployed with, without the line that names its config."""
    try:
        text = job.aws.client("cloudformation").get_template(StackName=stack)["TemplateBody"]
    except errors.refusals() as error:
        # AWS has no error code of its own for a stack that does not exist.
        if errors.code(error) != "ValidationError":
            raise
        return None
    return without_header(text) if isinstance(text, str) else json.dumps(text, indent=2)


def _cluster(job: Job) -> str | None:
    described = deployed_cluster.read(job)
    return None if described is None else comparable.cluster_text(described)


def _values(job: Job) -> str | None:
    """The values that the release was last deployed with. Raises AwsError where Helm cannot tell."""
    if eks.own_cluster(job) is None:
        return None
    with tempfile.TemporaryDirectory(prefix="sd-on-eks-") as scratch:
        command = ["helm", "get", "values", job.stack, "--namespace", names.PLATFORM_NAMESPACE]
        config = str(eks.kubeconfig(job, Path(scratch)))
        answer = job.tools.answer(*command, "--output", "json", "--kubeconfig", config)
    if answer.code == 0:
        return comparable.values_text(json.loads(answer.out) or {})
    if NO_RELEASE in answer.err:
        return None
    raise AwsError(f"`{' '.join(command[:4])}` failed: {answer.reason}")
