"""What the principals of a solution do with its KMS keys: statements for their roles and for the keys.

Sources: https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingKMSEncryption.html (S3),
https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-key-management.html,
https://docs.aws.amazon.com/sns/latest/dg/sns-key-management.html,
https://docs.aws.amazon.com/ebs/latest/userguide/ebs-encryption-requirements.html and
https://docs.aws.amazon.com/autoscaling/ec2/userguide/key-policy-requirements-EBS-encryption.html (EBS),
https://docs.aws.amazon.com/eks/latest/userguide/enable-kms.html, read on 2026-11-26.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from generator.iam.policy import Condition, Policy, Statement, allow, document, iam_arn
from generator.solution import names
from generator.solution.model import Solution

READ = ("kms:Decrypt",)
# S3 reads the parts of an upload when it is completed; SQS and SNS verify a new data key by decrypting it.
WRITE = ("kms:Decrypt", "kms:GenerateDataKey")
# What EC2 does with the key of a volume in the name of the principal that starts the instance.
USE_VOLUMES = (
    "kms:Decrypt",
    "kms:DescribeKey",
    "kms:GenerateDataKeyWithoutPlaintext",
    "kms:ReEncryptFrom",
    "kms:ReEncryptTo",
)
GRANT = "kms:CreateGrant"
# What EKS asks for with the permissions of the principal that creates the cluster.
CREATE_CLUSTER = ("kms:CreateGrant", "kms:DescribeKey")
FOR_AWS: Condition = {"Bool": {"kms:GrantIsForAWSResource": "true"}}
# The role with which Auto Scaling starts the nodes of the managed node group.
AUTO_SCALING = "role/aws-service-role/autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling"
# SNS delivers tasks to the queues, EventBridge interruption events; CloudWatch publishes alarms.
SERVICES = ("cloudwatch.amazonaws.com", "events.amazonaws.com", "sns.amazonaws.com")
# EventBridge's requests to KMS have no aws:SourceAccount: a condition on it would refuse every event.
WITH_SOURCE_ACCOUNT = ("cloudwatch.amazonaws.com",)
# A key's policy has at most 32 KiB, and each role is in up to three statements.
ROLES_MAX = 50


@dataclass(frozen=True)
class KeyUse:
    """What some principals do with one key, through one AWS service.

    `key`: the key of kmsKeys that names it. `service`: the service that calls KMS for the roles, `s3`;
    empty where they call it themselves. `roles`: ARNs, with `*` where they are many; empty for every
    principal of the account that IAM permits. `principal`: an AWS service that uses the key by itself,
    without a role. `in_iam`: the roles' own policies permit it; where not, only the policy of the key can.
    """

    key: str
    arn: str
    service: str
    actions: tuple[str, ...]
    roles: tuple[str, ...] = ()
    principal: str = ""
    in_iam: bool = True


def read(sid: str, keys: Sequence[str], service: str, solution: Solution) -> list[Statement]:
    """Read what is encrypted with these keys in a service; no statement without keys."""
    return _use(sid, READ, keys, (service,), solution)


def write(sid: str, key: str | None, services: Sequence[str], solution: Solution) -> list[Statement]:
    """Read and write what is encrypted with a key in these services; no statement without a key."""
    return _use(sid, WRITE, (key,) if key else (), services, solution)


def start_instances(solution: Solution) -> list[Statement]:
    """Start instances whose volumes are encrypted with kmsKeys.volumes."""
    key = solution.keys.volumes
    if key is None:
        return []
    via: Condition = {"StringEquals": {"kms:ViaService": hosts(("ec2",), (key,), solution)}}
    return [
        allow("UseVolumeKey", USE_VOLUMES, key, via),
        allow("GrantVolumeKey", GRANT, key, via | FOR_AWS),
    ]


def boundary(solution: Solution) -> list[Statement]:
    """The most that any role may do with the keys: what `uses` lists, through the services that it lists."""
    return _boundary(solution, _of_data(solution))


def short_boundary(solution: Solution) -> list[Statement]:
    """The same for all keys of the accounts and regions that have one of them, to save space."""
    patterns = [f"{key.rpartition('/')[0]}/*" for key in _of_data(solution)]
    return _boundary(solution, list(dict.fromkeys(patterns)))


def _of_data(solution: Solution) -> list[str]:
    keys = solution.keys
    return list(dict.fromkeys(filter(None, (*keys.models, *keys.inputs, keys.outputs, keys.messages))))


def _boundary(solution: Solution, data: list[str]) -> list[Statement]:
    keys, statements = solution.keys, []
    if data:
        via: Condition = {"StringLike": {"kms:ViaService": ["s3.*", "sns.*", "sqs.*"]}}
        statements.append(allow("Keys", WRITE, data, via))
    if keys.volumes and solution.existing_cluster is None:
        # Only CreateGrant has the second condition's key.
        for_ec2: Condition = {
            "StringLike": {"kms:ViaService": "ec2.*"},
            "BoolIfExists": FOR_AWS["Bool"],
        }
        statements.append(allow("VolumeKey", [*USE_VOLUMES, GRANT], keys.volumes, for_ec2))
    return statements


def deployer(solution: Solution) -> list[Statement]:
    """Look at the keys of the account, and give EKS the use of the key of its Secrets."""
    partition, account = solution.partition.name, solution.account
    keys = names.arn(partition, "kms", solution.region, account, "key/*")
    statements = [allow("AskKeys", ["kms:DescribeKey", "kms:GetKeyPolicy", "kms:ListGrants"], keys)]
    if (secrets := solution.keys.secrets) and solution.existing_cluster is None:
        cluster = names.arn(partition, "eks", solution.region, account, f"cluster/{solution.stack}")
        statements += [
            allow("GiveSecretsKey", CREATE_CLUSTER, secrets),
            allow("EncryptSecrets", "eks:AssociateEncryptionConfig", cluster),
        ]
    return statements


def _use(
    sid: str, actions: Sequence[str], keys: Sequence[str], services: Sequence[str], solution: Solution
) -> list[Statement]:
    if not keys:
        return []
    via = {"StringEquals": {"kms:ViaService": hosts(services, keys, solution)}}
    return [allow(sid, actions, list(keys), via)]


def hosts(services: Sequence[str], keys: Sequence[str], solution: Solution) -> list[str]:
    """The values of kms:ViaService: a service in the region of the key.

    In China both suffixes: AWS does not document which of them KMS sees there.
    """
    suffixes = dict.fromkeys(("amazonaws.com", solution.partition.dns_suffix))
    regions = dict.fromkeys(region_of(key) for key in keys)
    return [
        f"{service}.{region}.{suffix}" for service in services for region in regions for suffix in suffixes
    ]


def region_of(key: str) -> str:
    """The region of a key, from its ARN."""
    return key.split(":")[3]


def account_of(key: str) -> str:
    """The account of a key, from its ARN."""
    return key.split(":")[4]


def files(solution: Solution) -> dict[str, str]:
    """For each key the statements that its policy needs: iam/key-policy-{key ID}.json."""
    return {
        file_name(arn): json.dumps(key_policy(arn, solution), indent=2) + "\n" for arn in solution.keys.all()
    }


def file_name(arn: str) -> str:
    """The file with the statements for a key."""
    return f"iam/key-policy-{arn.rpartition('/')[2]}.json"


def key_policy(arn: str, solution: Solution) -> Policy:
    """The statements that let the solution use a key, in addition to those that administer it.

    They name the account, with a condition on the role: KMS rejects principals that do not exist yet.
    """
    return document(_statement(use, solution) for use in uses(solution) if use.arn == arn)


def uses(solution: Solution) -> Iterator[KeyUse]:
    """What the principals of a solution do with each key of kmsKeys."""
    keys = solution.keys
    karpenter, api = solution.role_arn("karpenter-controller"), solution.role_arn(names.API_FUNCTION_ROLE)
    webhooks = solution.role_arn(names.WEBHOOKS_ROLE)
    every = _runtime_roles(solution, [runtime.role_arn for runtime in solution.runtimes])
    readers = [runtime.role_arn for runtime in solution.runtimes if runtime.input_buckets]
    # Pods that download their models read them with the role of the runtime.
    loaders = _runtime_roles(solution, [one.role_arn for one in solution.runtimes if one.models.direct])
    existing = solution.existing_cluster is not None
    for arn in keys.models:
        # The role of an existing cluster's driver is not known.
        driver = () if existing else (solution.role_arn("s3-csi-driver"),)
        # No roles means every principal that IAM permits, so those of the runtimes too.
        yield KeyUse("models", arn, "s3", READ, (*driver, *loaders) if driver else ())
    for arn in keys.inputs if readers else ():
        yield KeyUse("inputs", arn, "s3", READ, _runtime_roles(solution, readers))
    if keys.outputs:
        yield KeyUse("outputs", keys.outputs, "s3", WRITE, (*every, api, webhooks))
    if keys.messages:
        senders = (api,) if any(one.high_priority_queue for one in solution.runtimes) else ()
        yield KeyUse("messages", keys.messages, "sqs", WRITE, (*every, *senders))
        if not existing:
            yield KeyUse("messages", keys.messages, "sqs", READ, (karpenter,))
        yield KeyUse("messages", keys.messages, "sqs", READ, (webhooks,))
        yield KeyUse("messages", keys.messages, "sns", WRITE, (*every, api))
        for service in SERVICES:
            yield KeyUse("messages", keys.messages, "", WRITE, principal=service)
    if keys.volumes:
        yield from volume_uses(solution, keys.volumes)
    if keys.secrets and not existing:
        yield KeyUse("secrets", keys.secrets, "", CREATE_CLUSTER)


def volume_uses(solution: Solution, arn: str) -> Iterator[KeyUse]:
    """What starts nodes uses the key of their volumes: Karpenter, and Auto Scaling for the node group.

    In an existing cluster, the role of what starts GPU nodes is not known.
    """
    if solution.existing_cluster:
        yield KeyUse("volumes", arn, "ec2", USE_VOLUMES)
        yield KeyUse("volumes", arn, "ec2", (GRANT,))
        return
    for role, in_iam in (
        (solution.role_arn("karpenter-controller"), True),
        # A service-linked role has no permission on customers' keys, and nobody can change that.
        (iam_arn(solution, AUTO_SCALING), False),
    ):
        yield KeyUse("volumes", arn, "ec2", USE_VOLUMES, (role,), in_iam=in_iam)
        yield KeyUse("volumes", arn, "ec2", (GRANT,), (role,), in_iam=in_iam)


def _runtime_roles(solution: Solution, roles: Sequence[str]) -> tuple[str, ...]:
    """Roles of runtimes; where they are too many for a key's policy, the pattern of the generated ones."""
    if len(roles) <= ROLES_MAX:
        return tuple(dict.fromkeys(roles))
    own = [role for role in roles if not role.startswith(iam_arn(solution, f"role/{solution.stack}-"))]
    return (iam_arn(solution, f"role/{names.runtime_role(solution.stack, '*')}"), *dict.fromkeys(own))


def _statement(use: KeyUse, solution: Solution) -> Statement:
    root = names.arn(solution.partition.name, "iam", "", solution.account, "root")
    equal: dict[str, Any] = {}
    if use.service:
        equal = {
            "kms:CallerAccount": solution.account,
            "kms:ViaService": hosts((use.service,), (use.arn,), solution),
        }
    elif use.principal in WITH_SOURCE_ACCOUNT:
        equal = {"aws:SourceAccount": solution.account}
    condition: Condition = {
        **({"StringEquals": equal} if equal else {}),
        **({"ArnLike": {"aws:PrincipalArn": list(use.roles)}} if use.roles else {}),
        **(FOR_AWS if GRANT in use.actions and use.service else {}),
    }
    principal = {"Service": use.principal} if use.principal else {"AWS": root if use.in_iam else "*"}
    return {
        "Effect": "Allow",
        "Principal": principal,
        "Action": list(use.actions),
        "Resource": "*",
        **({"Condition": condition} if condition else {}),
    }
