"""The cluster that the config names: what it must have (docs/existing-cluster.md), as far as AWS knows."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from ipaddress import IPv4Network
from typing import Any

from generator.aws import eks as aws_eks
from generator.aws import errors
from generator.aws.asker import Asker
from generator.aws.eks import Cluster
from generator.facts import versions
from generator.iam.policy import iam_arn
from generator.preflight.check import Check, Subject
from generator.preflight.result import CheckStatus, Result
from generator.solution.model import ExistingCluster, Solution

THEME = "cluster"
CSI_ADDON, IDENTITY_ADDON = "aws-mountpoint-s3-csi-driver", "eks-pod-identity-agent"
# The oldest release of the CSI driver with which the chart was tried.
FIRST_CSI = (1, 15)
# Authentication modes in which a node may also join by the ConfigMap aws-auth.
WITH_CONFIG_MAP = ("CONFIG_MAP", "API_AND_CONFIG_MAP")
# Which address of the range of services the cluster's DNS has.
DNS_INDEX = 10
ABSENT = ("NoSuchEntity", "ResourceNotFoundException")
PAGE = "docs/existing-cluster.md"


@dataclass(frozen=True)
class NodeRole:
    """A role of the nodes: its access entry's type, empty without an entry. `exists`: in IAM."""

    exists: bool
    entry: str = ""
    # Whether nodes may join in a way that EKS does not show.
    by_config_map: bool = False


def checks(subject: Subject) -> Iterator[Check[Any]]:
    """None where a deployment creates the cluster."""
    solution = subject.solution
    existing = solution.existing_cluster
    if existing is None:
        return
    ask = partial(_cluster, solution)
    yield Check(THEME, existing.name, ask, partial(judge, solution.versions.eks, existing))
    yield _identity(solution)
    if policies := {one.name: one.dns_servers for one in solution.runtimes if one.dns_servers is not None}:
        yield _check("network policies", ask, judge_policies, existing, policies)
    yield _check(CSI_ADDON, partial(_addon, solution, CSI_ADDON), judge_csi)
    roles = {runtime.nodes.iam_role or solution.node_role for runtime in solution.runtimes}
    for role in sorted(roles):
        yield _check(f"node role {role}", partial(node_role, solution, role), judge_role, role, existing)
    if not all(runtime.nodes.own_subnets for runtime in solution.runtimes):
        yield _check("subnets", partial(subnets, solution), judge_subnets, solution.cluster)


def _check(
    name: str, ask: Callable[[Asker], Any], judge: Callable[..., Iterator[Result]], *known: Any
) -> Check[Any]:
    return Check(THEME, name, ask, partial(judge, name, *known))


def _cluster(solution: Solution, asker: Asker) -> Cluster | None:
    return asker.once("cluster", lambda a: aws_eks.cluster(a.client("eks"), solution.cluster))


def judge(eks: str, existing: ExistingCluster, cluster: Cluster | None) -> Iterator[Result]:
    """The cluster is there, runs the version of the config, and has Auto Mode if the config says so."""
    name = existing.name
    if cluster is None:
        message = "the cluster does not exist in this account and region"
        yield Result(THEME, name, CheckStatus.FAILED, message, "change existingCluster.name, or remove it")
    elif cluster.status != "ACTIVE":
        help = "wait until it is ACTIVE"
        yield Result(THEME, name, CheckStatus.FAILED, f"its status is {cluster.status}", help)
    elif cluster.version != eks:
        help = f'set eksVersion: "{cluster.version}"'
        yield Result(THEME, name, CheckStatus.FAILED, f"it runs EKS {cluster.version}, not {eks}", help)
    elif existing.auto_mode and not cluster.auto_mode:
        message = "EKS Auto Mode is not on in this cluster"
        help = "remove existingCluster.autoMode, or turn Auto Mode on"
        yield Result(THEME, name, CheckStatus.FAILED, message, help)
    elif cluster.auto_mode and not existing.auto_mode:
        message = "it has EKS Auto Mode, which does not start the nodes of an EC2NodeClass"
        help = "set existingCluster.autoMode: true, unless it has a Karpenter of your own as well"
        yield Result(THEME, name, CheckStatus.WARNING, message, help)
    else:
        yield Result(THEME, name, CheckStatus.PASSED, f"ACTIVE, EKS {cluster.version}")


def judge_policies(
    name: str, existing: ExistingCluster, policies: Mapping[str, Sequence[str]], cluster: Cluster | None
) -> Iterator[Result]:
    """The policies name IPv4 addresses; on Auto Mode that of DNS, which follows from the range of services.

    `policies`: name of a runtime -> the DNS servers that its policy opens besides pods. EKS gives DNS the
    tenth address of the range: DNS_CLUSTER_IP in files/bootstrap.sh of awslabs/amazon-eks-ami, 732b6b2.
    """
    server = dns_server(cluster.services) if cluster and cluster.services and existing.auto_mode else None
    closed = [one for one, opened in policies.items() if server not in (*existing.dns_servers, *opened)]
    if cluster is None:
        yield Result(THEME, name, CheckStatus.NOT_ASKED, "the cluster does not exist")
    elif cluster.ip_family != "ipv4":
        message = "pods have IPv6 addresses, and the policies of the chart name IPv4 addresses"
        help = "set networkPolicy.enabled: false, and limit connections by policies of your own"
        yield Result(THEME, name, CheckStatus.WARNING, message, help)
    elif server and closed:
        message = f"the cluster's DNS is at {server}, which is closed to {', '.join(closed)}"
        help = f"set networkPolicy.egress.dnsServers: [{server}]"
        yield Result(THEME, name, CheckStatus.FAILED, message, help)
    else:
        yield Result(THEME, name, CheckStatus.PASSED, f"DNS is at {server}" if server else "DNS is in pods")


def dns_server(services: str) -> str:
    """The address of the cluster's DNS in a range of services."""
    return str(IPv4Network(services)[DNS_INDEX])  # EKS accepts blocks from /24 to /12


def _identity(solution: Solution) -> Check[Any]:
    """What gives pods their roles."""
    if not solution.pod_identity:
        return _check("OIDC provider", partial(provider, solution), judge_provider, solution.cluster)
    if solution.auto_mode:
        return _check(IDENTITY_ADDON, lambda _: "built in", judge_agent)
    return _check(IDENTITY_ADDON, partial(_addon, solution, IDENTITY_ADDON), judge_agent)


def provider(solution: Solution, asker: Asker) -> str | None:
    """The cluster's issuer, if IAM has a provider for it."""
    cluster = _cluster(solution, asker)
    if cluster is None or not cluster.issuer:
        return None
    arn = iam_arn(solution, f"oidc-provider/{cluster.issuer}")
    asked = partial(asker.client("iam").get_open_id_connect_provider, OpenIDConnectProviderArn=arn)
    return None if _or_none(asked) is None else cluster.issuer


def judge_provider(name: str, cluster: str, issuer: str | None) -> Iterator[Result]:
    """IRSA needs it: without it no pod gets its role."""
    if issuer is None:
        help = f"eksctl utils associate-iam-oidc-provider --cluster {cluster} --approve; or podIdentity: true"
        yield Result(THEME, name, CheckStatus.FAILED, "IAM has no provider for the cluster's issuer", help)
    else:
        yield Result(THEME, name, CheckStatus.PASSED, issuer)


def _addon(solution: Solution, addon: str, asker: Asker) -> str | None:
    """The version of an EKS add-on; None where the cluster does not have it as an add-on."""
    client = asker.client("eks")
    row = _or_none(partial(client.describe_addon, clusterName=solution.cluster, addonName=addon))
    return None if row is None else str(row["addon"]["addonVersion"])


def judge_agent(name: str, version: str | None) -> Iterator[Result]:
    """EKS Pod Identity needs its agent on each node."""
    if version is None:
        help = f"aws eks create-addon --addon-name {name}"
        yield Result(THEME, name, CheckStatus.FAILED, "the cluster does not have this add-on", help)
    else:
        yield Result(THEME, name, CheckStatus.PASSED, version)


def judge_csi(name: str, version: str | None) -> Iterator[Result]:
    """An older driver lacks options of the chart's volumes. One that Helm installed is not visible to AWS."""
    if version is None:
        message = "the cluster does not have this add-on"
        help = f"if it is not installed by Helm either, no pod can mount its models: see {PAGE}"
        yield Result(THEME, name, CheckStatus.NOT_ASKED, message, help)
        return
    release = versions.parse(version.removeprefix("v").partition("-")[0])
    if release < FIRST_CSI:
        yield Result(THEME, name, CheckStatus.FAILED, version, "update the add-on to 1.15 or later")
    elif release < versions.CSI_WITH_PODS:
        help = f"make it tolerate the taints of GPU nodes (node.tolerateAllTaints): see {PAGE}"
        yield Result(THEME, name, CheckStatus.WARNING, f"{version} does not run on nodes with taints", help)
    else:
        yield Result(THEME, name, CheckStatus.PASSED, version)


def node_role(solution: Solution, role: str, asker: Asker) -> NodeRole:
    """What IAM and EKS know of a role of the nodes."""
    row = _or_none(partial(asker.client("iam").get_role, RoleName=role))
    cluster = _cluster(solution, asker)
    if row is None or cluster is None:
        return NodeRole(exists=row is not None)
    client, arn = asker.client("eks"), str(row["Role"]["Arn"])
    entry = _or_none(partial(client.describe_access_entry, clusterName=solution.cluster, principalArn=arn))
    kind = "" if entry is None else str(entry["accessEntry"]["type"])
    return NodeRole(True, kind, cluster.authentication in WITH_CONFIG_MAP)


def judge_role(name: str, role: str, existing: ExistingCluster, known: NodeRole) -> Iterator[Result]:
    """A node whose role has no access joins no cluster, and Karpenter starts another one."""
    needed = "EC2" if existing.auto_mode else "EC2_LINUX"
    flags = f"--cluster-name {existing.name} --principal-arn ARN --type {needed}"
    command = f"aws eks create-access-entry {flags}"
    if not known.exists:
        help = "change existingCluster.nodeRole or iamRole: Karpenter cannot start a node without it"
        yield Result(THEME, name, CheckStatus.FAILED, "there is no such role", help)
    elif known.entry == needed:
        yield Result(THEME, name, CheckStatus.PASSED, f"has an access entry of type {needed}")
    elif known.entry:
        message = f"its access entry has the type {known.entry}; these nodes need {needed}"
        yield Result(THEME, name, CheckStatus.FAILED, message, "use another role, or another entry")
    elif known.by_config_map and not existing.auto_mode:
        message = "it has no access entry; the ConfigMap aws-auth cannot be seen from here"
        yield Result(THEME, name, CheckStatus.WARNING, message, f"if aws-auth lacks it too: {command}")
    else:
        yield Result(THEME, name, CheckStatus.FAILED, f"{role} has no access entry", command)


def subnets(solution: Solution, asker: Asker) -> int:
    """How many subnets have the tags by which nodes find theirs."""
    tags = {"karpenter.sh/discovery": solution.cluster, "kubernetes.io/role/internal-elb": "1"}
    filters = [{"Name": f"tag:{key}", "Values": [value]} for key, value in tags.items()]
    return len(asker.client("ec2").describe_subnets(Filters=filters)["Subnets"])


def judge_subnets(name: str, cluster: str, count: int) -> Iterator[Result]:
    """Without a subnet Karpenter starts no node."""
    if count:
        yield Result(THEME, name, CheckStatus.PASSED, f"{count} have the tags")
        return
    message = f"none has the tags karpenter.sh/discovery: {cluster} and kubernetes.io/role/internal-elb: 1"
    help = "tag the private subnets of the cluster, or set nodeTemplate.subnetSelector of each runtime"
    yield Result(THEME, name, CheckStatus.FAILED, message, help)


def _or_none(ask: Callable[[], Any]) -> Any:
    """The answer; None where what is asked for does not exist."""
    try:
        return ask()
    except errors.refusals() as error:
        if errors.code(error) not in ABSENT:
            raise
        return None
