"""Roles whose policy IAM would reject are found, whoever they are for."""

from typing import Any

from generator.iam import sizes

LONG = "x" * 50


def test_the_role_of_a_runtime_with_many_input_buckets(solution_of: Any) -> None:
    def runtime(name: str, count: int) -> dict[str, Any]:
        buckets = [f"{LONG}-{number:03}" for number in range(count)]
        agent = {"queueAgent": {"inputBuckets": buckets}}
        return {"name": name, "type": "comfyui", "extraValues": {"runtime": agent}}

    solution = solution_of("minimal", modelsRuntime=[runtime("small", 1), runtime("large", 160)])

    [large] = sizes.large_roles(solution)

    assert (large.name, large.runtime, large.maximum) == ("sdoneks-large-runtime", 1, 10_240)
    assert large.size > large.maximum


def test_a_role_of_your_own_has_a_policy_of_your_own(solution_of: Any) -> None:
    agent = {"queueAgent": {"inputBuckets": [f"{LONG}-{number:03}" for number in range(160)]}}
    own = {"serviceAccountRoleArn": "arn:aws:iam::123456789012:role/mine", **agent}
    runtimes = [{"name": "a", "type": "comfyui", "extraValues": {"runtime": own}}]

    assert list(sizes.large_roles(solution_of("minimal", modelsRuntime=runtimes))) == []


def test_the_role_of_the_driver_and_that_of_the_api_with_many_model_buckets(solution_of: Any) -> None:
    runtimes = [
        {
            "name": f"r{number}",
            "type": "comfyui",
            "extraValues": {"runtime": {"persistence": {"s3": {"modelBucket": f"{LONG}-{number:03}"}}}},
        }
        for number in range(150)
    ]
    large = {
        role.name: role.runtime for role in sizes.large_roles(solution_of("minimal", modelsRuntime=runtimes))
    }

    assert large == {"sdoneks-s3-csi-driver": None, "sdoneks-api-function": None}


def test_the_boundary_is_above_the_maximum_only_where_it_is(solution_of: Any) -> None:
    agent = {"queueAgent": {"inputBuckets": [f"{LONG}-{number:03}" for number in range(20)]}}
    runtimes = [{"name": "a", "type": "comfyui", "extraValues": {"runtime": agent}}]

    assert sizes.above_boundary(solution_of("minimal", modelsRuntime=runtimes)) > 0
    assert sizes.above_boundary(solution_of("minimal")) == 0
    assert sizes.above_boundary(solution_of("customer-keys")) == 0
