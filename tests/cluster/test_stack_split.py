"""Where a runtime's resources are: in one stack or several, always the same. And what cfn-lint says."""

import re
from collections import Counter
from typing import Any

import pytest

from generator import paths
from generator.build import stack, stack_layout
from generator.solution.model import Solution
from testing import cfn_lint
from tests.cluster.conftest import Resolve
from tests.cluster.stack_template import Template

pytestmark = pytest.mark.thorough

BUCKET = "AWS::S3::Bucket"


def runtimes_named(count: int) -> list[dict[str, Any]]:
    return [{"name": f"runtime-{number}", "type": "comfyui"} for number in range(count)]


def test_names_that_differ_by_a_dash_have_logical_ids_that_differ(solution_of: Resolve) -> None:
    runtimes = [{"name": name, "type": "comfyui"} for name in ("a-1", "a1", "ab-c", "a-bc", "abc")]

    template = Template(stack.files(solution_of("minimal", modelsRuntime=runtimes))["stack.yaml"])

    assert len(template.of(BUCKET)) == 5
    assert all(re.fullmatch("[A-Za-z0-9]+", name) for name in template.resources)


def test_a_stack_is_split_only_when_it_would_be_too_large_for_cloudformation(solution_of: Resolve) -> None:
    full, over = (
        stack.files(solution_of("minimal", eksVersion="1.34", modelsRuntime=runtimes_named(count)))
        for count in (35, 36)
    )

    assert list(full) == ["stack.yaml", "network.yaml"]
    assert 400 < len(Template(full["stack.yaml"]).resources) <= 500
    assert list(over) == ["stack.yaml", "stack-02.yaml", "network.yaml"]


def test_a_thousand_runtimes_are_spread_over_stacks_that_cloudformation_takes(solution_of: Resolve) -> None:
    solution = solution_of("minimal", modelsRuntime=runtimes_named(1000))

    texts = stack.files(solution)

    # Seven megabytes of YAML take nine seconds to parse: the lines that matter are looked for instead.
    assert all(len(re.findall(r"^    Type: ", text, re.M)) <= 500 for text in texts.values())
    assert all(len(text.encode()) < 1_000_000 for text in texts.values())
    buckets = [name for text in texts.values() for name in re.findall(r"BucketName: (\S+)", text)]
    assert sorted(buckets) == sorted(runtime.output_bucket for runtime in solution.runtimes)
    stacks = [stack_layout.stack_name(solution, file) for file in texts]
    assert stacks[:2] == [solution.stack, f"{solution.stack}-02"]
    assert len(set(stacks)) == len(texts)


def test_runtimes_with_a_second_queue_fill_a_stack_sooner(solution_of: Resolve) -> None:
    plain, second = (
        [{**entry, "priorityQueue": more} for entry in runtimes_named(35)] for more in (False, True)
    )
    solutions = [
        solution_of("minimal", eksVersion="1.34", modelsRuntime=entries) for entries in (plain, second)
    ]

    assert [len(stack_layout.parts(solution)) for solution in solutions] == [1, 2]
    for text in stack.files(solutions[1]).values():
        assert len(Template(text).resources) <= 500


def where(solution: Solution) -> dict[str, str]:
    """The file that holds each bucket."""
    return {
        bucket["Properties"]["BucketName"]: file
        for file, text in stack.files(solution).items()
        for bucket in Template(text).of(BUCKET).values()
    }


def test_a_runtime_that_comes_or_goes_moves_no_other(solution_of: Resolve) -> None:
    before = where(solution_of("minimal", modelsRuntime=runtimes_named(100)))

    after = where(solution_of("minimal", modelsRuntime=runtimes_named(101)[1:]))

    assert len(set(before.values())) > 1
    common = before.keys() & after.keys()
    assert len(common) == 99
    assert {bucket: after[bucket] for bucket in common} == {bucket: before[bucket] for bucket in common}


def test_the_same_config_gives_the_same_bytes(solution_of: Resolve) -> None:
    assert stack.files(solution_of("three-runtimes")) == stack.files(solution_of("three-runtimes"))


def test_a_change_of_the_api_is_deployed(solution_of: Resolve, monkeypatch: pytest.MonkeyPatch) -> None:
    solution = solution_of("minimal")
    before = Template(stack.files(solution)["stack.yaml"]).of("AWS::ApiGateway::Deployment")
    monkeypatch.setattr(stack.api_gateway, "METHODS", stack.api_gateway.METHODS[:-1])

    after = Template(stack.files(solution)["stack.yaml"]).of("AWS::ApiGateway::Deployment")

    assert before.keys() != after.keys()


LINTED = [("three-runtimes", "us-east-1"), ("china", "cn-north-1"), ("image-cache-snapshot", "us-west-2")]


@pytest.mark.parametrize(("example", "region"), LINTED)
def test_cfn_lint_finds_nothing(solution_of: Resolve, example: str, region: str) -> None:
    texts = stack.files(solution_of(example))

    assert [fault for text in texts.values() for fault in cfn_lint.findings(text, region)] == []


def test_cfn_lint_would_find_a_fault(solution_of: Resolve) -> None:
    text = stack.files(solution_of("minimal"))["stack.yaml"].replace("SqsManagedSseEnabled", "SqsManagedSse")

    assert cfn_lint.findings(text, "us-east-1")


EXAMPLES = sorted(path.stem for path in (paths.root() / "examples").glob("*.yaml"))


@pytest.mark.parametrize("eks", ["1.28", "1.34"])
@pytest.mark.parametrize("example", EXAMPLES)
def test_files_and_resources_are_known_without_rendering(
    solution_of: Resolve, example: str, eks: str
) -> None:
    solution = solution_of(example, eksVersion=eks)
    texts = stack.files(solution)
    kinds = [resource["Type"] for text in texts.values() for resource in Template(text).resources.values()]

    assert stack_layout.resource_counts(solution) == Counter(kinds)
    files = [part.file for part in stack_layout.parts(solution)]
    assert [*files, stack_layout.NETWORK_FILE] == list(texts)
