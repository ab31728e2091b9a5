"""Versions of EKS and of the nodes' operating system."""

from collections.abc import Iterator

from generator.config.rules.base import WARNING, Case, Finding, node_template, rule
from generator.facts import versions
from generator.facts.prices import REFERENCE_REGION


def _eks(case: Case) -> str | None:
    version = case.config.at("eksVersion").text()
    return version if version in case.facts.eks_versions() else None


def _newer(case: Case, eks: str) -> str:
    """What to do about an EKS version that is too old."""
    newer = case.facts.recommended_eks(case.context.today)
    if newer is None or newer == eks:
        return "update the generator, whose table of versions is out of date"
    if versions.minor(newer) < versions.minor(eks):
        return f'set eksVersion: "{newer}" for a new cluster'
    advice = f'set eksVersion: "{newer}" for a new cluster'
    return f"{advice}; EKS upgrades an existing one by one minor version at a time"


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
    if eks and not case.has_cluster and not case.facts.support(eks).can_be_created(case.context.today):
        ended = case.facts.support(eks).extended_ends
        message = f"AWS does not create new clusters with EKS {eks}: its extended support ended on {ended}"
        yield Finding(case.config.at("eksVersion"), message, _newer(case, eks))


@rule("SD803", WARNING)
def eks_version_lasts(case: Case) -> Iterator[Finding]:
    """AWS upgrades a cluster itself when extended support of its EKS version ends: within three months."""
    eks = _eks(case)
    if eks is None:
        return
    ends, today = case.facts.support(eks).extended_ends, case.context.today
    if today <= ends < versions.months_after(today, versions.WARNING_MONTHS):
        message = f"extended support of EKS {eks} ends on {ends}; AWS then upgrades the cluster itself"
        yield Finding(case.config.at("eksVersion"), message, _newer(case, eks))


@rule("SD806", WARNING)
def eks_version_is_in_standard_support(case: Case) -> Iterator[Finding]:
    """An EKS version in extended support costs more; one with less than three months left soon will."""
    eks = _eks(case)
    if eks is None or not case.facts.support(eks).can_be_created(case.context.today):
        return
    support, today = case.facts.support(eks), case.context.today
    if support.has_standard(today, versions.WARNING_MONTHS):
        return
    ends = support.standard_ends
    when = f"ends on {ends}, in {(ends - today).days} days; then"
    if support.is_extended(today):
        when = f"ended on {ends}:"
    message = f"standard support of EKS {eks} {when} the control plane {_extended_cost(case)}"
    yield Finding(case.config.at("eksVersion"), message, _newer(case, eks))


def _extended_cost(case: Case) -> str:
    price = case.facts.control_plane_price(case.context.region or REFERENCE_REGION)
    return f"costs {price}" if price else "costs more, at the price of extended support"


@rule("SD807", WARNING)
def components_are_tested_with_eks(case: Case) -> Iterator[Finding]:
    """Every component should be tested with the EKS version by its maintainers."""
    eks = _eks(case)
    if eks is None or case.has_cluster:
        return
    for component in case.facts.untested(eks):
        release = {"KEDA": case.facts.versions(eks).keda_app}[component]
        message = f"{component} {release} is not tested with Kubernetes {eks} by its maintainers"
        yield Finding(case.config.at("eksVersion"), message, _tested(case))


def _tested(case: Case) -> str:
    """What to do about an untested component, with the newest EKS version that has none."""
    help = "test scaling before you use it in production"
    tested = [eks for eks in case.facts.creatable(case.context.today) if not case.facts.untested(eks)]
    if not tested:
        return help
    ends = case.facts.support(tested[-1]).standard_ends
    return f"{help}; every component is tested with EKS {tested[-1]}, in standard support until {ends}"


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
    if eks is None:
        return
    first, end = case.facts.bottlerocket_releases(eks)
    for runtime in case.runtimes:
        node = node_template(runtime).at("amiVersion")
        release = versions.bottlerocket_release(node.text() or "")
        if release is None:
            continue
        if release < versions.parse(first) or (end and release >= versions.parse(end)):
            message = f"Bottlerocket {node.value} has no image for EKS {eks}"
            span = f"{first} or later" if end is None else f"{first} or later, before {end}"
            default = case.facts.versions(eks).bottlerocket
            yield Finding(node, message, f"remove the key to use {default}, or set a release: {span}")
