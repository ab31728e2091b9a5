"""The node group of the controllers."""

from collections.abc import Iterator

from generator.config.rules.base import WARNING, Case, Finding, rule

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
    """A GPU on the controllers' nodes is paid for but never used."""
    node = case.config.at("clusterComponents", "instanceType")
    kind = case.facts.instance_type(node.text() or "")
    if kind and kind.gpu_name:
        yield Finding(
            node, f"the GPU of {kind.name} is paid for but never used here", "use m7g.large or m7i.large"
        )
