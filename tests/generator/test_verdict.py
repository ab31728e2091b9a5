"""What a guard of the chart refuses, `validate` refuses first: with its line, the fault and the fix."""

from datetime import date

import pytest
import yaml

from generator.config import document, explain, validate
from generator.errors import Problem, Severity
from generator.solution.context import Context
from tests.charts.auto_mode_cases import AUTO_MODE, AUTO_MODE_CASES
from tests.charts.conftest import PATHS, Values, merged, nested
from tests.charts.guard_cases import CASES, LONG, OPTIONAL, STACK
from tests.charts.pool_cases import ALIKE, DIFFERENT, in_pool
from tests.generator.configs import FACTS, SCHEMA, Config

CONTEXT = Context("us-west-2", "123456789012", date(2026, 11, 22))

# Cases of which no config can be an example, and why. Each is refused where values are written by hand.
GENERATED = "an empty value means the generated one"
NOT_IN_A_CONFIG = {
    "no-queue": GENERATED,
    "no-dead-letters": GENERATED,
    "no-bucket": GENERATED,
    "no-topic": GENERATED,
    "no-models": GENERATED,
    "no-role": GENERATED,
    "no-ami": GENERATED,
    "old-daemon": "the generator leaves this image out, with a warning",
    "storage-twice": "the generator leaves these commands out, with a warning",
}


def config(values: Values, name: str = "one", stack: str = "demo") -> Config:
    """A config whose only runtime has these values of the chart."""
    extra = {key: values[key] for key in ("karpenter", "runtime") if key in values}
    entry = {key: value for key, value in values.items() if key not in extra}
    base = {"name": name, "type": "sdwebui", "modelFilename": "sdxl.safetensors"}
    return {
        "stackName": stack,
        "region": "us-west-2",
        "accountId": "123456789012",
        # The oldest version, as in the cases.
        "eksVersion": "1.28",
        "modelBucketArn": "arn:aws:s3:::demo-models",
        "modelsRuntime": [{**base, **entry, "extraValues": extra}],
    }


def errors(config: Config) -> list[Problem]:
    """The errors that `validate` reports."""
    loaded = document.load(yaml.safe_dump(config, allow_unicode=True), "config.yaml")
    problems = validate.problems(loaded, SCHEMA, FACTS, CONTEXT, deriving=True)
    return [problem for problem in problems if problem.severity is Severity.ERROR]


def test_the_config_of_these_tests_is_valid() -> None:
    assert errors(config({})) == []


EXPRESSIBLE = sorted(CASES.keys() - NOT_IN_A_CONFIG)


@pytest.mark.parametrize("case", EXPRESSIBLE)
def test_what_a_guard_refuses_validate_refuses_too(case: str) -> None:
    values, _ = CASES[case]

    problems = errors(config(values, *((LONG, STACK) if case == LONG else ())))

    assert problems
    for problem in problems:
        assert problem.line > 1
        assert problem.path.startswith("modelsRuntime[0]")
        assert problem.message
        assert problem.help


@pytest.mark.parametrize("case", AUTO_MODE_CASES)
def test_what_a_guard_refuses_for_auto_mode_validate_refuses_there_too(case: str) -> None:
    plain = config(AUTO_MODE_CASES[case][0]) | {"eksVersion": AUTO_MODE["eksVersion"]}
    cluster = {"name": "platform", "nodeRole": "Nodes"}

    problems = errors(plain | {"existingCluster": {**cluster, "autoMode": True}})

    assert errors(plain | {"existingCluster": cluster}) == []
    assert [problem.code for problem in problems] == ["SD967"]
    assert problems[0].path.startswith("modelsRuntime[0]")


@pytest.mark.parametrize("case", NOT_IN_A_CONFIG)
def test_a_case_that_no_config_expresses_is_accepted(case: str) -> None:
    """The generator fills in what is empty, so neither side has anything to refuse."""
    values, _ = CASES[case]

    assert errors(config(values)) == []


# Empty, these count as absent: see test_canonical.py.
MAY_BE_EMPTY = {
    key.path.removeprefix("modelsRuntime[].").removeprefix("extraValues.")
    for key in explain.keys(SCHEMA)
    if "x-may-be-empty" in key.schema or "" in key.schema.get("x-aliases", {})
}
REMOVED = sorted(PATHS.keys() - OPTIONAL - MAY_BE_EMPTY)


@pytest.mark.parametrize("path", REMOVED)
def test_a_null_that_would_remove_a_required_default_is_refused(path: str) -> None:
    problems = errors(config(merged({}, nested(path, None))))

    assert any(problem.path.endswith(path.rpartition(".")[2]) for problem in problems)


def pair(a: Values, b: Values) -> Config:
    """A config with the runtimes `a` and `b` of the cases of shared node pools."""
    one, two = config(a, "a"), config(b, "b")
    return {**one, "modelsRuntime": [*one["modelsRuntime"], *two["modelsRuntime"]]}


@pytest.mark.parametrize(("a", "b", "message"), DIFFERENT.values(), ids=DIFFERENT)
def test_validate_refuses_runtimes_that_cannot_share_a_node_pool(a: Values, b: Values, message: str) -> None:
    [problem] = [problem for problem in errors(pair(a, b)) if problem.code == "SD980"]

    setting = message.partition(":")[0]
    assert setting in problem.message
    assert problem.path.startswith("modelsRuntime[1]")
    assert "(line " in problem.message


@pytest.mark.parametrize(("a", "b"), ALIKE.values(), ids=ALIKE)
def test_validate_accepts_runtimes_that_want_the_same_nodes(a: Values, b: Values) -> None:
    assert [problem for problem in errors(pair(a, b)) if problem.code.startswith("SD98")] == []


def test_validate_refuses_a_pool_with_the_name_of_a_runtime_that_is_not_in_it() -> None:
    def codes(*runtimes: Values) -> list[str]:
        pools = [config(values, name) for name, values in zip("abc", runtimes, strict=True)]
        entries = [entry for one in pools for entry in one["modelsRuntime"]]
        codes = {problem.code for problem in errors({**pools[0], "modelsRuntime": entries})}
        # The runtimes of these tests have the same checkpoint.
        return sorted(codes - {"SD304"})

    assert codes(in_pool("c"), in_pool("c"), {}) == ["SD981"]
    assert codes(in_pool("c"), in_pool("c"), in_pool("c")) == []
