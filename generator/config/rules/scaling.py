"""How many pods there are, and when they go."""

from collections.abc import Iterator

from generator.config.node import ConfigNode
from generator.config.rules.base import WARNING, Case, Finding, inference, provisioner, rule
from generator.facts.quantity import parse

# Limits of HorizontalPodAutoscalerBehavior.
# https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/horizontal-pod-autoscaler-v2/
MAX_WINDOW_SECONDS = 3600
MAX_PERIOD_SECONDS = 1800


def _scaling(runtime: ConfigNode) -> ConfigNode:
    return runtime.at("extraValues", "runtime", "scaling")


@rule("SD401")
def minimum_is_not_above_maximum(case: Case) -> Iterator[Finding]:
    """minReplicaCount cannot be above maxReplicaCount."""
    for runtime in case.runtimes:
        least, most = _scaling(runtime).at("minReplicaCount"), _scaling(runtime).at("maxReplicaCount")
        low, high = least.whole(), most.whole()
        if low is not None and high is not None and low > high:
            what = f"minReplicaCount is {low}, above maxReplicaCount, which is {high}"
            yield Finding(
                least if least.given else most, what, "lower minReplicaCount or raise maxReplicaCount"
            )


@rule("SD402", WARNING)
def running_tasks_count(case: Case) -> Iterator[Finding]:
    """With scaleOnInFlight: false the queue looks empty while tasks run, and their pods are stopped."""
    for runtime in case.runtimes:
        place = _scaling(runtime).at("scaleOnInFlight")
        if place.flag() is False:
            what = (
                "the queue will look empty while tasks run, and their pods are stopped after cooldownPeriod"
            )
            yield Finding(place, what, "remove the key")


@rule("SD403", WARNING)
def scaling_is_on(case: Case) -> Iterator[Finding]:
    """With scaling.enabled: false one pod, and so one GPU node, runs all the time."""
    for runtime in case.runtimes:
        place = _scaling(runtime).at("enabled")
        if place.flag() is False:
            what = "one pod, and so one GPU node, will run and be paid for all the time"
            yield Finding(
                place, what, "remove the key, and set minReplicaCount: 1 if one pod must always be there"
            )


@rule("SD404", WARNING)
def some_pod_may_run(case: Case) -> Iterator[Finding]:
    """With maxReplicaCount: 0 no task of the runtime ever runs."""
    for runtime in case.runtimes:
        place = _scaling(runtime).at("maxReplicaCount")
        if place.whole() == 0:
            yield Finding(place, "no task of this runtime will ever run", "set 1 or more")


@rule("SD405", WARNING)
def limits_leave_room_for_all_pods(case: Case) -> Iterator[Finding]:
    """The GPU limit of the nodes should leave room for maxReplicaCount pods: the rest would wait unseen."""
    for runtime in case.runtimes:
        most = _scaling(runtime).at("maxReplicaCount")
        limit = provisioner(runtime).at("resourceLimits", "nvidia.com/gpu")
        pods, gpus = most.whole(), parse(limit.value)
        each = parse(inference(runtime).at("resources", "limits", "nvidia.com/gpu").value)
        if pods and gpus is not None and each and pods * each > gpus:
            what = f"{pods} pods need {pods * each:f} GPUs, and resourceLimits allows {gpus:f}"
            yield Finding(limit if limit.given else most, what, "raise the limit or lower maxReplicaCount")


@rule("SD406")
def hpa_behavior_is_one(case: Case) -> Iterator[Finding]:
    """extraHPAConfig is the behavior of a HorizontalPodAutoscaler: scaleUp and scaleDown."""
    for runtime in case.runtimes:
        for side in _scaling(runtime).at("extraHPAConfig").entries():
            if side.key not in ("scaleUp", "scaleDown"):
                yield Finding(
                    side, f"{side.key!r} is no part of a behavior", "use scaleUp and scaleDown", True
                )
            elif not isinstance(side.value, dict):
                yield Finding(
                    side, "not keys and values", "give stabilizationWindowSeconds, selectPolicy or policies"
                )
            else:
                yield from _behavior(side)


def _behavior(side: ConfigNode) -> Iterator[Finding]:
    known = ("stabilizationWindowSeconds", "selectPolicy", "policies", "tolerance")
    for place in side.entries():
        if place.key not in known:
            yield Finding(
                place, f"{place.key!r} is not known to Kubernetes", f"use {', '.join(known[:3])}", True
            )
    window = side.at("stabilizationWindowSeconds")
    seconds = window.whole()
    if window.given and (seconds is None or not 0 <= seconds <= MAX_WINDOW_SECONDS):
        yield Finding(
            window, "not a number of seconds", f"write a whole number from 0 to {MAX_WINDOW_SECONDS}"
        )
    policy = side.at("selectPolicy")
    if policy.given and policy.value not in ("Max", "Min", "Disabled"):
        yield Finding(policy, f"{policy.value!r} is no policy", "write Max, Min or Disabled")
    for entry in side.at("policies").items():
        yield from _policy(entry)


def _policy(entry: ConfigNode) -> Iterator[Finding]:
    fields = {field.key: field.value for field in entry.entries()}
    count, seconds = fields.get("value"), fields.get("periodSeconds")
    fits = (
        set(fields) == {"type", "value", "periodSeconds"}
        and fields["type"] in ("Pods", "Percent")
        and isinstance(count, int)
        and count > 0
        and isinstance(seconds, int)
        and 0 < seconds <= MAX_PERIOD_SECONDS
    )
    if not fits:
        help = f"write type (Pods or Percent), value (from 1) and periodSeconds (1 to {MAX_PERIOD_SECONDS})"
        yield Finding(entry, "Kubernetes would refuse this policy", help)
