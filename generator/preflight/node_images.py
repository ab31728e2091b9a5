"""The images of the GPU nodes: whether AWS has the exact Bottlerocket release for the EKS version."""

from collections.abc import Iterator
from functools import partial
from typing import Any

from generator.aws import errors
from generator.aws.asker import Asker
from generator.preflight.check import Check, Subject
from generator.preflight.result import CheckStatus, Result

THEME = "node images"


def checks(subject: Subject) -> Iterator[Check[Any]]:
    """One for each release that a runtime's nodes use. AWS chooses that of EKS Auto Mode."""
    if subject.solution.auto_mode:
        return
    versions = subject.solution.versions
    releases = {runtime.ami_version or versions.bottlerocket for runtime in subject.solution.runtimes}
    for release in sorted(releases):
        name = f"Bottlerocket {release.removeprefix('v')}"
        yield Check(
            THEME,
            name,
            partial(image, parameter(versions.eks, release)),
            partial(judge, name, versions.eks, subject.solution.region),
        )


def parameter(eks: str, release: str) -> str:
    """The public SSM parameter in which Karpenter looks up the image of a node with an NVIDIA GPU.

    Source: pkg/providers/amifamily/bottlerocket.go of aws/karpenter-provider-aws, v1.14.1.
    """
    return f"/aws/service/bottlerocket/aws-k8s-{eks}-nvidia/x86_64/{release.removeprefix('v')}/image_id"


def image(name: str, asker: Asker) -> str | None:
    """The AMI that a parameter names; None when there is no such parameter."""
    try:
        return str(asker.client("ssm").get_parameter(Name=name)["Parameter"]["Value"])
    except errors.refusals() as error:
        if errors.code(error) != "ParameterNotFound":
            raise
        return None


def judge(name: str, eks: str, region: str, ami: str | None) -> Iterator[Result]:
    """Without an image Karpenter starts no node."""
    if ami is None:
        message = f"there is no image with NVIDIA drivers for EKS {eks} in {region}"
        help = "remove amiVersion, or set a release that AWS has an image of"
        yield Result(THEME, name, CheckStatus.FAILED, message, help)
    else:
        yield Result(THEME, name, CheckStatus.PASSED, ami)
