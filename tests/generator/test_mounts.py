"""The mount of the models: the options of Mountpoint, and how fast it may read."""

from collections.abc import Callable
from typing import Any

import pytest

from generator import paths, yaml_loader
from generator.build import values as chart_values
from generator.facts import mount_options
from generator.facts.facts import Facts
from generator.facts.mount_options import MountOption
from generator.solution import mounts
from generator.solution.model import Solution

Solve = Callable[..., Solution]
FACTS = Facts(paths.data())


def extra(*options: str, types: list[str] | None = None, **persistence: Any) -> dict[str, Any]:
    """The `extraValues` of a runtime with these mount options and instance types."""
    values: dict[str, Any] = {"runtime": {"persistence": {"s3": {"mountOptions": [*options]}, **persistence}}}
    return values | ({"karpenter": {"provisioner": {"instanceType": types}}} if types else {})


def options_of(solution: Solution) -> list[str] | None:
    """The mount options in the values of the runtime."""
    values = yaml_loader.load(chart_values.umbrella(solution)["values/sdxl.yaml"])
    runtime = values["sd-runtimes"]["runtimes"]["sdxl"]
    options: list[str] | None = runtime["runtime"]["persistence"]["s3"].get("mountOptions")
    return options


@pytest.mark.parametrize(
    ("text", "name", "value"),
    [
        ("debug", "debug", ""),
        ("--debug", "debug", ""),
        ("prefix team-a/", "prefix", "team-a/"),
        ("--prefix=team-a/", "prefix", "team-a/"),
        (" prefix  my models/ ", "prefix", "my models/"),
        ("prefix a=b/", "prefix", "a=b/"),
        ("-d", "-d", ""),
    ],
)
def test_an_option_is_read_as_the_driver_reads_it(text: str, name: str, value: str) -> None:
    assert mount_options.parse(text) == MountOption(name, value)


@pytest.mark.parametrize(
    ("types", "gbps"),
    [
        (["g5.xlarge"], 10),
        (["g4dn.xlarge"], 25),
        # The fastest node decides: a slower one is limited by its network.
        (["g6.xlarge", "g6e.xlarge"], 20),
        # Of the cards of a node, pods use one.
        (["p4d.24xlarge"], 100),
        (["g6e.48xlarge"], 400),
    ],
)
def test_a_mount_may_use_the_bandwidth_of_the_fastest_node(solve: Solve, types: list[str], gbps: int) -> None:
    solution = solve(eksVersion="1.34", extra=extra(types=types))

    assert options_of(solution) == [f"maximum-throughput-gbps={gbps}"]


def test_the_driver_of_eks_1_28_asks_the_instance_itself(solve: Solve) -> None:
    assert options_of(solve(eksVersion="1.28", extra=extra(types=["g4dn.xlarge"]))) == []


@pytest.mark.parametrize("own", ["maximum-throughput-gbps 5", "--maximum-throughput-gbps=5"])
def test_a_limit_of_the_config_stays(solve: Solve, own: str) -> None:
    assert options_of(solve(eksVersion="1.34", extra=extra(own))) == [own]


def test_options_of_the_config_stay_next_to_the_limit(solve: Solve) -> None:
    solution = solve(eksVersion="1.34", extra=extra("prefix a/", types=["g5.xlarge"]))

    assert options_of(solution) == ["prefix a/", "maximum-throughput-gbps=10"]
    assert solution.runtimes[0].models.prefix == "a/"


@pytest.mark.parametrize("persistence", [{"enabled": False}, {"existingClaim": "x"}])
def test_models_that_are_not_mounted_need_no_limit(solve: Solve, persistence: dict[str, Any]) -> None:
    assert options_of(solve(eksVersion="1.34", extra=extra(**persistence))) == []


def test_every_type_with_a_gpu_has_a_bandwidth() -> None:
    assert [kind.name for kind in FACTS.gpu_types if kind.network_gbps < 1] == []


OPTIONS = FACTS.mount_options
# One valid value of each option, so that a new one is tried too.
VALID = {
    "prefix": "a/",
    "endpoint-url": "https://s3.example.com",
    "bucket-type": "general-purpose",
    "expected-bucket-owner": "123456789012",
    "maximum-throughput-gbps": "25",
    "max-threads": "64",
    "part-size": "8388608",
    "read-part-size": "16777216",
    "aws-max-attempts": "5",
    "metadata-ttl": "indefinite",
    "negative-metadata-ttl": "60",
    "dir-mode": "0755",
    "file-mode": "0644",
    "otlp-endpoint": "http://collector:4317",
}


@pytest.mark.parametrize("name", [name for name in OPTIONS.accepted if name != "otlp-export-interval"])
def test_each_option_is_taken_with_a_value_or_without(name: str) -> None:
    text = f"{name} {VALID[name]}" if name in VALID else name

    assert list(OPTIONS.faults([text], "1.34", "aws")) == []


@pytest.mark.parametrize("name", sorted(OPTIONS.refused))
def test_what_cannot_be_set_is_refused_with_the_reason(name: str) -> None:
    [fault] = OPTIONS.faults([f"{name}=1"], "1.34", "aws")

    assert fault.message == f"{name} cannot be set: {OPTIONS.refused[name]}"


def cached(name: str, memory: str, **pods: Any) -> dict[str, Any]:
    """A runtime of a shared node pool, whose mount has a cache and whose pods request this memory."""
    resources = {"requests": {"memory": memory}, "limits": {"memory": memory}}
    nodes = {"instanceType": ["g4dn.xlarge", "g6.2xlarge"]}
    extra = {
        "karpenter": {"nodePool": "shared", "provisioner": nodes},
        "runtime": {"inferenceApi": {"resources": resources}, **pods},
    }
    return {"name": name, "namespace": "default", "type": "comfyui", "extraValues": extra}


CACHE: dict[str, Any] = {"models": {"cacheSize": "60Gi"}}


def limits(solution: Solution) -> list[str | None]:
    return [mount_options.value(one.models.mount_options, mounts.THROUGHPUT) for one in solution.runtimes]


def test_runtimes_with_a_cache_on_the_same_nodes_get_one_limit(solve: Solve) -> None:
    """The mount of a pod that fits only the slower type must be the same, or the cache is not shared."""
    small, large = cached("small", "4Gi", **CACHE), cached("large", "24Gi", **CACHE)

    solution = solve(eksVersion="1.34", modelsRuntime=[small, large])

    assert limits(solution) == ["25", "25"]
    assert mounts.volumes(solution.runtimes) == 1


def test_without_a_cache_each_runtime_has_a_volume(solve: Solve) -> None:
    runtimes = [cached("a", "4Gi"), cached("b", "4Gi"), cached("c", "4Gi", **CACHE)]
    own = cached("d", "4Gi", persistence={"existingClaim": "mine"})

    solution = solve(eksVersion="1.34", modelsRuntime=[*runtimes, own])

    assert mounts.volumes(solution.runtimes) == 3


def test_without_a_cache_each_mount_has_the_limit_of_its_own_nodes(solve: Solve) -> None:
    solution = solve(eksVersion="1.34", modelsRuntime=[cached("small", "4Gi"), cached("large", "24Gi")])

    assert limits(solution) == ["25", "10"]
