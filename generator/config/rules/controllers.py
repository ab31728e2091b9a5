"""The node group of the controllers."""

import re
from collections.abc import Iterator

from generator.config.rules.base import WARNING, Case, Finding, rule

# The node group has Amazon Linux 2023, which does not run on these families.
# https://docs.aws.amazon.com/eks/latest/userguide/choosing-instance-type.html
FIRST_GRAVITON = "a1"
ARCHITECTURES = ("amd64", "arm64")
# Families with other accelerators than GPUs: Qualcomm's, FPGAs, AWS's own, video transcoders.
ACCELERATED = re.compile(r"(dl|f|inf|trn|vt)[0-9]")
# What a node for the controllers needs at least: it runs one of Karpenter's two pods.
CONTROLLER_CORES = 2
CONTROLLER_MIB = 4096


@rule("SD510")
def controllers_have_room(case: Case) -> Iterator[Finding]:
    """The controllers' nodes need 2 vCPUs and 4 GiB each."""
    node = case.config.at("clusterComponents", "instanceType")
    kind = case.facts.instance_type(node.text() or "")
    if kind and (kind.vcpu < CONTROLLER_CORES or kind.memory_mib < CONTROLLER_MIB):
        size = f"{kind.vcpu} vCPUs and {kind.memory_mib / 1024:g} GiB"
        message = f"{kind.name} has {size}, which is not enough for the controllers"
        yield Finding(node, message, "use a larger type, such as m7g.large")


@rule("SD526")
def controllers_run_linux(case: Case) -> Iterator[Finding]:
    """The controllers' nodes run Amazon Linux 2023, which supports neither Mac instances nor a1."""
    node = case.config.at("clusterComponents", "instanceType")
    kind = case.facts.instance_type(node.text() or "")
    if kind and kind.arch not in ARCHITECTURES:
        yield Finding(node, f"EKS has no AMI for {kind.name}, which runs macOS", "use m7g.large or m7i.large")
    elif kind and kind.family == FIRST_GRAVITON:
        message = f"Amazon Linux 2023, which these nodes run, does not support {kind.name} (Graviton 1)"
        yield Finding(node, message, "use a later Graviton type, such as m7g.large")


@rule("SD527", WARNING)
def controllers_are_virtual_machines(case: Case) -> Iterator[Finding]:
    """Bare metal for the controllers costs as much as the largest size of its family, and starts slowly."""
    node = case.config.at("clusterComponents", "instanceType")
    kind = case.facts.instance_type(node.text() or "")
    if kind and kind.arch in ARCHITECTURES and not kind.hypervisor:
        message = (
            f"{kind.name} is bare metal: {kind.vcpu} vCPUs, of which the controllers use 2, and a slow start"
        )
        yield Finding(node, message, "use m7g.large or m7i.large")


@rule("SD511", WARNING)
def controllers_have_two_nodes(case: Case) -> Iterator[Finding]:
    """Karpenter runs two pods on different nodes; with one node the second pod stays pending."""
    node = case.config.at("clusterComponents", "desiredCount")
    if node.whole() == 1:
        yield Finding(
            node, "Karpenter's second pod stays pending, and a single node has no spare", "set 2 or more"
        )


@rule("SD512", WARNING)
def controllers_need_no_gpu(case: Case) -> Iterator[Finding]:
    """A GPU or another accelerator on the controllers' nodes is paid for but never used."""
    node = case.config.at("clusterComponents", "instanceType")
    kind = case.facts.instance_type(node.text() or "")
    if kind and (kind.gpu_name or ACCELERATED.match(kind.family)):
        device = "GPU" if kind.gpu_name else "accelerator"
        message = f"the {device} of {kind.name} is paid for but never used here"
        yield Finding(node, message, "use m7g.large or m7i.large")
