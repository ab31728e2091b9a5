"""What Karpenter rejects in node labels, requirements, taints and selectors."""

import re
from collections.abc import Iterator

from generator.config.node import ConfigNode
from generator.config.rules.base import WARNING, Case, Finding, node_template, provisioner, rule
from generator.config.rules.forms import NAME_RULE, key_fault, value_fault

# Labels whose requirement the chart writes -> the config key that sets it.
_OWN_REQUIREMENTS = {
    "karpenter.sh/capacity-type": "capacityType",
    "node.kubernetes.io/instance-type": "instanceType",
}
# Source: maxProperties of spec.template.metadata.labels in the NodePool CRD, v1.8.8 and v1.14.1.
MAX_LABELS = 100
# The tags of one selector or of one term. Source: maxProperties in the EC2NodeClass CRD, v1.8.8 and v1.14.1.
MAX_SELECTOR_TAGS = 20
_NUMERIC = ("Gt", "Lt", "Gte", "Lte")
# Karpenter reads it as a signed 64-bit integer.
_INTEGER = re.compile(r"[0-9]{1,18}")


def _release(case: Case) -> str:
    """The Karpenter release of the EKS version, without its patch number: `1.14`."""
    return case.facts.versions(case.eks).karpenter.rpartition(".")[0]


def label_fault(label: str, case: Case) -> str | None:
    """Why Karpenter rejects a label or the key of a requirement; None when it is allowed."""
    rules = case.node_rules
    if label in rules.forbidden_labels:
        return f"Karpenter sets {label} itself"
    if domain := rules.reserved_domain(label):
        return f"Karpenter {_release(case)} does not allow the label {label}: {domain} is reserved"
    return None


@rule("SD911")
def node_labels_are_allowed(case: Case) -> Iterator[Finding]:
    """Node labels, at most 100, must not be of a domain that Karpenter reserves, such as karpenter.sh."""
    for runtime in case.runtimes:
        labels = provisioner(runtime).at("labels")
        if len(labels.entries()) > MAX_LABELS:
            message = f"{len(labels.entries())} labels; Karpenter accepts {MAX_LABELS}"
            yield Finding(labels, message, "remove some", True)
        for node in labels.entries():
            if fault := label_fault(node.key, case):
                yield Finding(node, fault, "use your own domain, such as example.com/team", True)


def _requirements(case: Case) -> Iterator[ConfigNode]:
    for runtime in case.runtimes:
        yield from provisioner(runtime).at("extraRequirements").items()


@rule("SD912")
def requirement_keys_are_allowed(case: Case) -> Iterator[Finding]:
    """The keys of extraRequirements must be labels that Karpenter allows in a NodePool."""
    for entry in _requirements(case):
        node = entry.at("key")
        if not isinstance(key := node.value, str):
            continue
        if fault := key_fault(key):
            yield Finding(node, f"not a valid label: {fault}", f"a name has {NAME_RULE}")
        elif fault := label_fault(key, case):
            help = "see https://karpenter.sh/docs/reference/instance-types/ for the labels of instance types"
            yield Finding(node, fault, help)


@rule("SD913")
def requirements_are_complete(case: Case) -> Iterator[Finding]:
    """In and NotIn need values, Exists and DoesNotExist take none, Gt, Lt, Gte and Lte take one number."""
    for entry in _requirements(case):
        operator, node = entry.at("operator").text(), entry.at("values")
        values = node.words()
        if operator in _NUMERIC and not (len(values) == 1 and _INTEGER.fullmatch(values[0])):
            yield Finding(node, f"{operator} takes one integer", 'write it in quotes: values: ["22000"]')
        elif operator in ("In", "NotIn") and not values:
            yield Finding(node, f"{operator} needs values", "add at least one value")
        elif operator in ("Exists", "DoesNotExist") and values:
            yield Finding(node, f"{operator} takes no values", "remove values")
        minimum = entry.at("minValues").whole()
        if operator == "In" and minimum and 0 < len(values) < minimum:
            message = f"minValues is {minimum}, but there are {len(values)} values"
            yield Finding(entry.at("minValues"), message, "lower minValues or add values")
        for item in node.items():
            if fault := value_fault(item.text() or ""):
                yield Finding(item, fault, f"a value has {NAME_RULE}")


@rule("SD914")
def operators_are_supported(case: Case) -> Iterator[Finding]:
    """The operators Gte and Lte need Karpenter 1.9 or later."""
    for entry in _requirements(case):
        node = entry.at("operator")
        instead = {"Gte": "Gt with the number minus 1", "Lte": "Lt with the number plus 1"}.get(
            node.text() or ""
        )
        if instead and node.value not in case.node_rules.operators:
            message = f"Karpenter {_release(case)} does not support the operator {node.value}"
            yield Finding(node, message, f"use {instead}")


@rule("SD915", WARNING)
def requirements_do_not_repeat_keys(case: Case) -> Iterator[Finding]:
    """Capacity and instance types have their own keys; a second requirement restricts them further."""
    for entry in _requirements(case):
        node = entry.at("key")
        if key := _OWN_REQUIREMENTS.get(node.text() or ""):
            message = f"this restricts {key} further; if the two have no value in common, no node can start"
            yield Finding(node, message, f"use {key} instead")


@rule("SD917")
def taints_are_valid_and_unique(case: Case) -> Iterator[Finding]:
    """Taints must be valid in Kubernetes and unique."""
    for runtime in case.runtimes:
        seen = {(key, "NoSchedule") for key in case.facts.reserved.node_taints}
        for taint in provisioner(runtime).at("extraTaints").items():
            key, value, effect = (taint.at(name).text() or "" for name in ("key", "value", "effect"))
            if fault := key_fault(key):
                yield Finding(
                    taint.at("key"), f"Kubernetes rejects this taint: {fault}", f"a name has {NAME_RULE}"
                )
            if fault := value_fault(value):
                yield Finding(
                    taint.at("value"), f"Kubernetes rejects this taint: {fault}", f"a value has {NAME_RULE}"
                )
            if (key, effect) in seen:
                yield Finding(
                    taint, f"the nodes already have a taint {key} with {effect}", "remove one of them"
                )
            seen.add((key, effect))


@rule("SD918")
def selectors_are_valid(case: Case) -> Iterator[Finding]:
    """Selectors of subnets and security groups have at most 20 tags, all with key and value."""
    for runtime in case.runtimes:
        for name in ("securityGroupSelector", "subnetSelector"):
            selector = node_template(runtime).at(name)
            if len(selector.entries()) > MAX_SELECTOR_TAGS:
                help = f"the maximum is {MAX_SELECTOR_TAGS}"
                yield Finding(selector, f"{len(selector.entries())} tags", help, True)
            for node in selector.entries():
                if not node.key or node.value == "":
                    yield Finding(
                        node, "Karpenter rejects a tag without key or value", "set both, or remove the tag"
                    )


@rule("SD970")
def reservations_are_selected(case: Case) -> Iterator[Finding]:
    """A term of capacityReservationSelectorTerms has either id, or tags or instanceMatchCriteria."""
    for runtime in case.runtimes:
        for term in node_template(runtime).at("capacityReservationSelectorTerms").items():
            given = [key for key in ("tags", "ownerID", "instanceMatchCriteria") if term.at(key).given]
            if term.at("id").given and given:
                yield Finding(term, f"id cannot be combined with {given[0]}", "remove one of them")
            elif not term.at("id").given and not set(given) - {"ownerID"}:
                yield Finding(term, "the term selects nothing", "set id, tags or instanceMatchCriteria")
            yield from _tags_of_a_term(term.at("tags"))


def _tags_of_a_term(tags: ConfigNode) -> Iterator[Finding]:
    if tags.given and not tags.entries():
        yield Finding(tags, "the term selects nothing: it has no tag", "add a tag, or remove tags")
    if len(tags.entries()) > MAX_SELECTOR_TAGS:
        message = f"{len(tags.entries())} tags; Karpenter accepts {MAX_SELECTOR_TAGS}"
        yield Finding(tags, message, "remove some", True)
    for node in tags.entries():
        if not node.key or node.value == "":
            help = "set both, `*` for any value, or remove the tag"
            yield Finding(node, "Karpenter rejects a tag without key or value", help)
