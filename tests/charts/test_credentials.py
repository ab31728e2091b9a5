"""Credentials: what EKS gives to which container of a pod, and what a pod can reach to get others."""

import copy
import csv
from collections.abc import Callable
from ipaddress import IPv4Address, IPv4Network

import pytest

from .conftest import BASE, TYPES, Object, Objects, Render, nested

ROLE = "eks.amazonaws.com/role-arn"
SKIP = "eks.amazonaws.com/skip-containers"


def containers_with_credentials(rendered: Objects, runtime: str, *, pod_identity: bool) -> set[str]:
    """The containers that get a token and the variables of a role.

    pkg/handler/handler.go of https://github.com/aws/amazon-eks-pod-identity-webhook at 3bf80a3: every
    container of a pod, init containers too, but for those that the pod's annotation names, if the service
    account has a role (IRSA) or an association (EKS Pod Identity). Other annotations are not read.
    """
    template = rendered[f"Deployment/{runtime}"]["spec"]["template"]
    account = rendered[f"ServiceAccount/{template['spec']['serviceAccountName']}"]
    if not pod_identity and ROLE not in account["metadata"]["annotations"]:
        return set()
    skipped = next(csv.reader([template["metadata"].get("annotations", {}).get(SKIP, "")]), [])
    spec: Object = template["spec"]
    names = [item["name"] for item in [*spec["containers"], *spec.get("initContainers", [])]]
    return {name for name in names if name not in skipped}


@pytest.mark.parametrize("pod_identity", [False, True])
@pytest.mark.parametrize("name", TYPES)
def test_only_the_agents_programs_get_aws_credentials(types: Objects, name: str, pod_identity: bool) -> None:
    programs = {"queue-agent", "model-loader"} if name == "static" else {"queue-agent"}
    assert containers_with_credentials(types, name, pod_identity=pod_identity) == programs


@pytest.mark.parametrize("pod_identity", [False, True])
def test_the_trace_collector_gets_them_too_because_it_writes_to_x_ray(
    with_value: Callable[..., Objects], pod_identity: bool
) -> None:
    rendered = with_value("runtime.queueAgent.xray.enabled", True)
    receivers = containers_with_credentials(rendered, "one", pod_identity=pod_identity)
    assert receivers == {"queue-agent", "model-loader", "trace-collector"}


@pytest.mark.parametrize("text", ["", "queue-agent", "none", "queue-agent,trace-collector"])
def test_no_annotation_of_the_user_gives_them_to_the_runtime(
    with_value: Callable[..., Objects], text: str
) -> None:
    rendered = with_value("runtime.annotations", {SKIP: text, "eks.amazonaws.com/token-expiration": "3600"})
    receivers = containers_with_credentials(rendered, "one", pod_identity=False)
    assert receivers == {"queue-agent", "model-loader"}
    annotations = rendered["Deployment/one"]["spec"]["template"]["metadata"]["annotations"]
    assert annotations["eks.amazonaws.com/token-expiration"] == "3600"


def test_no_container_of_a_placeholder_gets_a_role_of_the_default_service_account(render: Render) -> None:
    values = {"scaling": {"warm": [{"nodes": 1}]}, "queueAgent": {"xray": {"enabled": True}}}
    rendered = copy.deepcopy(render(one={"runtime": values}))
    template = rendered["Deployment/one-placeholder"]["spec"]["template"]
    template["spec"]["serviceAccountName"] = "default"
    rendered["ServiceAccount/default"] = {"metadata": {"annotations": {ROLE: "arn:aws:iam::1:role/x"}}}

    assert containers_with_credentials(rendered, "one-placeholder", pod_identity=False) == set()
    assert containers_with_credentials(rendered, "one-placeholder", pod_identity=True) == set()


@pytest.mark.parametrize("name", TYPES)
def test_the_containers_of_a_pod_cannot_read_each_others_files_and_processes(
    types: Objects, name: str
) -> None:
    pod = types.pod(name)
    if pod.get("shareProcessNamespace"):  # tests/charts/test_termination.py shows what another user sees
        runtime_user = pod["securityContext"]["runAsUser"]
        assert types.container(name, "queue-agent")["securityContext"]["runAsUser"] != runtime_user
    assert not pod.get("hostNetwork")
    assert not pod.get("hostPID")
    agent, runtime = (
        {mount["name"] for mount in types.container(name, container)["volumeMounts"]}
        for container in ("queue-agent", "runtime")
    )
    assert not agent & runtime


@pytest.mark.parametrize("name", TYPES)
def test_the_runtimes_own_settings_hold_no_credentials(types: Objects, name: str) -> None:
    variables = types.env(name)
    assert not [key for key in variables if key.startswith("AWS_")]
    assert "envFrom" not in types.container(name, "runtime")


def test_the_model_of_the_webhook_sees_a_runtime_with_credentials(render: Render) -> None:
    rendered = copy.deepcopy(render(one={}))
    del rendered["Deployment/one"]["spec"]["template"]["metadata"]["annotations"][SKIP]
    receivers = containers_with_credentials(rendered, "one", pod_identity=False)
    assert receivers == {"queue-agent", "model-loader", "runtime"}


def reachable(rendered: Objects, address: str, port: int) -> bool:
    """Whether a pod of the runtime `one` may open a TCP connection to an address outside the cluster's pods.

    https://kubernetes.io/docs/concepts/services-networking/network-policies/: a pod that a policy selects
    for egress opens the connections that one of the rules allows; a rule with peers by label allows no other.
    """
    policy = rendered.get("NetworkPolicy/one")
    if policy is None:
        return True
    for rule in policy["spec"]["egress"]:
        ports = [item["port"] for item in rule["ports"] if item["protocol"] == "TCP"]
        for block in (peer["ipBlock"] for peer in rule["to"] if "ipBlock" in peer):
            inside = IPv4Address(address) in IPv4Network(block["cidr"])
            excepted = any(IPv4Address(address) in IPv4Network(cidr) for cidr in block.get("except", []))
            if port in ports and inside and not excepted:
                return True
    return False


# The network of the cluster; services, the first of which is the API server's, in either of the ranges
# that EKS chooses; other private networks; instance metadata, task metadata and Pod Identity; loopback.
CLOSED = (
    *("10.0.0.1", "10.0.97.14", "10.0.255.254", "172.20.0.1", "10.100.0.1", "10.255.255.255"),
    *("172.16.0.1", "172.31.255.254", "192.168.1.1", "100.64.0.1", "100.127.255.254", "198.18.0.1"),
    *("169.254.169.254", "169.254.170.2", "169.254.170.23", "169.254.169.123", "169.254.0.1"),
    *("127.0.0.1", "0.0.0.0", "192.0.0.8", "224.0.0.1", "240.0.0.1", "255.255.255.255"),
)
# SQS and S3 in us-west-2, and hosts of inputs; the neighbors of the closed ranges.
OPEN = ("52.119.168.1", "52.218.128.1", "8.8.8.8", "1.1.1.1", "9.255.255.255", "11.0.0.1", "100.63.255.255")
OPEN += ("100.128.0.1", "126.0.0.1", "128.0.0.1", "169.253.255.255", "169.255.0.1", "172.15.255.255")
OPEN += ("172.32.0.1", "192.167.255.255", "192.169.0.1", "198.17.255.255", "198.20.0.1", "223.255.255.255")


@pytest.mark.parametrize("address", CLOSED)
def test_a_pod_reaches_no_private_address(render: Render, address: str) -> None:
    assert not reachable(render(one={}), address, 443)
    assert not reachable(render(one={}), address, 80)


@pytest.mark.parametrize("address", OPEN)
def test_a_pod_reaches_public_addresses_by_https_alone(render: Render, address: str) -> None:
    assert reachable(render(one={}), address, 443)
    assert not any(reachable(render(one={}), address, port) for port in (22, 80, 3128, 6443, 8080))


def test_no_address_that_is_not_global_is_open(render: Render) -> None:
    # Multicast and 192.0.0.0/24, some of which IANA calls global, are closed as well.
    blocks = render(one={})["NetworkPolicy/one"]["spec"]["egress"]
    excepted = [
        IPv4Network(c) for r in blocks for p in r["to"] for c in p.get("ipBlock", {}).get("except", [])
    ]
    documentation = [IPv4Network(cidr) for cidr in ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24")]
    for first in range(1, 256):
        for second in (0, 64, 100, 168, 254):
            address = IPv4Address(f"{first}.{second}.2.1")
            closed = any(address in network for network in [*excepted, *documentation])
            assert closed or address.is_global, address


def test_a_pod_without_internet_reaches_only_the_listed_endpoints(with_value: Callable[..., Objects]) -> None:
    egress = {"internet": False, "cidrs": ["10.0.192.0/28", "10.0.192.16/28"]}
    rendered = with_value("runtime.networkPolicy.egress", egress)
    assert not any(reachable(rendered, address, 443) for address in (*CLOSED, *OPEN))
    assert reachable(rendered, "10.0.192.5", 443)
    assert reachable(rendered, "10.0.192.31", 443)
    assert not reachable(rendered, "10.0.192.32", 443)
    assert not reachable(rendered, "10.0.192.5", 80)


def test_listed_endpoints_are_open_next_to_the_internet(with_value: Callable[..., Objects]) -> None:
    rendered = with_value("runtime.networkPolicy.egress.cidrs", ["10.0.192.5/32"])
    assert reachable(rendered, "10.0.192.5", 443)
    assert reachable(rendered, "8.8.8.8", 443)
    assert not reachable(rendered, "10.0.192.6", 443)


@pytest.mark.parametrize("pod_identity", [False, True])
def test_the_pod_identity_agent_is_reached_where_it_gives_the_role(
    render: Render, pod_identity: bool
) -> None:
    rendered = render(top={"global": {**BASE["global"], "podIdentity": pod_identity}}, one={})
    assert reachable(rendered, "169.254.170.23", 80) is pod_identity
    assert not any(reachable(rendered, address, 80) for address in CLOSED if address != "169.254.170.23")
    assert not any(reachable(rendered, address, 443) for address in CLOSED)


AUTO_MODE = {"global": {**BASE["global"], "autoMode": True, "eksVersion": "1.35"}}


@pytest.mark.parametrize("internet", [True, False])
def test_the_dns_servers_of_auto_mode_and_those_of_the_values_are_reached(
    render: Render, internet: bool
) -> None:
    """They are not pods, so the rule for the pods of kube-system does not open them."""
    own = {"internet": internet, "cidrs": ["10.0.192.5/32"], "dnsServers": ["169.254.20.10"]}
    egress = nested("runtime.networkPolicy.egress", own)
    node = nested("karpenter.provisioner.disruption.expireAfter", "336h")
    ordinary, auto = render(one=egress), render(top=AUTO_MODE, one={**egress, **node})
    of_eks = ("10.100.0.10", "172.20.0.10")

    assert [reachable(auto, server, 53) for server in of_eks] == [True, True]
    assert not any(reachable(ordinary, server, 53) for server in of_eks)
    for rendered in (ordinary, auto):
        assert reachable(rendered, "169.254.20.10", 53)
        assert not reachable(rendered, "169.254.20.10", 443)
        assert not any(reachable(rendered, address, 53) for address in CLOSED)
        rules = [r for r in rendered["NetworkPolicy/one"]["spec"]["egress"] if r["ports"][0]["port"] == 53]
        assert all({p["protocol"] for p in rule["ports"]} == {"UDP", "TCP"} for rule in rules)


def test_pod_identity_is_reached_without_internet_too(render: Render) -> None:
    top = {"global": {**BASE["global"], "podIdentity": True}}
    egress = nested("runtime.networkPolicy.egress", {"internet": False, "cidrs": ["10.0.192.5/32"]})
    rendered = render(top=top, one=egress)
    assert reachable(rendered, "169.254.170.23", 80)
    assert not reachable(rendered, "169.254.169.254", 80)


def test_without_the_policy_every_address_is_open(with_value: Callable[..., Objects]) -> None:
    rendered = with_value("runtime.networkPolicy.enabled", False)
    assert reachable(rendered, "10.0.0.1", 443)


def test_gpu_nodes_answer_no_metadata_request_of_a_pod(render: Render) -> None:
    """One hop: the answer to the request for a session token, which is required, does not reach a pod."""
    options = render(one={})["EC2NodeClass/demo-one"]["spec"]["metadataOptions"]
    assert (options["httpTokens"], options["httpPutResponseHopLimit"]) == ("required", 1)
    assert options["httpProtocolIPv6"] == "disabled"
