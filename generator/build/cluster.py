"""The eksctl ClusterConfig: fixed network, OIDC, roles of controllers and runtimes, add-ons, node group."""

from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Network
from typing import Any

from generator.iam import roles
from generator.solution import names
from generator.build import yaml_text
from generator.solution.model import Solution

VPC_CIDR = IPv4Network("10.0.0.0/16")


@dataclass(frozen=True)
class ServiceAccount:
    """A service account of Kubernetes, the IAM role that it may assume, and what that role may do."""

    namespace: str
    name: str
    role_name: str
    policy: dict[str, Any]


@dataclass(frozen=True)
class Subnet:
    """One subnet as eksctl makes it."""

    kind: str
    zone: str
    cidr: IPv4Network


def files(solution: Solution, template: str) -> dict[str, str]:
    """`cluster.yaml`, from the text of cluster/cluster.yaml.j2."""
    import jinja2  # noqa: PLC0415 - slow to import, and `validate` does without

    environment = jinja2.Environment(  # noqa: S701 - this is YAML, not HTML; every value passes a filter below
        undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True
    )
    environment.filters["yaml"] = lambda data: yaml_text.dump(data).removesuffix("\n...\n").rstrip("\n")
    text = environment.from_string(template).render(
        solution=solution,
        vpc_cidr=str(VPC_CIDR),
        subnets=subnets(solution),
        service_accounts=list(service_accounts(solution)),
        node_role_arn=solution.role_arn("karpenter-node"),
        vpc_cni_policy_arn=names.arn(
            solution.partition.name, "iam", "", "aws", "policy/AmazonEKS_CNI_Policy"
        ),
        tags={**solution.tags, names.STACK_TAG: solution.stack, "karpenter.sh/discovery": solution.stack},
    )
    return {"cluster.yaml": text}


def subnets(solution: Solution) -> list[Subnet]:
    """What eksctl carves out of the VPC for three zones: eight /19, public first, two left free.

    Not written to the config: eksctl takes `vpc.subnets` for a network that exists already and refuses it
    beside `availabilityZones` (pkg/vpc/vpc.go and pkg/ctl/cmdutils/configfile.go of v0.230.0).
    """
    blocks = list(VPC_CIDR.subnets(new_prefix=19))
    kinds = [("public", zone) for zone in solution.zones] + [("private", zone) for zone in solution.zones]
    return [Subnet(kind, zone, block) for (kind, zone), block in zip(kinds, blocks, strict=False)]


def service_accounts(solution: Solution) -> Iterator[ServiceAccount]:
    """Who gets a role: three controllers, and the pods of each runtime that does not bring its own."""
    controllers = (
        (names.KARPENTER_SERVICE_ACCOUNT, "karpenter-controller", roles.karpenter_controller),
        (names.KEDA_SERVICE_ACCOUNT, "keda-operator", roles.keda_operator),
        (names.S3_CSI_SERVICE_ACCOUNT, "s3-csi-driver", roles.s3_csi_driver),
    )
    for account, role, policy in controllers:
        role_name = names.controller_role(solution.stack, role)
        yield ServiceAccount(names.PLATFORM_NAMESPACE, account, role_name, policy(solution))
    for runtime in solution.runtimes:
        if runtime.role_arn.endswith(f":role/{runtime.role_name}"):
            yield ServiceAccount(
                runtime.namespace,
                runtime.service_account,
                runtime.role_name,
                roles.runtime(solution, runtime),
            )
