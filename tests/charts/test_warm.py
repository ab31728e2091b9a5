"""Pods and placeholders that are kept warm at certain hours."""

from typing import Any

import pytest

from .conftest import Object, Objects, Render, Values, merged, nested

WARM = "runtime.scaling.warm"
DAY = {"timezone": "Europe/Berlin", "start": "0 8 * * 1-5", "end": "0 18 * * 1-5"}
NIGHT = {"start": "0 22 * * *", "end": "0 6 * * *"}


def warm(*entries: Values, **more: Any) -> Values:
    return merged(nested(WARM, list(entries)), more)


def triggers(rendered: Objects, name: str) -> list[Values]:
    return [
        trigger["metadata"]
        for trigger in rendered[f"ScaledObject/{name}"]["spec"]["triggers"]
        if trigger["type"] == "cron"
    ]


def underutilized(rendered: Objects, pool: str) -> list[str]:
    budgets = rendered[f"NodePool/{pool}"]["spec"]["disruption"]["budgets"]
    return [budget["nodes"] for budget in budgets if "Underutilized" in budget["reasons"]]


def test_warm_pods_are_triggers_next_to_the_queue(render: Render) -> None:
    rendered = render(one=warm({"pods": 2, **DAY}, {"pods": 1, **NIGHT}))

    assert rendered["ScaledObject/one"]["spec"]["triggers"][0]["type"] == "aws-sqs-queue"
    assert triggers(rendered, "one") == [
        {**DAY, "desiredReplicas": "2"},
        {"timezone": "UTC", **NIGHT, "desiredReplicas": "1"},
    ]
    assert "Deployment/one-placeholder" not in rendered


def test_placeholders_have_hours_of_their_own(render: Render) -> None:
    rendered = render(one=warm({"nodes": 1}, {"nodes": 3, **DAY}, {"pods": 1, **NIGHT}))
    spec = rendered["ScaledObject/one-placeholder"]["spec"]

    assert triggers(rendered, "one-placeholder") == [{**DAY, "desiredReplicas": "3"}]
    assert triggers(rendered, "one") == [{"timezone": "UTC", **NIGHT, "desiredReplicas": "1"}]
    assert (spec["minReplicaCount"], spec["maxReplicaCount"]) == (1, 3)
    assert "replicas" not in rendered["Deployment/one-placeholder"]["spec"]


def test_placeholders_without_hours_need_no_keda(render: Render) -> None:
    rendered = render(one=warm({"nodes": 2}))

    assert rendered["Deployment/one-placeholder"]["spec"]["replicas"] == 2
    assert "ScaledObject/one-placeholder" not in rendered


@pytest.fixture(scope="module")
def placeholder(render: Render) -> tuple[Object, Object]:
    """The pod of a placeholder, and the runtime's own, with everything that a pod can have."""
    taints = [{"key": "team", "value": "art", "effect": "NoSchedule"}]
    rendered = render(
        one=warm(
            {"nodes": 1},
            karpenter={"provisioner": {"extraTaints": taints}},
            runtime={
                "scaling": {"warm": [{"nodes": 1}]},
                "queueAgent": {"xray": {"enabled": True}},
                "models": {"load": "direct"},
            },
        )
    )
    return rendered.pod("one-placeholder"), rendered.pod("one")


def test_a_placeholder_has_the_images_and_the_resources_of_a_pod(placeholder: tuple[Object, Object]) -> None:
    """Except the image of the trace collector, which has only the collector: no `sleep`."""
    kept, pod = placeholder

    def parts(spec: Object, key: str) -> dict[str, Any]:
        return {one["name"]: one[key] for one in spec["containers"]}

    images = parts(pod, "image")
    assert parts(kept, "resources") == parts(pod, "resources")
    assert parts(kept, "image") == {**images, "trace-collector": images["queue-agent"]}
    assert len(kept["containers"]) == 4
    assert {tuple(one["command"]) for one in kept["containers"]} == {("sleep", "infinity")}


def test_a_placeholder_is_on_the_nodes_of_its_runtime(placeholder: tuple[Object, Object]) -> None:
    kept, pod = placeholder

    assert (kept["nodeSelector"], kept["tolerations"]) == (pod["nodeSelector"], pod["tolerations"])


def test_a_placeholder_gives_way_at_once_and_to_every_pod(render: Render) -> None:
    rendered = render(one=warm({"nodes": 1}))
    kept, pod = rendered.pod("one-placeholder"), rendered.pod("one")
    priority = rendered[f"PriorityClass/{kept['priorityClassName']}"]

    assert kept["priorityClassName"] == "demo-one-placeholder"
    assert priority["value"] < 0
    assert priority["preemptionPolicy"] == "Never"
    assert "globalDefault" not in priority
    assert "priorityClassName" not in pod
    assert kept["terminationGracePeriodSeconds"] == 0


def test_a_placeholder_has_no_rights_and_no_volumes(placeholder: tuple[Object, Object]) -> None:
    kept, _ = placeholder

    assert kept["automountServiceAccountToken"] is False
    assert "serviceAccountName" not in kept
    assert "volumes" not in kept
    assert not any("env" in one or "envFrom" in one for one in kept["containers"])


def test_no_selector_of_the_runtime_matches_a_placeholder(render: Render) -> None:
    rendered = render(one=warm({"nodes": 1}))
    labels = rendered["Deployment/one-placeholder"]["spec"]["template"]["metadata"]["labels"]
    policy = rendered["NetworkPolicy/one"]["spec"]["podSelector"]["matchLabels"]
    selector = rendered["Deployment/one"]["spec"]["selector"]["matchLabels"]

    for match in (policy, selector, {"app.kubernetes.io/component": "runtime"}):
        assert not match.items() <= labels.items()


@pytest.mark.parametrize("entry", [{"pods": 1, **DAY}, {"nodes": 1}], ids=["pods", "nodes"])
def test_what_is_warm_is_not_moved_to_another_node(render: Render, entry: Values) -> None:
    consolidated = {"karpenter": {"provisioner": {"consolidation": True}}}
    rendered = render(one=warm(entry, **consolidated), two=consolidated)

    assert underutilized(rendered, "demo-one") == ["0"]
    assert underutilized(rendered, "demo-two") == ["1"]


def test_one_runtime_that_is_warm_is_enough_in_a_shared_pool(render: Render) -> None:
    shared = {"karpenter": {"nodePool": "shared"}}
    rendered = render(a=shared, b=warm({"nodes": 1}, **shared))

    assert underutilized(rendered, "demo-shared") == ["0"]


def test_nothing_is_warm_by_default(types: Objects) -> None:
    assert not types.kinds("PriorityClass")
    assert not [key for key in types if "placeholder" in key]
    assert all(
        trigger["type"] == "aws-sqs-queue"
        for item in types.kinds("ScaledObject")
        for trigger in item["spec"]["triggers"]
    )
