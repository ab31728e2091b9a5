"""Values that cannot work are refused: by guards all at once, by the schema where one key alone is wrong."""

import json
import re
from collections.abc import Callable

import pytest

from .auto_mode_cases import AUTO_MODE, AUTO_MODE_CASES
from .conftest import BASE, PATHS, RUNTIMES, HelmError, Objects, Render, Values, merged, nested, template
from .guard_cases import (
    API,
    CASES,
    LONG,
    OPTIONAL,
    POOL,
    STACK,
    WARM,
    requirement,
)
from .pool_cases import ALIKE, DIFFERENT, in_pool


def refused(values: Values) -> str:
    """What Helm says of values that it must not render."""
    with pytest.raises(HelmError) as error:
        template(str(RUNTIMES), json.dumps(values))
    return str(error.value)


def all_bad() -> Values:
    values = merged(BASE, {"global": {"stackName": STACK}})
    values["runtimes"] = {name: bad for name, (bad, _) in CASES.items()}
    return values


@pytest.fixture(scope="module")
def refusals() -> dict[str, list[str]]:
    """What one rendering of all bad runtimes says, by runtime."""
    lines: dict[str, list[str]] = {name: [] for name in CASES}
    for line in refused(all_bad()).splitlines():
        if line.startswith("- runtimes."):
            name = line.removeprefix("- runtimes.").split(".")[0].split(":")[0]
            lines[name].append(line)
    return lines


@pytest.mark.parametrize("name", [name for name in CASES if name != LONG])
def test_each_fault_is_said_once_with_its_cure(refusals: dict[str, list[str]], name: str) -> None:
    (line,) = refusals[name]
    assert CASES[name][1] in line
    assert line.count(": ") >= 1


def test_a_name_that_is_too_long_says_by_how_much(refusals: dict[str, list[str]]) -> None:
    (line,) = refusals[LONG]
    excess = len(f"{STACK}-{LONG}") - 63
    assert f"shorten the runtime's name or global.stackName by {excess}" in line


# A lifetime that EKS Auto Mode allows: the chart's default is for other nodes.
SHORT_LIVED = nested("karpenter.provisioner.disruption.expireAfter", "336h")


@pytest.fixture(scope="module")
def auto_mode_refusals() -> dict[str, str]:
    """What one rendering of all runtimes that EKS Auto Mode cannot have says, by runtime."""
    values = merged(BASE, {"global": AUTO_MODE, "defaults": SHORT_LIVED})
    values["runtimes"] = {name: bad for name, (bad, _) in AUTO_MODE_CASES.items()}
    lines = [line for line in refused(values).splitlines() if line.startswith("- runtimes.")]
    assert len(lines) == len(AUTO_MODE_CASES)
    return {line.removeprefix("- runtimes.").split(".")[0]: line for line in lines}


@pytest.mark.thorough
@pytest.mark.parametrize("name", AUTO_MODE_CASES)
def test_what_auto_mode_cannot_have_is_refused_there_and_only_there(
    auto_mode_refusals: dict[str, str], render: Render, name: str
) -> None:
    values, message = AUTO_MODE_CASES[name]

    assert message in auto_mode_refusals[name]
    assert render({"global": {**AUTO_MODE, "autoMode": False}}, one=values)


def test_auto_mode_needs_an_eks_version_that_has_it(render: Render) -> None:
    with pytest.raises(HelmError, match=r"EKS Auto Mode needs EKS 1\.29 or later"):
        render({"global": {**AUTO_MODE, "eksVersion": "1.28"}, "defaults": SHORT_LIVED}, one={})


SOLUTION = [
    ({"stackName": ""}, "global.stackName is empty"),
    ({"region": ""}, "global.region is empty"),
    ({"accountId": ""}, "global.accountId is empty"),
    ({"region": "cn-north-1"}, "set aws-cn and amazonaws.com.cn"),
    ({"partition": "aws-cn"}, "set aws and amazonaws.com"),
    ({"dnsSuffix": "amazonaws.com.cn"}, "set aws and amazonaws.com"),
]


@pytest.mark.parametrize(("top", "message"), SOLUTION)
def test_a_solution_without_its_region_and_account_is_refused(
    render: Render, top: Values, message: str
) -> None:
    with pytest.raises(HelmError, match=message):
        render({"global": top}, one={})


@pytest.mark.parametrize(
    "values",
    [
        requirement(operator="Gte", values=["1"]),
        nested(f"{POOL}.labels", {"example.kubernetes.io/team": "x"}),
        requirement(key="karpenter.k8s.aws/instance-tenancy", values=["default"]),
        nested(f"{POOL}.labels", {"karpenter.k8s.aws/capacity-reservation-interruptible": "true"}),
    ],
    ids=["operator", "label", "tenancy", "interruptible reservation"],
)
def test_what_karpenter_allows_after_1_8_is_allowed_from_eks_1_29_on(render: Render, values: Values) -> None:
    assert render({"global": {"eksVersion": "1.29"}}, one=values)
    with pytest.raises(HelmError, match=r"does not (support|allow)"):
        render({"global": {"eksVersion": "1.28"}}, one=values)


SHARED = nested("runtime.serviceAccountName", "shared")
TAGGED = in_pool("c", nodeTemplate={"tags": {"team": "film"}})


def test_two_runtimes_cannot_share_a_service_account(render: Render) -> None:
    with pytest.raises(HelmError, match="default/shared is also the service account of a"):
        render(a=SHARED, b=SHARED)
    assert render(a=SHARED, b={**SHARED, "namespace": "other"})


@pytest.mark.thorough
@pytest.mark.parametrize(("a", "b", "message"), DIFFERENT.values(), ids=DIFFERENT)
def test_runtimes_that_want_other_nodes_cannot_share_a_pool(
    render: Render, a: Values, b: Values, message: str
) -> None:
    with pytest.raises(HelmError, match=re.escape(message)) as refusal:
        render(a=a, b=b)
    assert str(refusal.value).count("\n- ") == 1


@pytest.mark.thorough
@pytest.mark.parametrize(("a", "b"), ALIKE.values(), ids=ALIKE)
def test_runtimes_that_want_the_same_nodes_share_a_pool(render: Render, a: Values, b: Values) -> None:
    assert "NodePool/demo-shared" in render(a=a, b=b)


def long_pool() -> Values:
    runtimes = {name: in_pool("a-pool-with-a-name-of-36-characters0") for name in "ab"}
    return merged(BASE, {"global": {"stackName": STACK}, "runtimes": runtimes})


def test_the_name_of_a_shared_pool_says_by_how_much_it_is_too_long() -> None:
    message = refused(long_pool())
    assert f"shorten nodePool or global.stackName by {len(STACK) + 1 + 36 - 63}" in message


def named_like_placeholders() -> Values:
    return merged(BASE, {"runtimes": {"a": nested(WARM, [{"nodes": 1}]), "a-placeholder": {}}})


def test_a_runtime_cannot_be_named_like_the_placeholders_of_another(render: Render) -> None:
    message = refused(named_like_placeholders())
    assert "runtimes.a-placeholder: the Deployment a-placeholder is that of the placeholders of a" in message
    assert render(**{"a": {}, "a-placeholder": {}})


def test_a_shared_pool_cannot_be_that_of_a_runtime_of_its_name(render: Render) -> None:
    with pytest.raises(HelmError, match="demo-c is also the node pool of the runtime c"):
        render(a=in_pool("c"), b=in_pool("c"), c={})
    assert render(a=in_pool("c"), b=in_pool("c"), c=in_pool("c"))


# A guard of its own says more of this one.
NEEDED = [path for path in PATHS if path not in OPTIONAL and path != f"{API}.resources.limits"]


def test_an_optional_default_can_be_removed(render: Render) -> None:
    assert PATHS.keys() >= OPTIONAL
    defaults: Values = {}
    for path in sorted(OPTIONAL):
        defaults = merged(defaults, nested(path, None))
    assert render({"defaults": defaults}, one={})


def without_defaults() -> Values:
    values = merged(BASE, {"runtimes": {"one": {}}})
    for path in NEEDED:
        values = merged(values, {"defaults": nested(path, None)})
    return values


def test_a_required_default_that_is_removed_is_reported() -> None:
    message = refused(without_defaults())
    for path in NEEDED:
        assert f"runtimes.one.{path} is null or empty" in message


NO_GPU = {"limits": {"nvidia.com/gpu": None}, "requests": {"nvidia.com/gpu": None}}


def test_a_runtime_without_a_gpu_is_refused(render: Render) -> None:
    with pytest.raises(HelmError, match=r"limits has no nvidia\.com/gpu"):
        render({"defaults": nested(f"{API}.resources", NO_GPU)}, one={})


def mount_options(*options: str) -> Values:
    return nested("runtime.persistence.s3.mountOptions", list(options))


def test_a_mount_option_that_s3_lacks_in_china_is_refused_there(render: Render) -> None:
    china = {"region": "cn-north-1", "partition": "aws-cn", "dnsSuffix": "amazonaws.com.cn"}
    assert render(one=mount_options("transfer-acceleration"))
    with pytest.raises(HelmError, match="transfer-acceleration: S3 does not have it in this region"):
        render({"global": china}, one=mount_options("transfer-acceleration"))


INTERVAL = "otlp-export-interval 5"


def test_a_mount_option_that_needs_another_is_refused_alone(render: Render) -> None:
    newer = {"global": {"eksVersion": "1.29"}}
    assert render(newer, one=mount_options(INTERVAL, "otlp-endpoint http://a:4317"))
    with pytest.raises(HelmError, match="otlp-export-interval has no effect without otlp-endpoint"):
        render(newer, one=mount_options(INTERVAL))


def test_every_message_of_the_guards_is_caused_by_a_case() -> None:
    texts = [file.read_text(encoding="utf-8") for file in (RUNTIMES / "templates").rglob("_*guards.tpl")]
    sentences = [words for text in texts for words in re.findall(r'^- \{\{ printf "(.*?[^\\])" ', text, re.M)]
    logs = {"enabled": True, "logGroup": "a b"}
    top = merged(
        BASE,
        {
            "global": {"stackName": "", "partition": "aws-cn", "eksVersion": "1.29"},
            "logs": logs,
            "runtimes": {"one": mount_options("transfer-acceleration", INTERVAL)},
        },
    )
    no_gpu = merged(BASE, {"defaults": nested(f"{API}.resources", NO_GPU), "runtimes": {"one": {}}})
    shared = merged(BASE, {"runtimes": {"a": SHARED, "b": SHARED}})
    pools = merged(BASE, {"runtimes": {"a": in_pool("c"), "b": TAGGED, "c": {}}})
    cases = (
        all_bad(),
        top,
        no_gpu,
        shared,
        pools,
        long_pool(),
        named_like_placeholders(),
        without_defaults(),
    )
    message = "".join(map(refused, cases))
    assert len(sentences) > 40
    for sentence in sentences:
        pattern = re.sub(r"%[a-z]", ".*", re.escape(sentence))
        assert re.search(f"^- {pattern}$", message, re.M), f"no case makes a guard say: {sentence}"


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("runtime.scaling.maxReplicas", 3),
        ("runtime.scaling.queueLength", "4"),
        ("runtime.scaling.queueLength", 0),
        ("runtime.inferenceApi.extraEnv", [{"name": "A B", "value": "1"}]),
        ("runtime.inferenceApi.extraEnv", [{"name": "A", "valueFrom": {"secretRef": {"name": "a"}}}]),
        ("runtime.inferenceApi.extraEnv", [{"name": "A", "valueFrom": {}}]),
        ("karpenter.nodeTemplate.dataVolume.volumeSize", "100GB"),
        ("karpenter.nodeTemplate.dataVolume.snapshotID", "vol-123"),
        ("karpenter.nodeTemplate.amiFamily", "AL2023"),
        ("karpenter.provisioner.disruption.consolidateAfter", "5 minutes"),
        ("karpenter.provisioner.extraTaints", [{"key": "a"}]),
        ("runtime.queueAgent.sqsQueueUrl", "https://sqs.us-west-2.amazonaws.com/demo"),
        ("type", "fooocus"),
        ("nmespace", "x"),
    ],
)
def test_a_wrong_key_or_value_is_refused_by_the_schema(
    with_value: Callable[..., Objects], path: str, value: object
) -> None:
    with pytest.raises(HelmError, match="don't meet the specifications of the schema") as refused:
        with_value(path, value)
    assert f"runtimes.one.{path}".rsplit(".", 1)[0] in str(refused.value)


@pytest.mark.parametrize("name", ["Upper", "under_score", "1st", "a" * 41])
def test_a_runtime_has_a_name_that_everything_takes(render: Render, name: str) -> None:
    with pytest.raises(HelmError, match="runtimes"):
        render(**{name: {}})


def test_typing_errors_outside_the_runtimes_are_refused(render: Render) -> None:
    with pytest.raises(HelmError, match="Additional property runtime is not allowed"):
        render({"runtime": {}}, one={})
    with pytest.raises(HelmError, match="Additional property awsRegion is not allowed"):
        render({"global": {"awsRegion": "us-east-1"}}, one={})


def test_values_without_runtimes_are_valid() -> None:
    assert template(str(RUNTIMES), json.dumps({})) == {}
