"""What a pod may connect to."""

from collections.abc import Iterator
from ipaddress import IPv4Network

from generator.config.node import ConfigNode
from generator.config.rules.base import Case, Finding, rule

# https://www.rfc-editor.org/rfc/rfc3927: here are the instance metadata service and the Pod Identity agent.
LINK_LOCAL = IPv4Network("169.254.0.0/16")


def _egress(case: Case) -> Iterator[ConfigNode]:
    """The `egress` of each runtime whose NetworkPolicy is created."""
    for runtime in case.runtimes:
        policy = runtime.at("extraValues", "runtime", "networkPolicy")
        if policy.at("enabled").flag() is not False:
            yield policy.at("egress")


@rule("SD990")
def agent_can_reach_aws(case: Case) -> Iterator[Finding]:
    """Without networkPolicy.egress.internet, cidrs must list the VPC endpoints of the queue agent."""
    for egress in _egress(case):
        if egress.at("internet").flag() is False and not egress.at("cidrs").items():
            message = "the queue agent could not reach SQS, S3 and SNS: runtime and agent share one network"
            help = "list the addresses of your VPC endpoints in networkPolicy.egress.cidrs, or remove this"
            yield Finding(egress.at("internet"), message, help)


@rule("SD991")
def egress_is_not_link_local(case: Case) -> Iterator[Finding]:
    """networkPolicy.egress.cidrs cannot have link-local addresses, where the instance metadata service is."""
    for egress in _egress(case):
        for node in egress.at("cidrs").items():
            if (block := _block(node.text())) and block.overlaps(LINK_LOCAL):
                message = (
                    f"{node.value} has addresses of {LINK_LOCAL}, where the instance metadata service is"
                )
                yield Finding(node, message, "list only the addresses of your endpoints")


def _block(text: str | None) -> IPv4Network | None:
    """The CIDR block; None for a text that the schema refuses."""
    try:
        return IPv4Network(text or "", strict=False)
    except ValueError:
        return None
