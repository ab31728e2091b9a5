"""What Karpenter refuses in node labels, requirements, taints, selectors and user data."""

from collections.abc import Iterator
from typing import Any

from generator.config.node import ConfigNode
from generator.config.rules.base import WARNING, Case, Finding, node_template, provisioner, rule
from generator.config.rules.forms import NAME_RULE, key_fault, value_fault

# The CEL rules of karpenter.sh_nodepools.yaml v1.8.8; since 1.9 those on kubernetes.io and k8s.io are gone.
_KUBERNETES_LABELS = frozenset(
    {
        *("beta.kubernetes.io/instance-type", "beta.kubernetes.io/os", "beta.kubernetes.io/arch"),
        *("failure-domain.beta.kubernetes.io/region", "failure-domain.beta.kubernetes.io/zone"),
        *("topology.kubernetes.io/region", "topology.kubernetes.io/zone"),
        *("kubernetes.io/arch", "kubernetes.io/os", "node.kubernetes.io/windows-build"),
    }
)
# The labels karpenter.k8s.aws/instance-*.
_INSTANCE_LABELS = frozenset(
    {
        *("category", "family", "generation", "size", "hypervisor", "encryption-in-transit-supported"),
        *(
            "cpu",
            "cpu-manufacturer",
            "cpu-sustained-clock-speed-mhz",
            "memory",
            "local-nvme",
            "capability-flex",
        ),
        *("ebs-bandwidth", "network-bandwidth", "gpu-name", "gpu-manufacturer", "gpu-count", "gpu-memory"),
        *("accelerator-name", "accelerator-manufacturer", "accelerator-count"),
    }
)
_AWS_LABELS = frozenset(
    {"ec2nodeclass", "capacity-reservation-type", "capacity-reservation-id"}
    | {f"instance-{name}" for name in _INSTANCE_LABELS}
)
# Labels whose requirement the chart writes itself, and the key of the config that sets it.
_OWN_REQUIREMENTS = {
    "karpenter.sh/capacity-type": "capacityType",
    "node.kubernetes.io/instance-type": "instanceType",
}
_OWN_TAINTS = ("nvidia.com/gpu", "runtime")
_NUMERIC = ("Gt", "Lt", "Gte", "Lte")


def _minor(case: Case) -> int:
    """The minor version of the Karpenter 1.x that the EKS version brings."""
    eks = case.config.at("eksVersion").text() or ""
    if eks not in case.facts.eks_versions():
        eks = case.facts.eks_versions()[0]
    return int(case.facts.versions(eks).karpenter.split(".")[1])


def label_fault(label: str, minor: int) -> str | None:
    """Why Karpenter 1.`minor` keeps a label for itself."""
    domain, _, name = label.rpartition("/")
    fault = None
    if label in ("karpenter.sh/nodepool", "kubernetes.io/hostname"):
        fault = f"Karpenter sets {label} itself"
    elif domain.endswith("karpenter.k8s.aws"):
        fault = None if name in _AWS_LABELS else f"Karpenter knows no label {label}"
    elif domain.endswith("karpenter.sh"):
        fault = None if name == "capacity-type" else f"karpenter.sh belongs to Karpenter: {label}"
    elif minor < 9 and domain.endswith(("kubernetes.io", "k8s.io")) and not _is_open(label, domain):
        fault = f"Karpenter 1.{minor} refuses labels of {domain}"
    return fault


def _is_open(label: str, domain: str) -> bool:
    open_domains = ("node.kubernetes.io", "node-restriction.kubernetes.io", "kops.k8s.io")
    return label in _KUBERNETES_LABELS or domain.endswith(open_domains)


@rule("SD911")
def node_labels_are_free(case: Case) -> Iterator[Finding]:
    """Node labels of the domains kubernetes.io, k8s.io and karpenter.sh are refused by Karpenter."""
    for runtime in case.runtimes:
        for place in provisioner(runtime).at("labels").entries():
            if fault := label_fault(place.key, _minor(case)):
                yield Finding(place, fault, "use a domain of your own, such as example.com/team", True)


def _requirements(case: Case) -> Iterator[ConfigNode]:
    for runtime in case.runtimes:
        yield from provisioner(runtime).at("extraRequirements").items()


@rule("SD912")
def requirements_name_known_labels(case: Case) -> Iterator[Finding]:
    """extraRequirements use labels that Karpenter lets a NodePool use."""
    for entry in _requirements(case):
        place = entry.at("key")
        key = place.text()
        if key and (fault := key_fault(key)):
            yield Finding(place, f"this is no label: {fault}", f"a name has {NAME_RULE}")
        elif key and key != "node.kubernetes.io/instance-type" and (fault := label_fault(key, _minor(case))):
            help = "see https://karpenter.sh/docs/reference/instance-types/ for the labels there are"
            yield Finding(place, fault, help)


@rule("SD913")
def requirements_are_complete(case: Case) -> Iterator[Finding]:
    """In and NotIn need values, Exists and DoesNotExist have none, Gt, Lt, Gte and Lte one number."""
    for entry in _requirements(case):
        operator, place = entry.at("operator").text(), entry.at("values")
        values = place.words()
        if operator in _NUMERIC and not (len(values) == 1 and values[0].isdecimal()):
            yield Finding(place, f"{operator} needs one whole number", 'write it as text: values: ["22000"]')
        elif operator in ("In", "NotIn") and not values:
            yield Finding(place, f"{operator} without values", "name at least one value")
        elif operator in ("Exists", "DoesNotExist") and values:
            yield Finding(place, f"{operator} takes no values", "remove values")
        least = entry.at("minValues").whole()
        if operator == "In" and least and 0 < len(values) < least:
            what = f"minValues is {least}, but there are {len(values)} values"
            yield Finding(entry.at("minValues"), what, "lower minValues or name more values")
        for item in place.items():
            if fault := value_fault(item.text() or ""):
                yield Finding(item, fault, f"a value has {NAME_RULE}")


@rule("SD914")
def operators_are_known_to_this_karpenter(case: Case) -> Iterator[Finding]:
    """The operators Gte and Lte came with Karpenter 1.9."""
    for entry in _requirements(case):
        place = entry.at("operator")
        if place.text() in ("Gte", "Lte") and _minor(case) < 9:
            other = {"Gte": "Gt with a number one lower", "Lte": "Lt with a number one higher"}[place.value]
            yield Finding(place, f"Karpenter 1.{_minor(case)} does not know {place.value}", f"use {other}")


@rule("SD915", WARNING)
def requirements_do_not_repeat_keys(case: Case) -> Iterator[Finding]:
    """Capacity types and instance types have keys of their own; a second requirement narrows them unseen."""
    for entry in _requirements(case):
        place = entry.at("key")
        if own := _OWN_REQUIREMENTS.get(place.text() or ""):
            what = f"this narrows what {own} already says; where the two share nothing, no node can start"
            yield Finding(place, what, f"say it with {own}")


@rule("SD916")
def architecture_is_x86(case: Case) -> Iterator[Finding]:
    """The chart asks for x86 nodes, so a requirement for another architecture leaves none."""
    for entry in _requirements(case):
        arch = entry.at("key").text() in ("kubernetes.io/arch", "beta.kubernetes.io/arch")
        if arch and entry.at("operator").text() == "In" and "amd64" not in entry.at("values").words():
            yield Finding(entry.at("values"), "the images are for x86 processors", 'write values: ["amd64"]')


@rule("SD917")
def taints_are_taints(case: Case) -> Iterator[Finding]:
    """Taints have the form that Kubernetes asks for, and none is there twice."""
    for runtime in case.runtimes:
        seen = {(key, "NoSchedule") for key in _OWN_TAINTS}
        for taint in provisioner(runtime).at("extraTaints").items():
            key, value, effect = (taint.at(name).text() or "" for name in ("key", "value", "effect"))
            if key and (fault := key_fault(key)):
                yield Finding(
                    taint.at("key"), f"Kubernetes refuses this taint: {fault}", f"a name has {NAME_RULE}"
                )
            if fault := value_fault(value):
                yield Finding(
                    taint.at("value"), f"Kubernetes refuses this taint: {fault}", f"a value has {NAME_RULE}"
                )
            if (key, effect) in seen:
                yield Finding(
                    taint, f"the nodes already have a taint {key} with {effect}", "remove one of them"
                )
            seen.add((key, effect))


@rule("SD918")
def selectors_select(case: Case) -> Iterator[Finding]:
    """Selectors of subnets and security groups have at most 20 tags, none of them empty."""
    for runtime in case.runtimes:
        for name in ("securityGroupSelector", "subnetSelector"):
            selector = node_template(runtime).at(name)
            if len(selector.entries()) > 20:
                yield Finding(selector, f"{len(selector.entries())} tags", "20 are the most", True)
            for place in selector.entries():
                if not place.key or place.value == "":
                    yield Finding(
                        place, "Karpenter refuses a tag without name or value", "fill it in, or remove it"
                    )


@rule("SD919")
def user_data_is_toml(case: Case) -> Iterator[Finding]:
    """userData is TOML: Bottlerocket's settings. A node with text that is none never joins."""
    for runtime in case.runtimes:
        place = node_template(runtime).at("userData")
        if isinstance(read := _toml(place), str):
            yield Finding(
                place, f"this is no TOML: {read}", "write Bottlerocket settings, such as [settings.kernel]"
            )


@rule("SD920", WARNING)
def user_data_leaves_karpenters_part(case: Case) -> Iterator[Finding]:
    """Karpenter writes the cluster's settings and mounts the NVMe disks itself: user data should not."""
    own = ("cluster-name", "api-server", "cluster-certificate", "node-taints")
    for runtime in case.runtimes:
        place = node_template(runtime).at("userData")
        read = _toml(place)
        settings = read.get("settings", {}) if isinstance(read, dict) else {}
        for key in [key for key in own if key in settings.get("kubernetes", {})]:
            yield Finding(place, f"Karpenter overwrites settings.kubernetes.{key}", "remove it")
        raid = node_template(runtime).at("instanceStorePolicy").text() == "RAID0"
        if raid and "ephemeral-storage" in str(settings.get("bootstrap-commands", "")):
            what = (
                "instanceStorePolicy RAID0 sets up the NVMe disks already; done twice, the node may not boot"
            )
            yield Finding(place, what, "remove these bootstrap-commands")


def _toml(place: ConfigNode) -> dict[str, Any] | str | None:
    """The settings, or why they are no TOML."""
    if not (text := place.text()):
        return None
    import tomllib  # noqa: PLC0415 - few configs have user data

    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        return str(error)
