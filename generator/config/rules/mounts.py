"""The mount of the model bucket: its options, and how long it lasts while a node is drained."""

from collections.abc import Iterator

from generator.config.node import ConfigNode
from generator.config.rules.base import WARNING, Case, Finding, agent, rule
from generator.config.rules.volumes import claims
from generator.facts.versions import CSI_POD_GRACE_SECONDS
from generator.solution.limits import STORE_SECONDS


def _mounts(case: Case) -> Iterator[tuple[ConfigNode, ConfigNode]]:
    """Each runtime whose models are mounted from a bucket, and the settings of the mount."""
    for runtime in case.runtimes:
        for models in claims([runtime]):
            if models.at("s3", "enabled").flag() is not False:
                yield runtime, models.at("s3")


@rule("SD986")
def mount_options_are_of_mountpoint(case: Case) -> Iterator[Finding]:
    """mountOptions takes options of Mountpoint for S3 that suit a read-only mount and are not set already."""
    region = case.facts.region(case.context.region or "")
    for _, mount in _mounts(case):
        items = mount.at("mountOptions").items()
        if not all(isinstance(item.value, str) for item in items):
            continue  # the schema reports it
        texts = [str(item.value) for item in items]
        for fault in case.facts.mount_options.faults(texts, case.eks, region.partition if region else None):
            yield Finding(items[fault.index], fault.message, fault.help)


@rule("SD987", WARNING)
def long_tasks_outlive_a_drain(case: Case) -> Iterator[Finding]:
    """In EKS 1.29 and later, `kubectl drain` ends the mounts of a node 600 seconds after it begins."""
    if not case.facts.versions(case.eks).csi_has_pods:
        return
    for runtime, _ in _mounts(case):
        node = agent(runtime).at("taskTimeoutSeconds")
        seconds = node.whole()
        if node.given and seconds is not None and seconds + STORE_SECONDS > CSI_POD_GRACE_SECONDS:
            message = (
                f"a task may run for {seconds} seconds; `kubectl drain` ends the mount of its models "
                f"after {CSI_POD_GRACE_SECONDS}"
            )
            help = (
                "drain GPU nodes by deleting their NodeClaim: Karpenter ends the mounts after the tasks; "
                f"or set {CSI_POD_GRACE_SECONDS - STORE_SECONDS} or less"
            )
            yield Finding(node, message, help)
