"""KMS keys: a key that somebody may not use is found before anything is created."""

import json
from typing import Any

import pytest

from generator.iam import keys as iam_keys
from generator.preflight import key_policy
from generator.preflight import keys as keys_module
from generator.preflight.key_policy import Request
from generator.preflight.result import CheckStatus, Result
from tests.preflight.conftest import RUNTIME, Sandbox

ACCOUNT = "123456789012"
ROOT = f"arn:aws:iam::{ACCOUNT}:root"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/demo"
VIA = "ec2.us-east-1.amazonaws.com"


def policy(**statement: Any) -> dict[str, Any]:
    defaults = {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "kms:*", "Resource": "*"}
    return {"Statement": [{**defaults, **statement}]}


def request(**fields: Any) -> Request:
    context = {"kms:ViaService": VIA, "kms:CallerAccount": ACCOUNT, "aws:SourceAccount": None}
    defaults = {"action": "kms:Decrypt", "account": ACCOUNT, "role": ROLE, "context": context}
    return Request(**{**defaults, **fields})


SERVICE = request(role="", service="sns.amazonaws.com")
NOT_IN_IAM = request(delegated=False)


@pytest.mark.parametrize(
    ("statement", "asked", "allowed"),
    [
        ({}, request(), True),
        ({"Principal": "*"}, request(), True),
        ({"Principal": {"AWS": ROOT}}, request(), True),
        ({"Principal": {"AWS": [ACCOUNT]}}, request(), True),
        ({"Principal": {"AWS": ROLE}}, NOT_IN_IAM, True),
        # The account's root stands for who has the permission in IAM, and for no service.
        ({"Principal": {"AWS": ROOT}}, NOT_IN_IAM, False),
        ({"Principal": {"AWS": ROOT}}, SERVICE, False),
        ({"Principal": {"AWS": "*"}}, SERVICE, False),
        ({"Principal": {"Service": ["sns.amazonaws.com"]}}, SERVICE, True),
        ({"Principal": {"Service": "sqs.amazonaws.com"}}, SERVICE, False),
        ({"Principal": {"AWS": ROLE.replace("demo", "other")}}, request(), False),
        ({"Principal": {"AWS": ROOT.replace(ACCOUNT, "210987654321")}}, request(), False),
        ({"Action": ["kms:GenerateDataKey*", "kms:decrypt"]}, request(), True),
        ({"Action": "kms:Describe*"}, request(), False),
        ({"Action": "kms:GenerateDataKey"}, request(action="kms:GenerateDataKeyWithoutPlaintext"), False),
        ({"Condition": {"StringEquals": {"kms:ViaService": [VIA]}}}, request(), True),
        ({"Condition": {"StringEquals": {"kms:viaservice": "s3.us-east-1.amazonaws.com"}}}, request(), False),
        ({"Condition": {"StringLike": {"kms:ViaService": "ec2.*.amazonaws.com"}}}, request(), True),
        ({"Condition": {"StringNotEquals": {"kms:ViaService": VIA}}}, request(), False),
        # EventBridge's requests lack this key.
        ({"Condition": {"StringEquals": {"aws:SourceAccount": ACCOUNT}}}, request(), False),
        ({"Condition": {"StringEqualsIfExists": {"aws:SourceAccount": ACCOUNT}}}, request(), True),
        ({"Condition": {"StringEquals": {"aws:PrincipalOrgID": "o-1"}}}, request(), None),
        ({"Condition": {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}}, request(), None),
        ({"Condition": {"ForAnyValue:StringEquals": {"kms:ViaService": VIA}}}, request(), None),
    ],
)
def test_one_statement_of_a_policy(statement: dict[str, Any], asked: Request, allowed: bool | None) -> None:
    assert key_policy.allows(policy(**statement), asked) is allowed


@pytest.mark.parametrize(
    ("second", "allowed"),
    [
        ({"Effect": "Deny"}, False),
        ({"Effect": "Deny", "Principal": {"AWS": ROOT}}, False),
        ({"Effect": "Deny", "Action": "kms:Encrypt"}, True),
        ({"Effect": "Deny", "NotAction": "kms:Encrypt"}, False),
        ({"Effect": "Deny", "Condition": {"StringNotEquals": {"kms:ViaService": VIA}}}, True),
        ({"Effect": "Deny", "Condition": {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}}, None),
        ({"Effect": "Deny", "NotPrincipal": {"AWS": ROLE}}, None),
    ],
)
def test_a_deny_wins(second: dict[str, Any], allowed: bool | None) -> None:
    statements = [*policy()["Statement"], *policy(**second)["Statement"]]

    assert key_policy.allows({"Statement": statements}, NOT_IN_IAM) is allowed


def create(sandbox: Sandbox, *statements: dict[str, Any], **options: Any) -> str:
    """A key whose policy has the usual statement for the account, and more; its ARN."""
    account = {**policy()["Statement"][0], "Principal": {"AWS": f"arn:aws:iam::{sandbox.account.id}:root"}}
    document = json.dumps({"Version": "2012-10-17", "Statement": [account, *statements]})
    return str(sandbox.client("kms").create_key(Policy=document, **options)["KeyMetadata"]["Arn"])


def result(sandbox: Sandbox, name: str, **keys: Any) -> Result:
    return sandbox.one("keys", f"kmsKeys.{name}", config={"kmsKeys": keys})


@pytest.mark.thorough
def test_roles_need_no_more_than_the_usual_statement(sandbox: Sandbox) -> None:
    key = create(sandbox)

    assert result(sandbox, "models", models=[key]).status is CheckStatus.PASSED
    assert result(sandbox, "outputs", outputs=key).status is CheckStatus.PASSED
    assert result(sandbox, "secrets", secrets=key).status is CheckStatus.PASSED


@pytest.mark.thorough
def test_services_need_a_statement_of_their_own(sandbox: Sandbox) -> None:
    failed = result(sandbox, "messages", messages=create(sandbox))

    assert failed.status is CheckStatus.FAILED
    for service in ("cloudwatch", "events", "sns"):
        assert f"{service}.amazonaws.com" in failed.message
    assert "iam/key-policy-" in failed.help


def test_auto_scaling_needs_a_statement_or_a_grant(sandbox: Sandbox) -> None:
    key = create(sandbox)
    failed = result(sandbox, "volumes", volumes=key)
    assert failed.status is CheckStatus.FAILED
    assert "AWSServiceRoleForAutoScaling" in failed.message
    assert "karpenter" not in failed.message

    sandbox.client("kms").create_grant(
        KeyId=key,
        GranteePrincipal=f"arn:aws:iam::{sandbox.account.id}:{iam_keys.AUTO_SCALING}",
        Operations=[
            "Decrypt",
            "DescribeKey",
            "GenerateDataKeyWithoutPlaintext",
            "ReEncryptFrom",
            "ReEncryptTo",
            "CreateGrant",
        ],
    )
    assert result(sandbox, "volumes", volumes=key).status is CheckStatus.PASSED


def test_the_statements_of_the_build_are_what_a_key_needs(sandbox: Sandbox) -> None:
    keys = {name: create(sandbox) for name in ("outputs", "messages", "volumes", "secrets")}
    config = {"kmsKeys": {**keys, "models": [create(sandbox)]}}
    solution = sandbox.subject(config).solution
    for arn in solution.keys.all():
        # Without the usual statement: these alone must do.
        document = json.dumps(iam_keys.key_policy(arn, solution))
        sandbox.client("kms").put_key_policy(KeyId=arn, PolicyName="default", Policy=document)

    results = [one for one in sandbox.run(config=config, theme="keys").results if one.theme == "keys"]

    assert len(results) == 5
    assert {one.status for one in results} == {CheckStatus.PASSED}


@pytest.mark.thorough
@pytest.mark.parametrize("state", ["Disabled", "PendingDeletion"])
def test_a_key_that_is_off_fails(sandbox: Sandbox, state: str) -> None:
    key, kms = create(sandbox), sandbox.client("kms")
    if state == "Disabled":
        kms.disable_key(KeyId=key)
    else:
        kms.schedule_key_deletion(KeyId=key, PendingWindowInDays=7)

    failed = result(sandbox, "outputs", outputs=key)

    assert (failed.status, failed.message) == (CheckStatus.FAILED, f"its state is {state}")


def test_a_multi_region_key_whose_primary_changes_can_be_used(sandbox: Sandbox) -> None:
    key = "arn:aws:kms:us-east-1:123456789012:key/mrk-1234abcd12ab34cd56ef1234567890ab"
    solution = sandbox.subject({"kmsKeys": {"outputs": key}}).solution
    updating = keys_module.Key(key, "Updating", is_symmetric=True, is_customers=True, policy=policy())

    [passed] = keys_module.judge(solution, "kmsKeys.outputs", list(iam_keys.uses(solution)), updating)

    assert passed.status is CheckStatus.PASSED


def test_a_policy_that_refuses_unencrypted_connections_lets_all_others_in(sandbox: Sandbox) -> None:
    deny = {
        "Sid": "TlsOnly",
        "Effect": "Deny",
        "Principal": "*",
        "Action": "kms:*",
        "Resource": "*",
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }

    assert result(sandbox, "outputs", outputs=create(sandbox, deny)).status is CheckStatus.PASSED


@pytest.mark.thorough
def test_a_key_that_does_not_exist_fails(sandbox: Sandbox) -> None:
    missing = f"arn:aws:kms:us-east-1:{sandbox.account.id}:key/12345678-1234-1234-1234-123456789012"

    assert result(sandbox, "outputs", outputs=missing).message == "the key does not exist"


def test_a_key_that_does_not_encrypt_fails(sandbox: Sandbox) -> None:
    key = create(sandbox, KeySpec="HMAC_256", KeyUsage="GENERATE_VERIFY_MAC")

    assert "not a symmetric key" in result(sandbox, "outputs", outputs=key).message


def test_the_owner_of_a_key_in_another_account_is_told_what_it_needs(sandbox: Sandbox) -> None:
    key = "arn:aws:kms:us-east-1:210987654321:key/12345678-1234-1234-1234-123456789012"
    foreign = iam_keys.KeyUse("volumes", key, "ec2", ("kms:Decrypt",), (ROLE,), in_iam=False)
    solution = sandbox.subject({"kmsKeys": {"volumes": key}}).solution
    found = keys_module.Key(key, "Enabled", is_symmetric=True, is_customers=True, policy=None)

    [asked] = keys_module.judge(solution, "kmsKeys.volumes", [foreign], found)

    assert asked.status is CheckStatus.NOT_ASKED
    assert "iam/key-policy-12345678-1234-1234-1234-123456789012.json" in asked.help
    assert f"create-grant --key-id {key} --grantee-principal {ROLE}" in asked.help


@pytest.mark.thorough
def test_a_customers_default_key_for_ebs_must_be_in_the_config(sandbox: Sandbox) -> None:
    key = create(sandbox)
    sandbox.more_ec2.default_key = key

    failed = sandbox.one("keys", "default key of EBS")

    assert failed.status is CheckStatus.FAILED
    assert "end as soon as they start" in failed.message
    assert failed.help.startswith(f"set kmsKeys.volumes: {key}")
    assert not [
        one
        for one in sandbox.run(config={"kmsKeys": {"volumes": key}}).results
        if one.name == "default key of EBS"
    ]


def test_a_default_key_that_ec2_may_use_for_every_role_passes(sandbox: Sandbox) -> None:
    condition = {"StringEquals": {"kms:ViaService": VIA, "kms:CallerAccount": sandbox.account.id}}
    sandbox.more_ec2.default_key = create(sandbox, policy(Condition=condition)["Statement"][0])

    assert sandbox.one("keys", "default key of EBS").status is CheckStatus.PASSED


def test_awss_own_default_key_passes(sandbox: Sandbox) -> None:
    assert sandbox.one("keys", "default key of EBS").message == "AWS's own key"


def put(sandbox: Sandbox, **options: Any) -> None:
    bucket = f"models-{sandbox.account.id}"
    sandbox.client("s3").put_object(Bucket=bucket, Key="Stable-diffusion/more.ckpt", Body=b"x", **options)


def test_models_that_are_encrypted_with_a_key_of_the_config_pass(sandbox: Sandbox) -> None:
    key = create(sandbox)
    put(sandbox, ServerSideEncryption="aws:kms", SSEKMSKeyId=key)

    failed = sandbox.one("encryption", "objects in models")
    passed = sandbox.one("encryption", "objects in models", config={"kmsKeys": {"models": [key]}})

    assert failed.status is CheckStatus.FAILED
    assert f"Stable-diffusion/more.ckpt is encrypted with {key}" in failed.message
    assert failed.help == f"set kmsKeys.models: [{key}]"
    assert passed.status is CheckStatus.PASSED


def test_models_that_only_the_uploader_can_decrypt_fail(sandbox: Sandbox) -> None:
    put(sandbox, SSECustomerAlgorithm="AES256", SSECustomerKey="k" * 32)

    assert "SSE-C" in sandbox.one("encryption", "objects in models").message


@pytest.mark.parametrize("storage", ["GLACIER", "DEEP_ARCHIVE"])
def test_models_in_an_archive_fail(sandbox: Sandbox, storage: str) -> None:
    put(sandbox, StorageClass=storage)

    assert "must be restored" in sandbox.one("encryption", "objects in models").message


def test_inputs_that_are_encrypted_with_a_key_of_the_config_pass(sandbox: Sandbox) -> None:
    key, bucket = create(sandbox), f"inputs-{sandbox.account.id}"
    s3 = sandbox.client("s3")
    s3.create_bucket(Bucket=bucket)
    default = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key}
    rules = {"Rules": [{"ApplyServerSideEncryptionByDefault": default}]}
    s3.put_bucket_encryption(Bucket=bucket, ServerSideEncryptionConfiguration=rules)
    runtime = {**RUNTIME, "extraValues": {"runtime": {"queueAgent": {"inputBuckets": [bucket]}}}}
    config: dict[str, Any] = {"modelsRuntime": [runtime]}

    failed = sandbox.one("encryption", f"inputs in {bucket}", config=config)
    config["kmsKeys"] = {"inputs": [key]}
    passed = sandbox.one("encryption", f"inputs in {bucket}", config=config)

    assert (failed.status, failed.help) == (CheckStatus.FAILED, f"set kmsKeys.inputs: [{key}]")
    assert passed.status is CheckStatus.PASSED
