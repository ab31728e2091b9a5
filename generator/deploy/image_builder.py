"""Builds images with CodeBuild, in the account of the solution: nobody needs Docker."""

import hashlib
import shlex
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from generator import paths
from generator.aws import ecr, errors
from generator.aws.asker import Asker
from generator.build import image_builder
from generator.deploy import image_source, stacks, templates
from generator.deploy.job import Job, RefusedError
from generator.errors import AwsError
from generator.facts import image_reference
from generator.facts.image_reference import ImageReference
from generator.iam.image_builder import SOURCES
from generator.images.images import Image
from generator.solution import names

POLL_SECONDS = 5.0
LOG_LINES = 30


@dataclass(frozen=True)
class BuiltImage:
    """An image in ECR. `is_new`: this run built it."""

    image: Image
    digest: str
    is_new: bool


@dataclass(frozen=True)
class _RunningBuild:
    """A build that has not ended: the image that it pushes, the place of its source."""

    id: str
    image: str
    source: str


def run(job: Job, images: Sequence[Image], *, again: bool = False) -> list[BuiltImage]:
    """Build what ECR does not have yet, or with `again` everything, and wait. Raises RefusedError, AwsError.

    A dry run prints the commands, and returns nothing.
    """
    _refuse_other_registries(job, images)
    asker = Asker(job.aws)
    try:
        digests = {} if job.offline else {image.name: _digest(image, asker) for image in images}
        to_build = [image for image in images if again or not digests.get(image.name)]
        if to_build:
            stacks.apply(job, image_builder.FILE, {})
            _build(job, to_build)
        if job.dry_run:
            return []
        return [_built(image, asker, image in to_build) for image in images]
    except errors.refusals() as error:
        raise errors.refused(error, "images could not be built") from error


def _refuse_other_registries(job: Job, images: Iterable[Image]) -> None:
    """Raise RefusedError for an image that CodeBuild cannot push to."""
    for image in images:
        registry = image_reference.parse(image.name).ecr
        if registry is None or (registry.account, registry.region) != (
            job.solution.account,
            job.solution.region,
        ):
            where = f"ECR of {job.solution.account} in {job.solution.region}"
            reason = f"{image.name} is not in {where}, where CodeBuild pushes to"
            raise RefusedError(f"{reason}: build it with `generator images --script`")


def _digest(image: Image, asker: Asker) -> str | None:
    """The digest of an image in ECR; of one that the config names by digest, only that counts."""
    return ecr.digest(image_reference.parse(image.name), asker)


def _built(image: Image, asker: Asker, is_new: bool) -> BuiltImage:
    digest = ecr.digest(image_reference.parse(image.tagged if is_new else image.name), asker)
    if digest is None:
        help = "was it deleted? Else look at the log of its build, and run it again"
        raise AwsError(f"{image.tagged} was built, but ECR does not have it: {help}")
    return BuiltImage(image, digest, is_new)


def _build(job: Job, images: Sequence[Image]) -> None:
    root = paths.root()
    builds: dict[str, Image] = {}
    refused: list[str] = []
    running = () if job.dry_run else _running(job)
    for image in images:
        _create_repository(job, image_reference.parse(image.name))
        source = image_source.archive(image, root, job.files)
        key = f"{SOURCES}/{hashlib.sha256(source).hexdigest()}.zip"
        if job.dry_run:
            for command in _equivalent(job, image, key):
                job.say(f"$ {shlex.join(command)}")
            continue
        if earlier := next((build for build in running if build.image == image.tagged), None):
            if earlier.source != _location(job, key):
                refused.append(_other_files(job, image, earlier))
                continue
            job.say(f"{image.part}: build {earlier.id} is running already")
            builds[earlier.id] = image
            continue
        templates.upload(job, key, source)
        try:
            builds[_start(job, image, key)] = image
        except errors.refusals() as error:
            refused.append(_refusal(image, error))
            break
    # Those that have started go on, and are billed, in any case.
    if failed := [*_wait(job, builds), *refused]:
        raise AwsError("\n".join(failed))


def _running(job: Job) -> Sequence[_RunningBuild]:
    """The builds that have not ended: of a command that was interrupted, or of somebody else's."""
    client = job.aws.client("codebuild")
    project = names.image_builder(job.stack)
    # The newest hundred: a build ends after two hours.
    ids = client.list_builds_for_project(projectName=project, sortOrder="DESCENDING").get("ids")
    builds = client.batch_get_builds(ids=ids)["builds"] if ids else ()
    return [_as_running(build) for build in builds if build["buildStatus"] == "IN_PROGRESS"]


def _as_running(build: Mapping[str, Any]) -> _RunningBuild:
    variables = (build.get("environment") or {}).get("environmentVariables") or ()
    image = next((entry["value"] for entry in variables if entry["name"] == image_builder.IMAGE), "")
    return _RunningBuild(build["id"], image, (build.get("source") or {}).get("location") or "")


def _location(job: Job, key: str) -> str:
    return f"{job.solution.templates_bucket}/{key}"


def _other_files(job: Job, image: Image, earlier: _RunningBuild) -> str:
    """Two builds that push the same tag: whichever ends last would be the image."""
    stop = f"aws codebuild stop-build --id {earlier.id} --region {job.solution.region}"
    reason = f"the build {earlier.id} of other files is pushing {image.tagged}"
    return f"{image.part}: no build was started: {reason}: wait until it has ended, or end it with `{stop}`"


def _refusal(image: Image, error: Exception) -> str:
    """Why CodeBuild does not start a build. The quotas of new accounts are as low as 0 or 1."""
    help = ""
    if errors.code(error) == "AccountLimitExceededException":
        help = (
            ": ask for more concurrently running builds of CodeBuild in Service Quotas, or wait until others"
            " have ended; then run it again, it builds what is missing"
        )
    return f"{image.part}: no build was started: {errors.reason(error)}{help}"


def _equivalent(job: Job, image: Image, key: str) -> list[list[str]]:
    """The equivalent AWS CLI commands; the archive is that of this run."""
    location = _location(job, key)
    variable = f"name={image_builder.IMAGE},value={image.tagged}"
    start = ["aws", "codebuild", "start-build", "--project-name", names.image_builder(job.stack)]
    start += ["--source-type-override", "S3", "--source-location-override", location]
    start += ["--buildspec-override", image_builder.buildspec()]
    start += ["--environment-variables-override", variable]
    return [
        ["aws", "s3", "cp", key.rpartition("/")[2], f"s3://{location}", "--region", job.solution.region],
        [*start, "--region", job.solution.region],
    ]


def _create_repository(job: Job, image: ImageReference) -> None:
    """Create the ECR repository, if it does not exist."""
    if job.dry_run:
        job.say(f"$ aws ecr create-repository --repository-name {image.path} --region {job.solution.region}")
        return
    tags = [{"Key": key, "Value": value} for key, value in sorted(job.solution.tags.items())]
    try:
        job.aws.client("ecr").create_repository(
            repositoryName=image.path, imageScanningConfiguration={"scanOnPush": True}, tags=tags
        )
        job.say(f"repository {image.path}: created")
    except errors.refusals() as error:
        if errors.code(error) != "RepositoryAlreadyExistsException":
            raise


def _start(job: Job, image: Image, key: str) -> str:
    """Start the build of one image; its ID."""
    build = job.aws.client("codebuild").start_build(
        projectName=names.image_builder(job.stack),
        sourceTypeOverride="S3",
        buildspecOverride=image_builder.buildspec(),
        sourceLocationOverride=_location(job, key),
        environmentVariablesOverride=[
            {"name": image_builder.IMAGE, "value": image.tagged, "type": "PLAINTEXT"}
        ],
    )["build"]
    job.say(f"{image.part}: build {build['id']}")
    return str(build["id"])


def _wait(job: Job, builds: Mapping[str, Image]) -> list[str]:
    """Print the phases of all builds until they end; why builds failed. Raises AwsError."""
    try:
        return _followed(job, builds)
    except KeyboardInterrupt:
        job.say("the builds go on: the same command follows them")
        raise


def _followed(job: Job, builds: Mapping[str, Image]) -> list[str]:
    running, phases, failed = dict(builds), dict.fromkeys(builds, ""), []
    while running:
        answer = _ask(job, running)
        gone = sorted(running.keys() & set(answer.get("buildsNotFound", ())))
        failed += [f"{running.pop(name).part}: the build {name} was deleted: run it again" for name in gone]
        for build in answer["builds"]:
            name, image = build["id"], running[build["id"]]
            if (phase := str(build.get("currentPhase") or "")) != phases[name]:
                phases[name] = phase
                job.say(f"  {image.part}: {phase.lower().replace('_', ' ')}")
            if build["buildStatus"] == "IN_PROGRESS":
                continue
            del running[name]
            job.say(f"{image.part}: {build['buildStatus'].lower().replace('_', ' ')}")
            if build["buildStatus"] != "SUCCEEDED":
                failed.append(_failure(job, image, build))
        if running:
            time.sleep(POLL_SECONDS)
    return failed


def _ask(job: Job, builds: Iterable[str]) -> Mapping[str, Any]:
    """What CodeBuild says about builds."""
    try:
        answer: Mapping[str, Any] = job.aws.client("codebuild").batch_get_builds(ids=list(builds))
    except errors.refusals() as error:
        help = f"{', '.join(builds)} may go on: look at CodeBuild, and run it again when they have ended"
        raise AwsError(f"the builds could not be followed: {errors.reason(error)}: {help}") from error
    return answer


def _failure(job: Job, image: Image, build: Mapping[str, Any]) -> str:
    """The reason of a failed build: that of its phase, and the end of its log."""
    contexts = [
        f"{phase.get('phaseType', 'build').lower()}: {context['message']}"
        for phase in build.get("phases") or ()
        for context in phase.get("contexts") or ()
        if context.get("message")
    ]
    logs = build.get("logs") or {}
    for line in _log(job, logs):
        job.say(f"  | {line}")
    link = logs.get("deepLink")
    status = build["buildStatus"].lower().replace("_", " ")
    reason = "; ".join(contexts) or "CodeBuild gave no reason"
    return f"{image.part}: build {status}: {reason}{f' ({link})' if link else ''}"


def _log(job: Job, logs: Mapping[str, Any]) -> list[str]:
    if not logs.get("groupName") or not logs.get("streamName"):
        return []
    try:
        events = job.aws.client("logs").get_log_events(
            logGroupName=logs["groupName"], logStreamName=logs["streamName"], limit=LOG_LINES
        )["events"]
    except errors.refusals() as error:
        return [f"the log could not be read: {errors.reason(error)}"]
    return [str(event["message"]).rstrip() for event in events]
