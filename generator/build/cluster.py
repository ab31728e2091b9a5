"""The eksctl ClusterConfig: fixed network, OIDC, roles of controllers and runtimes, add-ons, node group."""

from dataclasses import dataclass
from ipaddress import IPv4Network

from generator.build import jinja
from generator.iam import accounts, boundary
from generator.solution import names
from generator.solution.model import Solution

FILE = "cluster.yaml"
VPC_CIDR = IPv4Network("10.0.0.0/16")


@dataclass(frozen=True)
class Subnet:
    """One subnet as eksctl creates it."""

    kind: str
    zone: str
    cidr: IPv4Network


def files(solution: Solution) -> dict[str, str]:
    """The ClusterConfig, by its file name."""
    text = jinja.render(
        "cluster.yaml.j2",
        solution=solution,
        vpc_cidr=str(VPC_CIDR),
        subnets=subnets(solution),
        service_accounts=list(accounts.service_accounts(solution)),
        node_role_arn=solution.role_arn("karpenter-node"),
        vpc_cni_policy_arn=names.arn(
            solution.partition.name, "iam", "", "aws", "policy/AmazonEKS_CNI_Policy"
        ),
        # The boundary of the roles knows the network interfaces of nodes by the second tag.
        node_tags={names.STACK_TAG: solution.stack, boundary.CNI_TAG: solution.stack},
        tags={**solution.resource_tags(), "karpenter.sh/discovery": solution.stack},
    )
    return {FILE: text}


def subnets(solution: Solution) -> list[Subnet]:
    """The subnets that eksctl creates in the VPC for three zones: six of eight /19 blocks, public ones first.

    Only for the comment in cluster.yaml: eksctl takes `vpc.subnets` for an existing network and rejects it
    next to `availabilityZones` (pkg/vpc/vpc.go and pkg/ctl/cmdutils/configfile.go of v0.230.0).
    """
    blocks = list(VPC_CIDR.subnets(new_prefix=19))
    kinds = [("public", zone) for zone in solution.zones] + [("private", zone) for zone in solution.zones]
    return [Subnet(kind, zone, block) for (kind, zone), block in zip(kinds, blocks, strict=False)]
