"""Versions of EKS and of the nodes' operating system."""

from collections.abc import Iterator
from datetime import timedelta

from generator.config.rules.base import WARNING, Case, Finding, node_template, rule

SOON = timedelta(days=90)

# EKS version -> Bottlerocket releases with an AMI for it: from (inclusive), to (exclusive).
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
    """eksVersion must be in the table of versions that are tested together."""
    node = case.config.at("eksVersion")
    if node.text() and _eks(case) is None:
        message = f"EKS {node.value} is not in the table of versions"
        yield Finding(node, message, f"use one of: {', '.join(case.facts.eks_versions())}")


@rule("SD802", WARNING)
def eks_version_can_be_created(case: Case) -> Iterator[Finding]:
    """AWS does not create new clusters with an EKS version after the end of its extended support."""
    eks = _eks(case)
    if eks and not case.facts.support(eks).can_be_created(case.context.today):
        newer = case.facts.recommended_eks(case.context.today)
        ended = case.facts.support(eks).extended_ends
        message = f"AWS does not create new clusters with EKS {eks}: its extended support ended on {ended}"
        help = f'set eksVersion: "{newer}" for a new cluster' if newer else "update the generator"
        yield Finding(case.config.at("eksVersion"), message, help)


@rule("SD803", WARNING)
def eks_version_lasts(case: Case) -> Iterator[Finding]:
    """AWS upgrades a cluster itself when extended support of its EKS version ends: within 90 days."""
    eks = _eks(case)
    if eks is None:
        return
    ends, today = case.facts.support(eks).extended_ends, case.context.today
    if today <= ends < today + SOON:
        message = f"extended support of EKS {eks} ends on {ends}; AWS then upgrades the cluster itself"
        help = f'set eksVersion: "{case.facts.recommended_eks(today)}" for a new cluster'
        yield Finding(case.config.at("eksVersion"), message, help)


@rule("SD804", WARNING)
def node_image_is_pinned(case: Case) -> Iterator[Finding]:
    """With amiVersion: latest, every release of the AMI replaces all GPU nodes."""
    for runtime in case.runtimes:
        node = node_template(runtime).at("amiVersion")
        if node.text() == "latest":
            message = "every release of Bottlerocket replaces all nodes of this runtime"
            yield Finding(node, message, "remove the key, or set a release")


@rule("SD805")
def node_image_exists_for_eks(case: Case) -> Iterator[Finding]:
    """The Bottlerocket release must have an AMI for the EKS version."""
    eks = _eks(case)
    for runtime in case.runtimes:
        node = node_template(runtime).at("amiVersion")
        release = _release(node.text() or "")
        if release is None or eks not in BOTTLEROCKET:
            continue
        first, end = BOTTLEROCKET[eks]
        if not first <= release < end:
            message = f"Bottlerocket {node.value} has no AMI for EKS {eks}"
            yield Finding(node, message, f"remove the key to use {case.facts.versions(eks).bottlerocket}")


def _release(text: str) -> tuple[int, ...] | None:
    parts = text.removeprefix("v").split(".")
    return tuple(int(part) for part in parts) if len(parts) == 3 and all(map(str.isdecimal, parts)) else None
