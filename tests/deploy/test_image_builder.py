"""Images are built by CodeBuild in the account: stack, repositories, sources, builds, digests."""

import io
import json
import re
import zipfile
from dataclasses import replace
from typing import Any

import pytest

from generator import paths
from generator.build import image_builder as builder_stack
from generator.deploy import image_builder, image_source, uninstall
from generator.deploy.job import RefusedError
from generator.errors import AwsError
from generator.images.images import Image
from testing.account import Account
from tests.deploy.builds import (
    LOCK,
    MANIFEST,
    built_here,
    interrupted,
    push_when_built,
    refuse,
    source_of,
)
from tests.deploy.conftest import MakeBench


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image_builder, "POLL_SECONDS", 0.01)


def test_what_ecr_lacks_is_built_and_a_second_run_builds_nothing(bench: MakeBench) -> None:
    here = bench("graphs")
    started = push_when_built(here)

    first = image_builder.run(here.job, built_here(here))
    second = image_builder.run(here.job, built_here(here))

    assert {item.image.part: item.is_new for item in first} == {"runtime graphs": True, "queue agent": True}
    assert all(re.fullmatch(r"sha256:[0-9a-f]{64}", item.digest) for item in first)
    assert [item.digest for item in second] == [item.digest for item in first]
    assert not any(item.is_new for item in second)
    assert len(started) == 2
    assert here.job.aws.client("codebuild").batch_get_projects(names=["demo-images"])["projects"]


def test_again_builds_what_is_there(bench: MakeBench) -> None:
    here = bench("graphs")
    started = push_when_built(here)
    image_builder.run(here.job, built_here(here))

    again = image_builder.run(here.job, built_here(here), again=True)

    assert all(item.is_new for item in again)
    assert len(started) == 4


def test_the_source_of_a_build_has_what_its_dockerfile_copies(bench: MakeBench) -> None:
    here = bench("graphs")
    started = push_when_built(here)
    image_builder.run(here.job, built_here(here))

    for build in started:
        packed = source_of(here, build)
        text = packed.read("Dockerfile").decode()
        assert "=public.ecr.aws/docker/library/python:" in text
        for origin, names in re.findall(
            r"^COPY (?:--from=(\S+) )?(?:--chown=\S+ )?(.+) \S+$", text, re.MULTILINE
        ):
            folder = {"": "context", "files": "files"}.get(origin)
            for name in names.split() if folder else ():
                assert any(entry.startswith(f"{folder}/{name}") for entry in packed.namelist()), name
        assert not [name for name in packed.namelist() if "__pycache__" in name]
    assert len(started) == 2


def test_custom_nodes_are_built_from_their_own_dockerfile_and_lock() -> None:
    image = Image("runtime graphs", "built", "images/comfyui", "r.example.com/comfyui:1", "graphs", "1")
    files = {
        "images/graphs/Dockerfile": "ARG BASE=python:3.12\nFROM x\n",
        "images/graphs/custom-nodes.lock": LOCK,
    }

    packed = zipfile.ZipFile(io.BytesIO(image_source.archive(image, paths.root(), files)))

    assert packed.read("Dockerfile").decode().endswith("library/python:3.12\nFROM x\n")
    assert packed.read("custom-nodes/custom-nodes.lock").decode() == LOCK
    assert image_source.archive(image, paths.root(), files) == image_source.archive(
        image, paths.root(), files
    )


def test_a_failed_build_ends_with_its_reason_and_the_end_of_its_log(
    bench: MakeBench, account: Account
) -> None:
    here = bench("graphs")
    push_when_built(here)
    logs = account.client("logs")
    group, stream = "/aws/codebuild/demo-images", "1"

    def fail(parsed: dict[str, Any], **_: Any) -> None:
        for build in parsed["builds"]:
            contexts = [{"statusCode": "COMMAND_EXECUTION_ERROR", "message": "exit status 1"}]
            build |= {
                "buildStatus": "FAILED",
                "phases": [{"phaseType": "BUILD", "phaseStatus": "FAILED", "contexts": contexts}],
                "logs": {"groupName": group, "streamName": stream, "deepLink": "https://console.example/1"},
            }
        logs.create_log_stream(logGroupName=group, logStreamName=stream)
        logs.put_log_events(
            logGroupName=group,
            logStreamName=stream,
            logEvents=[{"timestamp": 1_795_000_000_000, "message": "ERROR: no wheel\n"}],
        )

    here.job.aws.client("codebuild").meta.events.register_first("after-call.codebuild.BatchGetBuilds", fail)

    with pytest.raises(
        AwsError, match=r"runtime graphs: build failed: build: exit status 1 \(https://console"
    ):
        image_builder.run(here.job, built_here(here)[:1])

    assert "  | ERROR: no wheel" in here.messages


def test_a_build_that_is_refused_does_not_leave_those_before_it_unwatched(bench: MakeBench) -> None:
    here = bench("graphs")
    started = push_when_built(here)
    refuse(here, "StartBuild", "AccountLimitExceededException", from_call=2)

    with pytest.raises(AwsError, match=r"queue agent: no build was started: .* in Service Quotas") as error:
        image_builder.run(here.job, built_here(here))

    assert "runtime graphs: succeeded" in here.messages
    assert "runtime graphs" not in str(error.value)
    assert [build["environmentVariablesOverride"][0]["value"].count("comfyui") for build in started] == [1, 0]


def test_a_build_that_was_deleted_ends_the_wait(bench: MakeBench) -> None:
    here = bench("graphs")
    push_when_built(here)

    def gone(parsed: dict[str, Any], **_: Any) -> None:
        parsed["buildsNotFound"] = [build["id"] for build in parsed["builds"]]
        parsed["builds"] = []

    here.job.aws.client("codebuild").meta.events.register_first("after-call.codebuild.BatchGetBuilds", gone)

    with pytest.raises(
        AwsError, match=r"runtime graphs: the build demo-images:\S+ was deleted: run it again"
    ):
        image_builder.run(here.job, built_here(here)[:1])


def test_builds_that_cannot_be_followed_are_named(bench: MakeBench) -> None:
    here = bench("graphs")
    push_when_built(here)
    refuse(here, "BatchGetBuilds", "AccessDeniedException")

    with pytest.raises(AwsError, match=r"demo-images:\S+, demo-images:\S+ may go on: look at CodeBuild"):
        image_builder.run(here.job, built_here(here))


def test_a_second_run_follows_the_builds_of_one_that_was_interrupted(bench: MakeBench) -> None:
    here = bench("graphs")
    started = push_when_built(here)
    interrupted(here)
    assert len(started) == 2
    assert "the builds go on: the same command follows them" in here.messages
    for repository in ("sd-on-eks/comfyui", "sd-on-eks/queue-agent"):  # not pushed yet
        images_of = here.job.aws.client("ecr").list_images(repositoryName=repository)["imageIds"]
        here.job.aws.client("ecr").batch_delete_image(repositoryName=repository, imageIds=images_of)
    events = here.job.aws.client("codebuild").meta.events

    def pushed(parsed: dict[str, Any], **_: Any) -> None:
        for build in parsed["builds"]:
            if build["buildStatus"] == "SUCCEEDED":
                name = build["environment"]["environmentVariables"][0]["value"]
                repository, _, tag = name.partition("/")[2].rpartition(":")
                client = here.job.aws.client("ecr")
                client.put_image(repositoryName=repository, imageTag=tag, imageManifest=MANIFEST)

    events.register_last("after-call.codebuild.BatchGetBuilds", pushed)

    built = image_builder.run(here.job, built_here(here))

    assert len(started) == 2
    assert {item.image.part: item.is_new for item in built} == {"runtime graphs": True, "queue agent": True}
    assert sum("is running already" in line for line in here.messages) == 2


def test_a_build_of_other_files_under_the_same_tag_is_not_raced(bench: MakeBench) -> None:
    here = bench("graphs")
    started = push_when_built(here)
    interrupted(here, other_files_of="queue-agent")

    with pytest.raises(
        AwsError, match=r"queue agent: no build .* of other files .* stop-build --id"
    ) as error:
        image_builder.run(here.job, built_here(here), again=True)

    assert "runtime graphs" not in str(error.value)
    assert "runtime graphs: succeeded" in here.messages
    assert len(started) == 2


@pytest.mark.parametrize("said", [{"phases": None, "logs": None}, {"phases": [{"contexts": [{}]}]}, {}])
def test_a_build_that_failed_without_a_reason_says_so(bench: MakeBench, said: dict[str, Any]) -> None:
    here = bench("graphs")
    push_when_built(here)

    def fail(parsed: dict[str, Any], **_: Any) -> None:
        for build in parsed["builds"]:
            build |= {"buildStatus": "TIMED_OUT", **said}

    here.job.aws.client("codebuild").meta.events.register_first("after-call.codebuild.BatchGetBuilds", fail)

    with pytest.raises(AwsError, match="runtime graphs: build timed out: CodeBuild gave no reason"):
        image_builder.run(here.job, built_here(here)[:1])


def test_an_image_that_no_build_pushed_is_an_error(bench: MakeBench) -> None:
    here = bench("graphs")

    with pytest.raises(AwsError, match="was built, but ECR does not have it"):
        image_builder.run(here.job, built_here(here)[:1])


def test_another_registry_is_refused_before_anything_is_created(bench: MakeBench, account: Account) -> None:
    here = bench("graphs", imageRegistry="registry.example.com")

    with pytest.raises(RefusedError, match="--script"):
        image_builder.run(here.job, built_here(here))

    assert account.client("cloudformation").describe_stacks()["Stacks"] == []


@pytest.mark.thorough
def test_a_dry_run_prints_the_commands_and_creates_nothing(bench: MakeBench, account: Account) -> None:
    here = bench("graphs", dry_run=True)

    assert image_builder.run(here.job, built_here(here)) == []

    text = "\n".join(here.messages)
    for command in (
        "cloudformation deploy --stack-name demo-images",
        "ecr create-repository",
        "s3 cp",
        "codebuild start-build",
    ):
        assert f"$ aws {command}" in text
    assert account.client("cloudformation").describe_stacks()["Stacks"] == []
    assert account.client("ecr").describe_repositories()["repositories"] == []


def test_uninstall_deletes_the_project(bench: MakeBench, account: Account) -> None:
    here = bench("graphs")
    push_when_built(here)
    image_builder.run(here.job, built_here(here))

    uninstall.run(here.job, 0)

    stacks = account.client("cloudformation").list_stacks()["StackSummaries"]
    assert [row["StackStatus"] for row in stacks if row["StackName"] == "demo-images"] == ["DELETE_COMPLETE"]
    assert account.client("codebuild").list_projects()["projects"] == []


def test_the_template_of_the_build_is_the_one_that_is_applied(bench: MakeBench) -> None:
    here = bench("graphs")
    push_when_built(here)
    image_builder.run(here.job, built_here(here))

    template = here.job.aws.client("cloudformation").get_template(StackName="demo-images")["TemplateBody"]
    text = template if isinstance(template, str) else json.dumps(template)
    assert text == here.job.files[builder_stack.FILE]


def test_the_job_is_the_deployers_own(bench: MakeBench) -> None:
    """A job that cannot ask AWS prints as for an empty account."""
    here = bench("graphs", dry_run=True)

    image_builder.run(replace(here.job, offline=True), built_here(here))

    assert len([line for line in here.messages if "start-build" in line]) == 2
