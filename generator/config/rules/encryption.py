"""Customer managed KMS keys: their region, and what the roles need of them."""

from collections.abc import Iterator

from generator.config.node import ConfigNode
from generator.config.rules.base import WARNING, Case, Finding, agent, rule

# Keys of kmsKeys that every runtime's own role uses.
_OF_RUNTIMES = ("outputs", "messages")


def key_nodes(case: Case) -> Iterator[ConfigNode]:
    """Every ARN in kmsKeys."""
    for node in case.config.at("kmsKeys").entries():
        yield from node.items() if isinstance(node.value, list) else [node]


@rule("SD972")
def keys_are_in_the_region(case: Case) -> Iterator[Finding]:
    """AWS services use KMS keys of their own region only; the buckets of `inputs` may be in another one."""
    inputs = {node.path for node in case.config.at("kmsKeys", "inputs").items()}
    for node in key_nodes(case):
        parts = (node.text() or "").split(":")
        elsewhere = len(parts) == 6 and case.context.region not in (None, parts[3])
        if elsewhere and node.path not in inputs:
            message = f"the key is in {parts[3]}, but the region is {case.context.region}"
            yield Finding(node, message, f"use a key in {case.context.region}")


@rule("SD973", WARNING)
def keys_of_inputs_are_used(case: Case) -> Iterator[Finding]:
    """kmsKeys.inputs is for the buckets of inputBuckets: without any, no role gets the permission."""
    node = case.config.at("kmsKeys", "inputs")
    readers = [runtime for runtime in case.runtimes if agent(runtime).at("inputBuckets").items()]
    if node.items() and not readers:
        yield Finding(node, "no runtime has inputBuckets", "set inputBuckets of a runtime, or remove the key")


@rule("SD974", WARNING)
def own_roles_may_use_the_keys(case: Case) -> Iterator[Finding]:
    """The permissions on KMS keys are in the generated roles: a role of your own needs them too."""
    keys = case.config.at("kmsKeys")
    for runtime in case.runtimes:
        role = runtime.at("extraValues", "runtime", "serviceAccountRoleArn")
        names = [name for name in _OF_RUNTIMES if keys.at(name).text()]
        names += ["inputs"] if keys.at("inputs").items() and agent(runtime).at("inputBuckets").items() else []
        if role.text() and names:
            message = f"your own role needs the keys in kmsKeys.{' and kmsKeys.'.join(names)}"
            help = "allow it kms:Decrypt and, except for inputs, kms:GenerateDataKey on them"
            yield Finding(role, message, help)
