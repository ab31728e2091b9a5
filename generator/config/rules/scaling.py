"""Scaling: number of pods, limits, and the HPA's behavior."""

from collections.abc import Iterator

from generator.config.node import ConfigNode
from generator.config.rules.base import WARNING, Case, Finding, provisioner, rule
from generator.facts.quantity import parse
from generator.facts.versions import parse as parse_version

# Limits of HorizontalPodAutoscalerBehavior.
# https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/horizontal-pod-autoscaler-v2/
MAX_WINDOW_SECONDS = 3600
MAX_PERIOD_SECONDS = 1800
MAX_INT32 = 2**31 - 1
# The EKS version from which Kubernetes has tolerance on by default; the CRD of an older KEDA rejects it.
# https://kubernetes.io/docs/tasks/run-application/horizontal-pod-autoscale/#tolerance
TOLERANCE_SINCE = (1, 35)


def _scaling(runtime: ConfigNode) -> ConfigNode:
    return runtime.at("extraValues", "runtime", "scaling")


@rule("SD401")
def minimum_is_not_above_maximum(case: Case) -> Iterator[Finding]:
    """minReplicaCount cannot be above maxReplicaCount."""
    for runtime in case.runtimes:
        minimum, maximum = _scaling(runtime).at("minReplicaCount"), _scaling(runtime).at("maxReplicaCount")
        low, high = minimum.whole(), maximum.whole()
        if low is not None and high is not None and low > high:
            message = f"minReplicaCount {low} is above maxReplicaCount {high}"
            yield Finding(
                minimum if minimum.given else maximum,
                message,
                "lower minReplicaCount or raise maxReplicaCount",
            )


@rule("SD402", WARNING)
def running_tasks_are_counted(case: Case) -> Iterator[Finding]:
    """With scaleOnInFlight: false, the queue looks empty while tasks run, and KEDA stops their pods."""
    for runtime in case.runtimes:
        node = _scaling(runtime).at("scaleOnInFlight")
        if node.flag() is False:
            message = "the queue looks empty while tasks run, and KEDA stops their pods after cooldownPeriod"
            yield Finding(node, message, "remove the key")


@rule("SD403", WARNING)
def scaling_is_on(case: Case) -> Iterator[Finding]:
    """With scaling.enabled: false, one pod and its GPU node run all the time."""
    for runtime in case.runtimes:
        node = _scaling(runtime).at("enabled")
        if node.flag() is False:
            message = "one pod and its GPU node run, and cost money, all the time"
            yield Finding(node, message, "remove the key; set minReplicaCount: 1 to keep one pod running")


@rule("SD404")
def at_least_one_pod_may_run(case: Case) -> Iterator[Finding]:
    """maxReplicaCount must be at least 1: the HPA rejects 0, and no task of the runtime would ever run."""
    for runtime in case.runtimes:
        scaling = _scaling(runtime)
        if scaling.at("enabled").flag() is not False and scaling.at("maxReplicaCount").whole() == 0:
            message = "no task of this runtime would ever run, and the HPA rejects 0"
            help = "set 1 or more; to stop a runtime, remove its entry"
            yield Finding(scaling.at("maxReplicaCount"), message, help)


@rule("SD405", WARNING)
def limits_leave_room_for_all_pods(case: Case) -> Iterator[Finding]:
    """resourceLimits should allow maxReplicaCount pods: the others would stay pending."""
    for pool in case.pools:
        maximum = _scaling(pool.runtime).at("maxReplicaCount")
        limit = provisioner(pool.runtime).at("resourceLimits", "nvidia.com/gpu")
        pods, gpus = maximum.whole(), parse(limit.value)
        if pods and gpus is not None and pods * pool.pod.gpus > gpus:
            message = f"{pods} pods need {pods * pool.pod.gpus} GPUs; resourceLimits allows {gpus:f}"
            yield Finding(
                limit if limit.given else maximum, message, "raise the limit or lower maxReplicaCount"
            )


@rule("SD406")
def hpa_behavior_is_valid(case: Case) -> Iterator[Finding]:
    """extraHPAConfig must be a valid behavior of a HorizontalPodAutoscaler: scaleUp and scaleDown."""
    for runtime in case.runtimes:
        for side in _scaling(runtime).at("extraHPAConfig").entries():
            if side.key not in ("scaleUp", "scaleDown"):
                yield Finding(
                    side, f"{side.key!r} is not a field of behavior", "use scaleUp and scaleDown", True
                )
            elif not isinstance(side.value, dict):
                yield Finding(
                    side, "not keys and values", "set stabilizationWindowSeconds, selectPolicy or policies"
                )
            else:
                yield from _behavior(side, parse_version(case.eks))


def _behavior(side: ConfigNode, eks: tuple[int, ...]) -> Iterator[Finding]:
    fields = ("stabilizationWindowSeconds", "selectPolicy", "policies")
    for node in side.entries():
        if node.key == "tolerance" and eks < TOLERANCE_SINCE:
            yield Finding(node, "EKS versions before 1.35 have no tolerance", "remove it", True)
        elif node.key not in (*fields, "tolerance"):
            message = f"{node.key!r} is not a field that Kubernetes knows"
            yield Finding(node, message, f"use {', '.join(fields)}", True)
    window = side.at("stabilizationWindowSeconds")
    seconds = window.whole()
    if window.given and (seconds is None or not 0 <= seconds <= MAX_WINDOW_SECONDS):
        yield Finding(window, "not a number of seconds", f"write an integer from 0 to {MAX_WINDOW_SECONDS}")
    policy = side.at("selectPolicy")
    if policy.given and policy.value not in ("Max", "Min", "Disabled"):
        yield Finding(policy, f"{policy.value!r} is not a valid selectPolicy", "write Max, Min or Disabled")
    for entry in side.at("policies").items():
        yield from _policy(entry)


def _policy(entry: ConfigNode) -> Iterator[Finding]:
    fields = {field.key: field.value for field in entry.entries()}
    count, seconds = fields.get("value"), fields.get("periodSeconds")
    valid = (
        set(fields) == {"type", "value", "periodSeconds"}
        and fields["type"] in ("Pods", "Percent")
        and _between(count, 1, MAX_INT32)
        and _between(seconds, 1, MAX_PERIOD_SECONDS)
    )
    if not valid:
        help = f"write type (Pods or Percent), value (from 1) and periodSeconds (1 to {MAX_PERIOD_SECONDS})"
        yield Finding(entry, "Kubernetes rejects this policy", help)


def _between(value: object, low: int, high: int) -> bool:
    """Whether a value is an integer within limits; a boolean is none."""
    return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high
