"""Pods by the length of the queue."""

from collections.abc import Callable

from .conftest import Objects, Render


def scaled(objects: Objects, name: str = "one") -> dict:
    return objects[f"ScaledObject/{name}"]["spec"]


def test_every_word_to_the_scaler_is_a_string_in_its_place(render: Render) -> None:
    numbers = {"queueLength": 7, "scaleOnInFlight": False, "pollingInterval": 7}
    trigger = scaled(render(one={"runtime": {"scaling": numbers}}))["triggers"][0]
    assert trigger["metadata"] == {
        "queueURL": "https://sqs.us-west-2.amazonaws.com/123456789012/demo-one",
        "awsRegion": "us-west-2",
        "queueLength": "7",
        "scaleOnInFlight": "false",
    }


def test_running_tasks_count_unless_the_user_says_no(render: Render) -> None:
    assert scaled(render(one={}))["triggers"][0]["metadata"]["scaleOnInFlight"] == "true"


def test_numbers_reach_keda(render: Render) -> None:
    numbers = {
        "minReplicaCount": 2,
        "maxReplicaCount": 9,
        "cooldownPeriod": 77,
        "pollingInterval": 7,
        "queueLength": 1,
    }
    spec = scaled(render(one={"runtime": {"scaling": numbers}}))
    assert {key: spec[key] for key in numbers if key in spec} == {
        key: value for key, value in numbers.items() if key != "queueLength"
    }


def test_errors_of_the_queue_change_nothing(render: Render) -> None:
    assert "fallback" not in scaled(render(one={}))


def test_pods_stay_through_a_lull_of_150_seconds(render: Render) -> None:
    behavior = scaled(render(one={}))["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]
    assert behavior == {"scaleDown": {"stabilizationWindowSeconds": 150}}


def test_the_users_behavior_is_laid_upon_the_default(with_value: Callable[..., Objects]) -> None:
    behavior = {"scaleDown": {"selectPolicy": "Min"}, "scaleUp": {"selectPolicy": "Max"}}
    spec = scaled(with_value("runtime.scaling.extraHPAConfig", behavior))
    behavior = spec["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]
    assert behavior["scaleDown"] == {"stabilizationWindowSeconds": 150, "selectPolicy": "Min"}
    assert behavior["scaleUp"] == {"selectPolicy": "Max"}


def test_keda_reads_the_queue_with_its_own_role(render: Render) -> None:
    rendered = render(one={})
    assert rendered["TriggerAuthentication/one"]["spec"] == {"podIdentity": {"provider": "aws"}}
    assert scaled(rendered)["triggers"][0]["authenticationRef"] == {"name": "one"}


def test_without_scaling_keda_has_nothing_to_do(with_value: Callable[..., Objects]) -> None:
    rendered = with_value("runtime.scaling.enabled", False)
    assert not rendered.kinds("ScaledObject")
    assert not rendered.kinds("TriggerAuthentication")
    assert "Deployment/one" in rendered


def test_it_scales_its_own_deployment(types: Objects) -> None:
    for scaled_object in types.kinds("ScaledObject"):
        deployment = types[f"Deployment/{scaled_object['spec']['scaleTargetRef']['name']}"]
        assert deployment["metadata"]["namespace"] == scaled_object["metadata"]["namespace"]


def test_the_number_of_pods_is_never_set(types: Objects, with_value: Callable[..., Objects]) -> None:
    assert all("replicas" not in item["spec"] for item in types.kinds("Deployment"))
    without_keda = with_value("runtime.scaling.enabled", False)
    assert "replicas" not in without_keda["Deployment/one"]["spec"]
    assert "replicas" not in with_value("runtime.replicas", 3)["Deployment/one"]["spec"]


def test_a_test_endpoint_reaches_the_agent_and_keda(render: Render) -> None:
    rendered = render({"global": {"awsEndpoint": "http://127.0.0.1:4566"}}, one={})
    trigger = rendered["ScaledObject/one"]["spec"]["triggers"][0]["metadata"]
    assert rendered.agent("one")["AWS_ENDPOINT_URL"] == trigger["awsEndpoint"] == "http://127.0.0.1:4566"


HIGH = "https://sqs.us-west-2.amazonaws.com/123456789012/demo-one-high"


def with_two_queues(render: Render, **scaling: object) -> dict:
    runtime = {"queueAgent": {"highPriorityQueueUrl": HIGH}, "scaling": scaling}
    return scaled(render(one={"runtime": runtime}))


def test_the_tasks_of_two_queues_ask_for_pods_together(render: Render) -> None:
    spec = with_two_queues(render, queueLength=5)
    urls = {trigger["name"]: trigger["metadata"]["queueURL"] for trigger in spec["triggers"]}
    assert urls == {"tasks": HIGH.removesuffix("-high"), "high": HIGH}
    assert spec["advanced"]["scalingModifiers"] == {
        "formula": "(tasks + high) / 5",
        "target": "1",
        "metricType": "AverageValue",
    }


def test_what_is_kept_warm_counts_next_to_two_queues_and_only_in_its_hours(render: Render) -> None:
    hours = {"start": "0 8 * * *", "end": "0 18 * * *"}
    warm = [{"nodes": 1}, {"pods": 1, **hours}, {"pods": 3, **hours}]
    spec = with_two_queues(render, warm=warm, queueLength=4)
    assert spec["advanced"]["scalingModifiers"]["formula"] == "max((tasks + high) / 4, warm1 - 1, warm2 - 1)"
    asked = {trigger["name"]: trigger["metadata"].get("desiredReplicas") for trigger in spec["triggers"]}
    assert asked == {"tasks": None, "high": None, "warm1": "2", "warm2": "4"}


def test_one_queue_needs_no_formula(render: Render) -> None:
    spec = scaled(render(one={}))
    assert "scalingModifiers" not in spec["advanced"]
    assert ["name" in trigger for trigger in spec["triggers"]] == [False]
