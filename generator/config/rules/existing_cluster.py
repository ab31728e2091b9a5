"""A cluster that exists already, and what nodes of EKS Auto Mode cannot have."""

import re
from collections.abc import Iterator

from generator.config.node import ConfigNode
from generator.config.rules.base import WARNING, Case, Finding, agent, node_template, provisioner, rule
from generator.config.rules.nodes import listed
from generator.facts import versions
from generator.facts.auto_mode import AutoMode
from generator.facts.instance_types import AUTO_MODE_PREFIX, KARPENTER_PREFIX
from generator.solution import limits

_SECONDS = {"s": 1, "m": 60, "h": 3600}
_LIST = "https://docs.aws.amazon.com/eks/latest/userguide/automode-learn-instances.html"


@rule("SD966")
def nodes_have_a_role(case: Case) -> Iterator[Finding]:
    """In an existing cluster, nodes need a role that can join it: existingCluster.nodeRole or iamRole."""
    if not case.has_cluster or case.cluster.at("nodeRole").text():
        return
    without = [one for one in case.runtimes if not node_template(one).at("iamRole").text()]
    if without:
        listed_names = ", ".join(runtime.at("name").text() or "?" for runtime in without)
        message = f"the nodes of {listed_names} have no IAM role"
        help = "set nodeRole to the role of the cluster's Karpenter nodes, or iamRole of each runtime"
        yield Finding(case.cluster, message, help, on_key=True)


@rule("SD967")
def auto_mode_has_the_keys(case: Case) -> Iterator[Finding]:
    """EKS Auto Mode chooses operating system, system volume and labels of nodes, and when they end."""
    if not case.auto_mode:
        return
    facts = case.facts.auto_mode
    if versions.minor(case.eks) < versions.minor(facts.first_eks):
        node = case.config.at("eksVersion")
        message = f"EKS Auto Mode needs EKS {facts.first_eks} or later"
        yield Finding(node, message, "set eksVersion to the version of the cluster")
    for runtime in case.runtimes:
        yield from _absent(node_template(runtime), facts)
        yield from _volume(node_template(runtime).at("dataVolume"), facts)
        yield from _labels(provisioner(runtime), facts)
        yield from _tags(node_template(runtime).at("tags"), facts)
        yield from _lifetime(runtime, facts)
    yield from _tags(case.config.at("tags"), facts)


def _absent(template: ConfigNode, facts: AutoMode) -> Iterator[Finding]:
    """What a NodeClass does not have."""
    for key in facts.absent:
        if template.at(key).value:
            message = "on EKS Auto Mode, AWS chooses the operating system and its volume"
            yield Finding(template.at(key), message, "remove it", on_key=True)
    if template.at("instanceStorePolicy").text() == "None":
        message = "EKS Auto Mode always uses the NVMe disks of an instance"
        yield Finding(template.at("instanceStorePolicy"), message, "remove it")
    for term in template.at("capacityReservationSelectorTerms").items():
        if term.at("instanceMatchCriteria").text():
            message = "EKS Auto Mode selects reservations by id or by tags"
            yield Finding(term.at("instanceMatchCriteria"), message, "remove it, and set id or tags")


def _volume(volume: ConfigNode, facts: AutoMode) -> Iterator[Finding]:
    for key in facts.absent_of_volume:
        if volume.at(key).value:
            yield Finding(volume.at(key), "volumes of EKS Auto Mode have no snapshot", "remove it")
    if volume.at("volumeType").text() not in (None, "gp3"):
        yield Finding(volume.at("volumeType"), "volumes of EKS Auto Mode are gp3", "remove it")
    if volume.at("deleteOnTermination").flag() is False:
        message = "EKS Auto Mode deletes the volumes of a node with it"
        yield Finding(volume.at("deleteOnTermination"), message, "remove it")
    for key, (least, most) in facts.ranges.items():
        value = volume.at(key).whole()
        if value and not least <= value <= most:
            yield Finding(volume.at(key), f"EKS Auto Mode accepts {least} to {most}", f"change {value}")


def _labels(pool: ConfigNode, facts: AutoMode) -> Iterator[Finding]:
    """Labels and requirements that no node meets."""
    given = [(node, node.key, True) for node in pool.at("labels").entries()]
    given += [
        (item.at("key"), item.at("key").text() or "", False) for item in pool.at("extraRequirements").items()
    ]
    for node, key, on_key in given:
        if facts.has_label(key):
            continue
        own = key.removeprefix(KARPENTER_PREFIX)
        help = "remove it"
        if key.startswith(KARPENTER_PREFIX) and own in facts.labels:
            help = f"use {AUTO_MODE_PREFIX}{own}"
        yield Finding(node, f"nodes of EKS Auto Mode do not have the label {key}", help, on_key)


def _tags(tags: ConfigNode, facts: AutoMode) -> Iterator[Finding]:
    for node in tags.entries():
        if node.key in facts.forbidden_tags:
            message = f"{node.key} is reserved by EKS Auto Mode"
            yield Finding(node, message, "choose another key", on_key=True)


def _lifetime(runtime: ConfigNode, facts: AutoMode) -> Iterator[Finding]:
    """The API server rejects a NodePool whose nodes may live, with the time to drain, above the limit."""
    node = provisioner(runtime).at("disruption", "expireAfter")
    drain = (agent(runtime).at("taskTimeoutSeconds").whole() or 0) + limits.DRAIN_SECONDS
    if not node.given or (text := node.text()) is None:
        return
    seconds = sum(int(number) * _SECONDS[unit] for number, unit in re.findall(r"([0-9]+)([smh])", text))
    if text == "Never" or seconds + drain > facts.max_lifetime_hours * 3600:
        message = f"with the {drain} s to drain, a node may live for {facts.max_lifetime_hours}h"
        yield Finding(node, message, f"lower it, or remove it: the default is {facts.expire_after}")


@rule("SD968", WARNING)
def keys_have_an_effect_in_an_existing_cluster(case: Case) -> Iterator[Finding]:
    """clusterComponents and kmsKeys.secrets describe a cluster that a deployment creates."""
    if not case.has_cluster:
        return
    for node in (case.config.at("clusterComponents"), case.config.at("kmsKeys", "secrets")):
        if node.given and node.value:
            message = "it has no effect: the cluster exists already"
            yield Finding(node, message, "remove it", on_key=True)


@rule("SD969", WARNING)
def auto_mode_may_start_the_nodes(case: Case) -> Iterator[Finding]:
    """EKS Auto Mode needs permission for tags on nodes, and starts only instance types that it supports."""
    if not case.auto_mode:
        return
    for tags in (case.config.at("tags"), *(node_template(runtime).at("tags") for runtime in case.runtimes)):
        if tags.entries():
            message = "no node starts while the IAM role of the cluster may not set these tags"
            help = "give it the permissions of docs/existing-cluster.md, or remove the tags"
            yield Finding(tags, message, help, on_key=True)
    for pool in case.pools:
        for node, kind in listed(pool, case):
            if kind.gpus and kind.family not in case.facts.auto_mode.families:
                message = f"AWS's list of instance types for EKS Auto Mode did not have {kind.family}"
                yield Finding(node, message, f"see {_LIST}")
