"""Customer managed keys: each role may use those of what it reads and writes, through that service only."""

import json
from dataclasses import replace
from typing import Any

import pytest

from generator.facts.model_source import UrlFile
from generator.iam import accounts, deployer, karpenter, keys, model_files, roles
from generator.iam.policy import Policy
from generator.solution.model import KmsKeys, Solution
from generator.solution.model_file import ModelFile, ModelObject


def key(number: int, region: str = "us-west-2") -> str:
    return f"arn:aws:kms:{region}:123456789012:key/{number}"


KEYS = KmsKeys(
    models=(key(1), key(2)),
    inputs=(key(3), key(4, "eu-west-1")),
    outputs=key(5),
    messages=key(6),
    volumes=key(7),
    secrets=key(8),
)
PLACE = ModelObject("models", "VAE/a")
READ, WRITE = {"kms:Decrypt"}, {"kms:Decrypt", "kms:GenerateDataKey"}


@pytest.fixture(scope="module")
def plain(solution_of: Any) -> Solution:
    solution: Solution = solution_of("minimal")
    runtimes = [replace(runtime, input_buckets=("inputs",)) for runtime in solution.runtimes]
    return replace(solution, runtimes=tuple(runtimes))


@pytest.fixture(scope="module")
def solution(plain: Solution) -> Solution:
    return replace(plain, keys=KEYS)


Use = tuple[str, str, frozenset[str]]


def uses(policy: Policy) -> set[Use]:
    """What a policy allows with KMS keys: key, service that must call KMS, actions."""
    found = set()
    for statement in policy["Statement"]:
        actions = statement["Action"]
        actions = frozenset([actions] if isinstance(actions, str) else actions)
        if any(action.startswith("kms:") for action in actions):
            resources = statement["Resource"]
            for resource in [resources] if isinstance(resources, str) else resources:
                for host in statement["Condition"]["StringEquals"]["kms:ViaService"]:
                    found.add((resource, host, actions))
    return found


def use(number: int, service: str, actions: set[str], region: str = "us-west-2") -> Use:
    return key(number, region), f"{service}.{region}.amazonaws.com", frozenset(actions)


def test_without_keys_no_role_has_a_permission_on_any(plain: Solution) -> None:
    policies = [account.policy for account in accounts.service_accounts(plain)]
    assert [use for policy in [*policies, roles.api_function(plain)] for use in uses(policy)] == []


def test_the_csi_driver_reads_what_the_model_keys_encrypt(solution: Solution) -> None:
    assert uses(roles.s3_csi_driver(solution)) == {use(1, "s3", READ), use(2, "s3", READ)}


def test_a_runtime_reads_inputs_and_writes_results_and_messages(solution: Solution) -> None:
    written = {use(5, "s3", WRITE), use(6, "sqs", WRITE), use(6, "sns", WRITE)}
    policy = roles.runtime(solution, solution.runtimes[0])

    # The statement of the inputs names both keys and the service in both regions.
    pairs = {(key(3), "us-west-2"), (key(3), "eu-west-1"), (key(4, "eu-west-1"), "us-west-2")}
    pairs.add((key(4, "eu-west-1"), "eu-west-1"))
    inputs = {(arn, f"s3.{region}.amazonaws.com", frozenset(READ)) for arn, region in pairs}
    models = {use(1, "s3", READ), use(2, "s3", READ)} if solution.runtimes[0].models.direct else set()
    assert models
    assert uses(policy) == written | inputs | models


def test_a_runtime_without_input_buckets_has_no_permission_on_their_keys(solution: Solution) -> None:
    runtime = replace(solution.runtimes[0], input_buckets=())

    assert not {arn for arn, _, _ in uses(roles.runtime(solution, runtime))} & set(KEYS.inputs)


def test_the_http_api_writes_records_and_tasks(solution: Solution) -> None:
    assert uses(roles.api_function(solution)) == {use(5, "s3", WRITE), use(6, "sns", WRITE)}


def test_karpenter_starts_nodes_with_encrypted_volumes_and_reads_events(solution: Solution) -> None:
    granted = uses(karpenter.controller(solution))

    assert use(7, "ec2", {"kms:CreateGrant"}) in granted
    assert use(7, "ec2", set(keys.USE_VOLUMES)) in granted
    assert use(6, "sqs", READ) in granted
    [statement] = [
        one for one in karpenter.controller(solution)["Statement"] if one["Action"] == "kms:CreateGrant"
    ]
    assert statement["Condition"]["Bool"] == {"kms:GrantIsForAWSResource": "true"}


def test_keda_only_counts_messages_and_needs_no_key(solution: Solution) -> None:
    assert uses(roles.keda_operator(solution)) == set()


def test_only_the_key_of_secrets_may_be_given_to_eks(solution: Solution, plain: Solution) -> None:
    def granting(solution: Solution) -> list[Any]:
        statements = keys.deployer(solution)
        return [one["Resource"] for one in statements if "kms:CreateGrant" in one["Action"]]

    assert granting(solution) == [key(8)]
    assert granting(plain) == []


def test_in_china_both_suffixes_are_accepted(plain: Solution) -> None:
    partition = replace(plain.partition, name="aws-cn", dns_suffix="amazonaws.com.cn")
    china = replace(plain, partition=partition)

    assert keys.hosts(("s3",), ("arn:aws-cn:kms:cn-north-1:123456789012:key/1",), china) == [
        "s3.cn-north-1.amazonaws.com",
        "s3.cn-north-1.amazonaws.com.cn",
    ]


def principals(solution: Solution, arn: str) -> set[str]:
    """The services and roles that the statements for a key name."""
    named = set()
    for statement in keys.key_policy(arn, solution)["Statement"]:
        named.add(statement["Principal"].get("Service", ""))
        named |= set(statement.get("Condition", {}).get("ArnLike", {}).get("aws:PrincipalArn", []))
    return {name.rpartition("/")[2] for name in named} - {""}


def test_the_policy_of_each_key_names_who_uses_it(solution: Solution) -> None:
    runtime, stack = solution.runtimes[0].role_name, solution.stack
    services = {"cloudwatch.amazonaws.com", "events.amazonaws.com", "sns.amazonaws.com"}
    controller = f"{stack}-karpenter-controller"
    functions = {f"{stack}-api-function", f"{stack}-webhooks"}

    assert principals(solution, key(1)) == {f"{stack}-s3-csi-driver", runtime}
    assert principals(solution, key(3)) == {runtime}
    assert principals(solution, key(5)) == {runtime, *functions}
    assert principals(solution, key(6)) == {runtime, *functions, controller, *services}
    assert principals(solution, key(7)) == {controller, "AWSServiceRoleForAutoScaling"}


def test_a_runtime_that_reads_models_by_the_mount_alone_does_not_use_their_key(solution: Solution) -> None:
    [runtime] = solution.runtimes
    mounted = replace(runtime, models=replace(runtime.models, direct=()))

    by_mount = replace(solution, runtimes=(mounted,))

    assert principals(by_mount, key(1)) == {f"{solution.stack}-s3-csi-driver"}


def test_a_key_for_several_purposes_has_one_file(solution: Solution) -> None:
    one = replace(solution, keys=KmsKeys(outputs=key(5), messages=key(5), volumes=key(5)))

    [path] = keys.files(one)
    assert path == "iam/key-policy-5.json"
    assert len(keys.key_policy(key(5), one)["Statement"]) == 12


def test_the_statements_for_a_thousand_runtimes_fit_a_key_policy(solution: Solution) -> None:
    runtimes = [
        replace(
            solution.runtimes[0], role_arn=f"arn:aws:iam::123456789012:role/{solution.stack}-r{n}-runtime"
        )
        for n in range(1000)
    ]
    many = replace(solution, runtimes=tuple(runtimes))

    # https://docs.aws.amazon.com/kms/latest/developerguide/resource-limits.html
    assert all(len(text) < 32 * 1024 for text in keys.files(many).values())


def test_the_deployer_may_read_the_headers_of_encrypted_models(solution: Solution, plain: Solution) -> None:
    def statements(one: Solution) -> list[dict[str, Any]]:
        every = [statement for policy in deployer.policies(one) for statement in policy["Statement"]]
        return [statement for statement in every if statement["Sid"] == "AskEncryptedModels"]

    assert uses({"Statement": statements(solution)}) == {use(number, "s3", READ) for number in (1, 2)}
    assert statements(plain) == []


def test_whoever_pulls_models_may_write_with_their_keys(solution: Solution) -> None:
    entry = ModelFile(UrlFile("https://example.com/a"), "vae", "VAE/a", None, None, None, (PLACE,), ())
    files = model_files.files(replace(solution, model_files=(entry,)))

    assert uses(json.loads(files[model_files.FILE])) == {use(number, "s3", WRITE) for number in (1, 2)}
    assert model_files.files(solution) == {}
