"""KMS keys: whether those of the config can be used, and which one EBS takes by default."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from generator.aws import errors
from generator.aws.asker import Asker
from generator.iam import keys
from generator.iam.keys import KeyUse
from generator.iam.policy import Policy
from generator.preflight import key_policy
from generator.preflight.check import Check, Subject
from generator.preflight.key_policy import Request
from generator.preflight.result import CheckStatus, Result
from generator.solution import names
from generator.solution.model import Solution

THEME = "keys"
DEFAULT_EBS = "default key of EBS"
AWS_KEY_OF_EBS = "alias/aws/ebs"
# A multi-Region key whose primary Region changes encrypts and decrypts all the same.
# https://docs.aws.amazon.com/kms/latest/developerguide/key-state.html
USABLE = ("Enabled", "Updating")


@dataclass(frozen=True)
class Key:
    """What KMS says of a key. `policy`: None where only the key's own account may read it.

    `grants`: the operations that each principal has by a grant.
    """

    arn: str
    state: str
    is_symmetric: bool
    is_customers: bool
    policy: Policy | None
    grants: tuple[tuple[str, frozenset[str]], ...] = ()


def checks(subject: Subject) -> Iterator[Check[Any]]:
    """One for each key of the config, and the default key of EBS where the config has none for volumes."""
    solution = subject.solution
    for arn in solution.keys.all():
        uses = [use for use in keys.uses(solution) if use.arn == arn]
        if uses:
            name = f"{' and '.join(dict.fromkeys(f'kmsKeys.{use.key}' for use in uses))} ({arn})"
            yield Check(THEME, name, partial(key, solution, arn), partial(judge, solution, name, uses))
    # Nodes of an existing cluster start with its default key already.
    if solution.keys.volumes is None and solution.existing_cluster is None:
        yield Check(THEME, DEFAULT_EBS, partial(default_ebs_key, solution), partial(judge_default, solution))


def key(solution: Solution, arn: str, asker: Asker) -> Key | None:
    """A key with its policy and grants; None when there is no such key."""
    return asker.once(f"key {arn}", lambda asker: _key(solution, arn, asker))


def _key(solution: Solution, arn: str, asker: Asker) -> Key | None:
    kms = asker.client("kms", keys.region_of(arn))
    own = keys.account_of(arn) == solution.account
    try:
        row = kms.describe_key(KeyId=arn)["KeyMetadata"]
    except errors.refusals() as error:
        if errors.code(error) == "NotFoundException":
            return None
        if own or not errors.denied(error):
            raise
        # The owner of a key need not let the deployer look at it.
        return Key(arn, "Enabled", is_symmetric=True, is_customers=True, policy=None)
    policy: Policy | None = None
    grants: tuple[tuple[str, frozenset[str]], ...] = ()
    if own and row["KeyManager"] == "CUSTOMER":
        policy = json.loads(kms.get_key_policy(KeyId=arn, PolicyName="default")["Policy"])
        pages = kms.get_paginator("list_grants").paginate(KeyId=arn)
        rows = [grant for page in pages for grant in page["Grants"]]
        grants = tuple((str(one["GranteePrincipal"]), frozenset(one["Operations"])) for one in rows)
    return Key(
        arn=str(row["Arn"]),
        state=str(row["KeyState"]),
        is_symmetric=row.get("KeySpec", "SYMMETRIC_DEFAULT") == "SYMMETRIC_DEFAULT"
        and row.get("KeyUsage", "ENCRYPT_DECRYPT") == "ENCRYPT_DECRYPT",
        is_customers=row["KeyManager"] == "CUSTOMER",
        policy=policy,
        grants=grants,
    )


def default_ebs_key(solution: Solution, asker: Asker) -> Key | None:
    """The customer's key that EBS takes where none is named; None where it is AWS's own."""
    name = str(asker.client("ec2").get_ebs_default_kms_key_id()["KmsKeyId"])
    if name.endswith(AWS_KEY_OF_EBS):
        return None
    found = key(solution, key_arn(solution, name), asker)
    return found if found and found.is_customers else None


def key_arn(solution: Solution, name: str) -> str:
    """The ARN of a key or alias of the account, which some services name without it."""
    if name.startswith("arn:"):
        return name
    resource = name if name.startswith("alias/") else f"key/{name}"
    return names.arn(solution.partition.name, "kms", solution.region, solution.account, resource)


def judge(solution: Solution, name: str, uses: Sequence[KeyUse], key: Key | None) -> Iterator[Result]:
    """A key that cannot be used makes S3, SQS, SNS or EC2 refuse each request, some of them silently."""
    if key is None:
        yield Result(THEME, name, CheckStatus.FAILED, "the key does not exist", "change or remove it")
        return
    if fault := _fault(key, uses):
        yield Result(THEME, name, CheckStatus.FAILED, *fault)
        return
    if key.policy is None:
        message = "usable" if not key.is_customers else "the policy of another account's key cannot be read"
        status = CheckStatus.NOT_ASKED if key.is_customers else CheckStatus.PASSED
        help = f"its owner adds {keys.file_name(uses[0].arn)} of the build to its policy{_foreign(uses, key)}"
        yield Result(THEME, name, status, message, help if key.is_customers else "")
        return
    help = f"add the statements of {keys.file_name(uses[0].arn)} of the build to the policy of the key"
    refused = [_who(use) for use in uses if _verdict(solution, use, key) is False]
    unsure = [_who(use) for use in uses if _verdict(solution, use, key) is None]
    if refused:
        message = f"the policy of the key does not let {', '.join(dict.fromkeys(refused))} use it"
        yield Result(THEME, name, CheckStatus.FAILED, message, help)
    elif unsure:
        message = f"its conditions cannot be judged for {', '.join(dict.fromkeys(unsure))}"
        yield Result(THEME, name, CheckStatus.WARNING, message, f"if they do not hold, {help}")
    else:
        yield Result(THEME, name, CheckStatus.PASSED, "enabled, and its policy allows what is needed")


def judge_default(solution: Solution, key: Key | None) -> Iterator[Result]:
    """With a customer's key that EC2 may not use for them, nodes end as soon as they start."""
    if key is None:
        yield Result(THEME, DEFAULT_EBS, CheckStatus.PASSED, "AWS's own key")
        return
    uses = [replaced for use in keys.volume_uses(solution, key.arn) if (replaced := _without_iam(use))]
    if key.policy is not None and all(_verdict(solution, use, key) for use in uses):
        message = f"{key.arn}, whose policy lets EC2 use it for every role"
        yield Result(THEME, DEFAULT_EBS, CheckStatus.PASSED, message)
        return
    message = f"{key.arn}: Karpenter's role may not use it, so nodes would end as soon as they start"
    help = f"set kmsKeys.volumes: {key.arn}, which gives the role the permission"
    yield Result(THEME, DEFAULT_EBS, CheckStatus.FAILED, message, help)


def _without_iam(use: KeyUse) -> KeyUse:
    return KeyUse(use.key, use.arn, use.service, use.actions, use.roles, in_iam=False)


def _fault(key: Key, uses: Sequence[KeyUse]) -> tuple[str, str] | None:
    """Message and help for a key that nothing can be encrypted with."""
    if key.state not in USABLE:
        return f"its state is {key.state}", "enable it, or use another key"
    if not key.is_symmetric:
        return "it is not a symmetric key for encryption", "use a key of the type SYMMETRIC_DEFAULT"
    if not key.is_customers and {use.key for use in uses} & {"messages", "secrets"}:
        return "it is a key that AWS manages: other services cannot use it", "use a customer managed key"
    return None


def _foreign(uses: Sequence[KeyUse], key: Key) -> str:
    """What a key of another account needs besides its policy."""
    roles = [role for use in uses if not use.in_iam for role in use.roles]
    if not roles:
        return ""
    operations = (
        "Decrypt Encrypt GenerateDataKeyWithoutPlaintext ReEncryptFrom ReEncryptTo CreateGrant DescribeKey"
    )
    command = f"aws kms create-grant --key-id {key.arn} --grantee-principal {roles[0]}"
    return f"; then create a grant for the node group: {command} --operations {operations}"


def _who(use: KeyUse) -> str:
    if use.principal:
        return use.principal
    others = {"models": "the CSI driver", "volumes": "what starts the nodes"}
    return use.roles[0].rpartition("/")[2] if use.roles else others.get(use.key, "the deployer")


def _verdict(solution: Solution, use: KeyUse, key: Key) -> bool | None:
    """Whether the policy or a grant of a key allows a use: False if one action of one role is refused."""
    granted = {operation for role, operations in key.grants if role in use.roles for operation in operations}
    actions = [action for action in use.actions if action.removeprefix("kms:") not in granted]
    verdicts = [
        key_policy.allows(key.policy or {}, _request(solution, use, role.replace("*", "x"), action))
        for role in use.roles or ("",)
        for action in actions
    ]
    return False if False in verdicts else None if None in verdicts else True


def _request(solution: Solution, use: KeyUse, role: str, action: str) -> Request:
    account = solution.account
    context: dict[str, str | None] = {"aws:PrincipalAccount": account, "kms:CallerAccount": account}
    context |= {"kms:GrantIsForAWSResource": "true", "aws:SecureTransport": "true"}
    if use.principal == "events.amazonaws.com":
        context |= {"aws:SourceAccount": None, "aws:SourceArn": None}
    elif use.principal:
        context |= {"aws:SourceAccount": account}
    else:
        context |= {"aws:PrincipalArn": role}
        context["kms:ViaService"] = (
            keys.hosts((use.service,), (use.arn,), solution)[-1] if use.service else None
        )
    return Request(action, account, role, use.principal, use.in_iam, context)
