"""Every policy of every example, statement by statement, against the actions that IAM has."""

import json
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest

from generator import yaml_loader
from generator.build import cluster, stack
from generator.iam import boundary, deployer, karpenter, policy
from generator.iam import roles as iam
from generator.iam.policy import listed
from generator.solution.model import Solution
from tests.cluster.conftest import ROOT
from tests.iam.reference import action_data, fits

EXAMPLES = sorted(path.stem for path in (ROOT / "examples").glob("*.yaml"))

# Statements that may say "any resource", with the reason.
ANY_RESOURCE = {
    "AllowRegionalReadActions": "EC2's Describe actions take no resource; Karpenter's are held to the region",
    "AllowPricingReadActions": "prices have no resource",
    "AllowUnscopedInstanceProfileListAction": "a list of instance profiles has no resource",
    "SendTraces": "X-Ray has no resource to write to",
    "FindStacks": "a list of stacks, or a template that is not a stack yet, has no resource",
    "MakeCluster": "a cluster that is not there yet is no resource; held to the region",
    "FindVersions": "versions of EKS and add-ons, and the list of clusters, have no resource",
    "FindNetwork": "EC2's and ELB's Describe actions take no resource",
    "MakeMappings": "a mapping that is not there yet is no resource; held to the stack's functions",
    "MakePasswords": "a random text, which Secrets Manager generates for a new secret, is no resource",
    "FindLogs": "lists of log groups and their policies have no resource",
    "AskBuckets": "the list of buckets, which counts against a quota, has no resource",
    "WriteLogs": "X-Ray and metrics have no resource; the log role of API Gateway is one for all its APIs",
    "Find": "reads without a resource; images of AWS are in registries of other accounts",
    **dict.fromkeys(
        ("StartNodes", "MakeInterfaces", "TagWhatIsNew", "ChangeNodes", "ChangeInterfaces"),
        "the boundary limits these to what has a tag of the cluster, of whatever type",
    ),
    "AskQuotas": "quotas are read by service and code; one can be raised only when asked to",
    "ReadAgeOfTasks": "cloudwatch:GetMetricStatistics has no resource types",
}


class Policy(NamedTuple):
    """A policy and its maximum size in IAM."""

    name: str
    document: dict[str, Any]
    limit: int


def policies(solution: Solution) -> Iterator[Policy]:
    roles = {
        "karpenter": karpenter.controller(solution),
        "keda": iam.keda_operator(solution),
        "csi": iam.s3_csi_driver(solution),
        "logs": iam.log_collector(solution),
        "api": iam.api_function(solution),
        "webhooks": iam.webhooks(solution),
        **{runtime.name: iam.runtime(solution, runtime) for runtime in solution.runtimes},
    }
    for name, document in roles.items():
        yield Policy(name, document, policy.INLINE_POLICY_MAX)
    yield Policy("boundary", boundary.policy(solution), policy.MANAGED_POLICY_MAX)
    for number, document in enumerate(deployer.policies(solution), 1):
        yield Policy(f"deployer-{number}", document, policy.MANAGED_POLICY_MAX)


@pytest.fixture(scope="module", params=EXAMPLES)
def solution(request: pytest.FixtureRequest, solution_of: Any) -> Solution:
    solution: Solution = solution_of(request.param)
    return solution


@pytest.fixture(scope="module")
def statements(solution: Solution) -> list[dict[str, Any]]:
    return [
        statement
        for policy in policies(solution)
        for statement in policy.document["Statement"]
        if statement["Effect"] == "Allow"
    ]


def test_no_statement_allows_every_action_of_a_service(statements: list[dict[str, Any]]) -> None:
    assert [a for statement in statements for a in listed(statement["Action"]) if "*" in a] == []


def test_any_resource_is_allowed_only_for_a_reason(statements: list[dict[str, Any]]) -> None:
    assert {
        statement["Sid"] for statement in statements if statement["Resource"] == "*"
    } <= ANY_RESOURCE.keys()


def test_every_action_exists(statements: list[dict[str, Any]]) -> None:
    unknown = {
        action
        for statement in statements
        for action in listed(statement["Action"])
        if action_data(action) is None
    }

    assert unknown == set()


def test_no_action_is_scoped_to_what_it_cannot_be_scoped_to(statements: list[dict[str, Any]]) -> None:
    """IAM accepts such a statement, which then allows nothing."""
    idle = [
        (statement["Sid"], action)
        for statement in statements
        for action in listed(statement["Action"])
        if statement["Resource"] != "*"
        and not any(fits(action, arn) for arn in listed(statement["Resource"]))
    ]

    assert idle == []


def test_every_policy_fits_into_its_role(solution: Solution) -> None:
    assert [
        (item.name, policy.size(item.document))
        for item in policies(solution)
        if policy.size(item.document) > item.limit
    ] == []


def test_every_statement_has_a_name_of_its_own(solution: Solution) -> None:
    for item in policies(solution):
        sids = [statement["Sid"] for statement in item.document["Statement"]]
        assert len(sids) == len(set(sids))
        assert all(re.fullmatch("[A-Za-z0-9]+", sid) for sid in sids)


def test_every_arn_is_of_the_solutions_partition(solution: Solution) -> None:
    for item in policies(solution):
        assert set(re.findall(r'"arn:([^:]*):', json.dumps(item.document))) <= {solution.partition.name}


def test_the_policies_are_those_that_are_deployed(solution: Solution) -> None:
    config = yaml_loader.load(cluster.files(solution)["cluster.yaml"])
    attached = [account["attachPolicy"] for account in config["iam"]["serviceAccounts"]]
    stacks = yaml_loader.load(stack.files(solution)["stack.yaml"])["Resources"]
    for role in ("ApiFunctionRole", "WebhooksFunctionRole"):
        attached += [policy["PolicyDocument"] for policy in stacks[role]["Properties"]["Policies"]]

    expected = [
        item.document for item in policies(solution) if not item.name.startswith(("boundary", "deployer"))
    ]
    assert sorted(map(json.dumps, attached)) == sorted(map(json.dumps, expected))


def test_a_thousand_runtimes_still_fit_into_the_roles(solution_of: Any) -> None:
    many = [{"name": f"runtime-{n}", "type": "comfyui"} for n in range(1000)]
    solution = solution_of("minimal", modelsRuntime=many)

    for document in (iam.keda_operator(solution), iam.api_function(solution)):
        assert policy.size(document) <= policy.INLINE_POLICY_MAX
        assert f"{solution.stack}-*" in json.dumps(document)


def test_a_hundred_model_buckets_still_fit_into_the_deployers_policies(solution_of: Any) -> None:
    buckets = [f"models-{'x' * 50}-{number:03}" for number in range(100)]
    runtimes = [
        {
            "name": f"runtime-{number}",
            "type": "comfyui",
            "extraValues": {"runtime": {"persistence": {"s3": {"modelBucket": bucket}}}},
        }
        for number, bucket in enumerate(buckets)
    ]
    documents = deployer.policies(solution_of("minimal", modelsRuntime=runtimes))

    assert max(policy.size(document) for document in documents) <= policy.MANAGED_POLICY_MAX
    for document in documents:
        sids = [statement["Sid"] for statement in document["Statement"]]
        assert len(sids) == len(set(sids))
    assert all(f'"arn:aws:s3:::{bucket}/*"' in json.dumps(documents) for bucket in buckets)


def test_a_runtime_reads_the_input_buckets_that_its_config_allows(solution_of: Any) -> None:
    allowed = {"runtime": {"queueAgent": {"inputBuckets": ["our-photos"]}}}
    solution = solution_of(
        "minimal", modelsRuntime=[{"name": "a", "type": "comfyui", "extraValues": allowed}]
    )

    statements = {
        statement["Sid"]: statement for statement in iam.runtime(solution, solution.runtimes[0])["Statement"]
    }

    assert (statements["ReadInputs"]["Action"], statements["ReadInputs"]["Resource"]) == (
        "s3:GetObject",
        ["arn:aws:s3:::our-photos/*"],
    )


def test_a_missing_object_is_distinguished_from_a_forbidden_one(solution: Solution) -> None:
    """Without ListBucket S3 answers 403 for a missing object; the emulator answers 404 in either case."""
    for runtime in solution.runtimes:
        bucket = policy.bucket_arn(solution, runtime.output_bucket)
        for document in (iam.runtime(solution, runtime), iam.api_function(solution)):
            lists = [
                statement for statement in document["Statement"] if statement["Action"] == "s3:ListBucket"
            ]
            assert any(bucket in listed(statement["Resource"]) for statement in lists)


@pytest.mark.thorough
def test_the_function_may_write_its_own_log_and_not_make_another(solution: Solution) -> None:
    write_log = {statement["Sid"]: statement for statement in iam.api_function(solution)["Statement"]}[
        "WriteLog"
    ]
    stacks = yaml_loader.load(stack.files(solution)["stack.yaml"])["Resources"]

    group = stacks["ApiFunctionLog"]["Properties"]["LogGroupName"]
    assert write_log["Resource"].endswith(f":log-group:{group}:*")
    assert write_log["Action"] == ["logs:CreateLogStream", "logs:PutLogEvents"]


def test_a_model_bucket_of_one_runtime_is_read_too(solution_of: Any) -> None:
    own = {"runtime": {"persistence": {"s3": {"modelBucket": "other-models"}}}}
    solution = solution_of("minimal", modelsRuntime=[{"name": "a", "type": "comfyui", "extraValues": own}])

    policy_text = json.dumps(iam.s3_csi_driver(solution))

    assert '"arn:aws:s3:::other-models"' in policy_text
    assert f'"{solution.model_bucket_arn}"' in policy_text
