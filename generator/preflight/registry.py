"""Images: those in ECR must exist. Other registries cannot be asked through AWS."""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

from generator.aws import ecr
from generator.aws.asker import Asker
from generator.facts import image_reference
from generator.facts.image_reference import ImageReference
from generator.preflight.check import Check, Subject
from generator.preflight.result import CheckStatus, Result

THEME = "images"


def checks(subject: Subject) -> Iterator[Check[Any]]:
    """One for each image in ECR; one line for all others."""
    references = [image_reference.parse(name) for name in subject.images]
    for reference in references:
        if reference.ecr:
            yield Check(THEME, str(reference), partial(present, reference), partial(judge, reference))
    elsewhere = [reference for reference in references if not reference.ecr]
    if elsewhere:
        yield Check(THEME, f"{len(elsewhere)} images", lambda _: None, lambda _: judge_elsewhere(elsewhere))


def present(reference: ImageReference, asker: Asker) -> bool:
    """Whether ECR has the image."""
    return ecr.digest(reference, asker) is not None


def judge(reference: ImageReference, exists: bool) -> Iterator[Result]:
    """A node that cannot pull an image keeps trying, and is paid for."""
    name = str(reference)
    if exists:
        yield Result(THEME, name, CheckStatus.PASSED, "is in ECR")
    else:
        help = f"push it to {reference.path}: `generator images FILE --script`, or to build it, `--codebuild`"
        yield Result(THEME, name, CheckStatus.FAILED, "is not in ECR", help)


def judge_elsewhere(references: Sequence[ImageReference]) -> Iterator[Result]:
    """An image without a registry would come from Docker Hub, where this project publishes none."""
    for reference in references:
        if not reference.registry:
            help = "build and push it, then set `imageRegistry` (or image.repository) to its registry"
            yield Result(THEME, str(reference), CheckStatus.FAILED, "has no registry in its name", help)
    public = [reference for reference in references if reference.registry]
    if public:
        hosts = sorted({reference.registry for reference in public})
        text = f"not in ECR, so AWS cannot be asked about them: {', '.join(hosts)}"
        yield Result(THEME, f"{len(public)} images elsewhere", CheckStatus.NOT_ASKED, text)
