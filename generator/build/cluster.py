"""The eksctl ClusterConfig: fixed network, OIDC, roles of controllers and runtimes, add-ons, node group."""

from dataclasses import dataclass
from ipaddress import IPv4Network

from generator.build import jinja
from generator.iam import accounts
from generator.solution import names
from generator.solution.model import Solution

FILE = "cluster.yaml"
VPC_CIDR = IPv4Network("10.0.0.0/16")


@dataclass(frozen=True)
class Subnet:
    """One subnet as eksctl makes it."""

    kind: str
    zone: str
    cidr: IPv4Network


def files(solution: Solution) -> dict[str, str]:
    """`cluster.yaml`, the ClusterConfig."""
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
        tags={**solution.resource_tags(), "karpenter.sh/discovery": solution.stack},
    )
    return {FILE: text}


def subnets(solution: Solution) -> list[Subnet]:
    """What eksctl carves out of the VPC for three zones: eight /19, public first, two left free.

    Not written to the config: eksctl takes `vpc.subnets` for a network that exists already and refuses it
    beside `availabilityZones` (pkg/vpc/vpc.go and pkg/ctl/cmdutils/configfile.go of v0.230.0).
    """
    blocks = list(VPC_CIDR.subnets(new_prefix=19))
    kinds = [("public", zone) for zone in solution.zones] + [("private", zone) for zone in solution.zones]
    return [Subnet(kind, zone, block) for (kind, zone), block in zip(kinds, blocks, strict=False)]
