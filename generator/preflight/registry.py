"""Images: those in ECR must be there. Other registries have no AWS API to ask."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from generator.aws import clients as aws
from generator.preflight.check import Asker, Check, Subject
from generator.preflight.result import CheckStatus, Result

THEME = "images"
_ECR = re.compile(
    r"(?P<account>\d{12})\.dkr\.ecr\.(?P<region>[a-z0-9-]+)\.amazonaws\.com(?:\.cn)?/(?P<repository>[^:@]+)"
    r"(?::(?P<tag>[^@]+))?(?:@(?P<digest>sha256:[0-9a-f]+))?"
)


@dataclass(frozen=True)
class EcrImage:
    """An image in a private ECR registry, taken apart."""

    account: str
    region: str
    repository: str
    tag: str | None
    digest: str | None


def checks(subject: Subject) -> Iterator[Check[Any]]:
    """One for each image in ECR; one line for all others."""
    elsewhere = []
    for image in subject.images:
        found = parsed(image)
        if found:
            yield Check(THEME, image, partial(present, found), partial(judge, image, found))
        else:
            elsewhere.append(image)
    if elsewhere:
        yield Check(THEME, f"{len(elsewhere)} images", lambda _: None, lambda _: judge_elsewhere(elsewhere))


def parsed(image: str) -> EcrImage | None:
    """The parts of an ECR image's name; None for another registry."""
    found = _ECR.fullmatch(image)
    return EcrImage(**found.groupdict()) if found else None


def present(image: EcrImage, asker: Asker) -> bool:
    """Whether ECR has it."""
    return digest(image, asker) is not None


def digest(image: EcrImage, asker: Asker) -> str | None:
    """What is behind its name in ECR; None when nothing is."""
    which = {"imageDigest": image.digest} if image.digest else {"imageTag": image.tag or "latest"}
    try:
        found = asker.client("ecr", image.region).describe_images(
            registryId=image.account, repositoryName=image.repository, imageIds=[which]
        )
    except aws.refusals() as error:
        if aws.code(error) not in ("ImageNotFoundException", "RepositoryNotFoundException"):
            raise
        return None
    return str(found["imageDetails"][0]["imageDigest"])


def judge(name: str, image: EcrImage, found: bool) -> Iterator[Result]:
    """A node that cannot pull an image waits for ever, and is paid for."""
    if found:
        yield Result(THEME, name, CheckStatus.PASSED, "is in ECR")
    else:
        help = f"push it to {image.repository}, or copy all images: `generator images FILE --script`"
        yield Result(THEME, name, CheckStatus.FAILED, "is not in ECR", help)


def judge_elsewhere(images: list[str]) -> Iterator[Result]:
    """An image without a registry is Docker Hub's; nobody publishes ours there."""
    bare = [image for image in images if not _has_host(image)]
    for image in bare:
        help = "build and push it, then set `imageRegistry` (or image.repository) to where it is"
        yield Result(THEME, image, CheckStatus.FAILED, "names no registry", help)
    public = [image for image in images if image not in bare]
    if public:
        hosts = sorted({image.partition("/")[0] for image in public})
        said = f"AWS cannot be asked about {', '.join(hosts)}"
        yield Result(THEME, f"{len(public)} images elsewhere", CheckStatus.NOT_ASKED, said)


def _has_host(image: str) -> bool:
    host, slash, _ = image.partition("/")
    return bool(slash) and ("." in host or ":" in host or host == "localhost")
