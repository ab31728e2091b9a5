"""Builds of images in CodeBuild: an image with custom nodes, pushes, refusals, an interrupted command."""

import io
import zipfile
from typing import Any

import pytest
from botocore.exceptions import ClientError

from generator.deploy import image_builder
from generator.images import images
from generator.images.images import Image
from generator.solution import custom_nodes
from tests.deploy.conftest import Bench

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


def refuse(bench: Bench, operation: str, code: str, *, from_call: int = 1) -> None:
    """CodeBuild refuses an operation from this call on."""
    calls: list[str] = []

    def answer(**_: Any) -> None:
        calls.append(operation)
        if len(calls) >= from_call:
            raise ClientError({"Error": {"Code": code, "Message": "as the test wants"}}, operation)

    bench.job.aws.client("codebuild").meta.events.register(f"before-call.codebuild.{operation}", answer)


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
