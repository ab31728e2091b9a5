"""Images are built by CodeBuild in the account: stack, repositories, sources, builds, digests."""

import io
import json
import re
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from generator import paths, yaml_loader
from generator.build import image_builder as builder_stack
from generator.cli import main
from generator.deploy import image_builder, image_source, uninstall
from generator.deploy.job import RefusedError
from generator.errors import AwsError
from generator.images import images
from generator.images.images import Image
from generator.solution import custom_nodes
from testing.account import Account, write_config
from tests.deploy.conftest import Bench, MakeBench

COMMIT = "727295b52e5f7b5429e81ca2179172865aa83b99"
MANIFEST = '{"schemaVersion": 2}'
NODES = custom_nodes.declared([{"repository": "https://github.com/a/b", "commit": COMMIT}])
LOCK = custom_nodes.lock_text("graphs", NODES, (), f"piexif==1.1.3 \\\n    --hash=sha256:{'2' * 64}")


def built_here(bench: Bench) -> list[Image]:
    return [image for image in images.images(bench.job.solution) if image.how == "built"]


def push_when_built(bench: Bench) -> list[dict[str, Any]]:
    """Each build that is started pushes its image, as Docker would; the parameters of the builds."""
    started: list[dict[str, Any]] = []
    client = bench.job.aws.client("codebuild")
    ecr = bench.job.aws.client("ecr")

    def push(params: dict[str, Any], **_: Any) -> None:
        started.append(params)
        name = params["environmentVariablesOverride"][0]["value"]
        repository, _, tag = name.partition("/")[2].rpartition(":")
        ecr.put_image(repositoryName=repository, imageTag=tag, imageManifest=MANIFEST)

    client.meta.events.register("provide-client-params.codebuild.StartBuild", push)
    return started


def source_of(bench: Bench, build: dict[str, Any]) -> zipfile.ZipFile:
    bucket, _, key = build["sourceLocationOverride"].partition("/")
    body = bench.job.aws.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read()
    return zipfile.ZipFile(io.BytesIO(body))


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


def refuse(bench: Bench, operation: str, code: str, *, from_call: int = 1) -> None:
    """CodeBuild refuses an operation from this call on."""
    calls: list[str] = []

    def answer(**_: Any) -> None:
        calls.append(operation)
        if len(calls) >= from_call:
            raise ClientError({"Error": {"Code": code, "Message": "as the test wants"}}, operation)

    bench.job.aws.client("codebuild").meta.events.register(f"before-call.codebuild.{operation}", answer)


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


def interrupted(bench: Bench, other_files_of: str = "none") -> None:
    """Start the builds, and end the command while it waits, as Ctrl-C does; they go on until asked again.

    The build of the image with `other_files_of` in its name is of other files than a second run has.
    """
    started: dict[str, dict[str, Any]] = {}
    events = bench.job.aws.client("codebuild").meta.events

    def note(params: dict[str, Any], context: dict[str, Any], **_: Any) -> None:
        context["started"] = params

    def name(parsed: dict[str, Any], context: dict[str, Any], **_: Any) -> None:
        started[parsed["build"]["id"]] = context["started"]

    def tell(parsed: dict[str, Any], **_: Any) -> None:
        for build in parsed["builds"]:
            parameters = started[build["id"]]
            build["environment"]["environmentVariables"] = parameters["environmentVariablesOverride"]
            other = other_files_of in parameters["environmentVariablesOverride"][0]["value"]
            build["source"]["location"] = parameters["sourceLocationOverride"] + ("x" if other else "")
            asked.append(build["id"])
            if asked.count(build["id"]) <= 2:  # the emulator ends a build as soon as it is asked
                build["buildStatus"] = "IN_PROGRESS"

    def interrupt(**_: Any) -> None:
        raise KeyboardInterrupt

    asked: list[str] = []
    events.register("provide-client-params.codebuild.StartBuild", note)
    events.register("after-call.codebuild.StartBuild", name)
    events.register_first("after-call.codebuild.BatchGetBuilds", tell)
    events.register("before-call.codebuild.BatchGetBuilds", interrupt)
    with pytest.raises(KeyboardInterrupt):
        image_builder.run(bench.job, built_here(bench))
    events.unregister("before-call.codebuild.BatchGetBuilds", interrupt)


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


GRAPHS = {"name": "graphs", "type": "comfyui"}
WITH_NODES = {**GRAPHS, "customNodes": [{"repository": "https://github.com/a/b", "commit": COMMIT}]}


def command(config: Path, *flags: str) -> int:
    return int(main.main(["images", str(config), "-o", str(config.parent / "out"), *flags]))


def test_the_command_prints_its_commands(
    bench: MakeBench, account: Account, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bench("graphs")  # the environment of the account

    assert command(write_config(tmp_path, account, GRAPHS), "--codebuild", "--dry-run") == 0

    assert capsys.readouterr().out.count("codebuild start-build") == 2
    assert not (tmp_path / "out").exists()


def test_custom_nodes_without_a_lock_are_not_built(
    bench: MakeBench, account: Account, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bench("graphs")
    config = write_config(tmp_path, account, WITH_NODES)

    for flag in ("--codebuild", "--script"):
        assert command(config, flag) == 2
        assert "custom nodes of graphs are not locked" in capsys.readouterr().err

    (tmp_path / "graphs.nodes.lock").write_text(LOCK)
    assert command(config, "--codebuild", "--dry-run") == 0
    assert "sd-on-eks/comfyui:0.33.0-nodes-" in capsys.readouterr().out


def test_the_command_prints_the_lines_of_the_config_with_the_digest(
    bench: MakeBench, account: Account, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bench("graphs")
    (tmp_path / "graphs.nodes.lock").write_text(LOCK)
    nodes = NODES.with_lock(LOCK)
    ecr = account.client("ecr")
    for repository, tag in (("sd-on-eks/comfyui", nodes.tag("0.33.0")), ("sd-on-eks/queue-agent", "0.1.0")):
        ecr.create_repository(repositoryName=repository)
        ecr.put_image(repositoryName=repository, imageTag=tag, imageManifest=MANIFEST)

    config = write_config(tmp_path, account, WITH_NODES)
    assert command(config, "--codebuild", "--yes") == 0

    out = capsys.readouterr().out
    lines = yaml_loader.load(out[out.index("    extraValues:") :])
    image = lines["extraValues"]["runtime"]["inferenceApi"]["image"]
    assert image["tag"] == nodes.tag("0.33.0")
    assert image["digest"].startswith("sha256:")
    write_config(tmp_path, account, WITH_NODES | lines)
    assert main.main(["validate", "--strict", str(config)]) in (0, 2)
    assert "SD35" not in capsys.readouterr().err
