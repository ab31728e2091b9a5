"""Versions of EKS and of the node image."""

from collections.abc import Iterator
from datetime import timedelta

from generator.config.rules.base import WARNING, Case, Finding, node_template, rule

SOON = timedelta(days=90)

# Releases of Bottlerocket that have an image for an EKS version: from (inclusive), to (exclusive).
# https://github.com/bottlerocket-os/bottlerocket/releases
BOTTLEROCKET = {
    "1.28": ((1, 16, 0), (1, 52, 0)),
    "1.29": ((1, 19, 0), (1, 58, 0)),
    "1.35": ((1, 53, 0), (9, 0, 0)),
}


def _eks(case: Case) -> str | None:
    version = case.config.at("eksVersion").text()
    return version if version in case.facts.eks_versions() else None


@rule("SD801")
def eks_version_is_in_the_table(case: Case) -> Iterator[Finding]:
    """eksVersion must be in the table of versions that were chosen to work together."""
    place = case.config.at("eksVersion")
    if place.text() and _eks(case) is None:
        what = f"EKS {place.value} is not in the table of versions"
        yield Finding(place, what, f"use one of: {', '.join(case.facts.eks_versions())}")


@rule("SD802", WARNING)
def eks_version_can_be_created(case: Case) -> Iterator[Finding]:
    """AWS creates no new cluster with an EKS version after the end of its extended support."""
    eks = _eks(case)
    if eks and not case.facts.support(eks).can_be_created(case.context.today):
        newer = case.facts.recommended_eks(case.context.today)
        ended = case.facts.support(eks).extended_ends
        what = f"AWS creates no new cluster with EKS {eks}: its extended support ended on {ended}"
        help = f'set eksVersion: "{newer}" for a new cluster' if newer else "update the generator"
        yield Finding(case.config.at("eksVersion"), what, help)


@rule("SD803", WARNING)
def eks_version_lasts(case: Case) -> Iterator[Finding]:
    """A cluster whose EKS version ends within 90 days is upgraded by AWS soon after it was made."""
    eks = _eks(case)
    if eks is None:
        return
    ends, today = case.facts.support(eks).extended_ends, case.context.today
    if today <= ends < today + SOON:
        what = f"extended support of EKS {eks} ends on {ends}; AWS then upgrades the cluster itself"
        help = f'set eksVersion: "{case.facts.recommended_eks(today)}" for a new cluster'
        yield Finding(case.config.at("eksVersion"), what, help)


@rule("SD804", WARNING)
def node_image_is_pinned(case: Case) -> Iterator[Finding]:
    """amiVersion: latest replaces every GPU node whenever AWS publishes an image."""
    for runtime in case.runtimes:
        place = node_template(runtime).at("amiVersion")
        if place.text() == "latest":
            what = "each release of Bottlerocket will replace all nodes of this runtime"
            yield Finding(place, what, "remove the key, or name a release")


@rule("SD805")
def node_image_exists_for_eks(case: Case) -> Iterator[Finding]:
    """The release of Bottlerocket must have an image for the EKS version."""
    eks = _eks(case)
    for runtime in case.runtimes:
        place = node_template(runtime).at("amiVersion")
        release = _release(place.text() or "")
        if release is None or eks not in BOTTLEROCKET:
            continue
        first, end = BOTTLEROCKET[eks]
        if not first <= release < end:
            what = f"Bottlerocket {place.value} has no image for EKS {eks}"
            yield Finding(
                place, what, f"remove the key: {case.facts.versions(eks).bottlerocket} is used then"
            )


def _release(text: str) -> tuple[int, ...] | None:
    parts = text.removeprefix("v").split(".")
    return tuple(int(part) for part in parts) if len(parts) == 3 and all(map(str.isdecimal, parts)) else None
