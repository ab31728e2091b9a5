"""The CloudFormation templates of the roles of service accounts.

With EKS Pod Identity each has an association as well. With IRSA, in an existing cluster, the trust policy of
each names the cluster's OIDC issuer, which is a parameter of the template: EKS chooses it.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from generator.build import jinja, stack_layout
from generator.build.resources import logical_id, tag_list
from generator.build.stack_layout import StackPart
from generator.iam import accounts
from generator.iam.accounts import ServiceAccount
from generator.iam.policy import Policy, arn, document, iam_arn
from generator.solution.model import Runtime, Solution

# The parameter with the host and path of the issuer, `oidc.eks.REGION.amazonaws.com/id/ID`.
ISSUER = "OidcIssuer"
# https://docs.aws.amazon.com/eks/latest/userguide/associate-service-account-role.html; in China too, as in
# pkg/iam/oidc of eksctl v0.230.0.
_AUDIENCE = "sts.amazonaws.com"


@dataclass(frozen=True)
class _Association:
    """The variables of one service account in the template. Without `account`, the role is the user's."""

    id: str
    namespace: str
    service_account: str
    role_arn: str
    account: ServiceAccount | None
    trust: dict[str, Any]
    tags: list[dict[str, str]]


def files(solution: Solution) -> dict[str, str]:
    """The templates by file name; none where eksctl creates the roles."""
    return {
        part.file: jinja.render(
            "stack/identity.yaml.j2",
            solution=solution,
            issuer=ISSUER,
            associations=list(_associations(solution, part, index)),
        )
        for index, part in enumerate(stack_layout.identity_parts(solution))
    }


def _associations(solution: Solution, part: StackPart, index: int) -> Iterator[_Association]:
    if index == 0:
        for account in accounts.of_controllers(solution):
            yield _of_controller(solution, account)
    for runtime in part.runtimes:
        yield _of_runtime(solution, runtime)


def _of_controller(solution: Solution, account: ServiceAccount) -> _Association:
    name = account.role_name.removeprefix(f"{solution.stack}-")
    return _Association(
        id="".join(word.capitalize() for word in name.split("-")),
        namespace=account.namespace,
        service_account=account.name,
        role_arn=solution.role_arn(name),
        account=account,
        trust=_trust(solution, account.namespace, account.name),
        tags=tag_list(solution.resource_tags()),
    )


def _of_runtime(solution: Solution, runtime: Runtime) -> _Association:
    return _Association(
        id=f"Runtime{logical_id(runtime.name)}",
        namespace=runtime.namespace,
        service_account=runtime.service_account,
        role_arn=runtime.role_arn,
        account=accounts.of_runtime(solution, runtime),
        trust=_trust(solution, runtime.namespace, runtime.service_account),
        tags=tag_list(solution.resource_tags(runtime)),
    )


def _trust(solution: Solution, namespace: str, service_account: str) -> dict[str, Any]:
    """The trust policy, or the function of CloudFormation that returns it."""
    if solution.pod_identity:
        return _trust_in_cluster(solution, namespace, service_account)
    # The keys of a condition cannot be functions: the whole policy is one text.
    return {"Fn::Sub": json.dumps(_trust_in_issuer(solution, namespace, service_account))}


def _trust_in_issuer(solution: Solution, namespace: str, service_account: str) -> Policy:
    """Only this service account has the role: its token, which the cluster's issuer signs, names it."""
    issuer = f"${{{ISSUER}}}"
    statement = {
        "Sid": "GiveToServiceAccount",
        "Effect": "Allow",
        "Principal": {"Federated": iam_arn(solution, f"oidc-provider/{issuer}")},
        "Action": "sts:AssumeRoleWithWebIdentity",
        "Condition": {
            "StringEquals": {
                f"{issuer}:aud": _AUDIENCE,
                f"{issuer}:sub": f"system:serviceaccount:{namespace}:{service_account}",
            }
        },
    }
    return document([statement])


def _trust_in_cluster(solution: Solution, namespace: str, service_account: str) -> Policy:
    """Only this service account of this cluster may have the role: EKS tags each session with both.

    https://docs.aws.amazon.com/eks/latest/userguide/pod-id-role.html and pod-id-abac.html
    """
    tags = {
        "eks-cluster-arn": arn(solution, "eks", f"cluster/{solution.cluster}"),
        "kubernetes-namespace": namespace,
        "kubernetes-service-account": service_account,
    }
    statement = {
        "Sid": "GiveToServiceAccount",
        "Effect": "Allow",
        "Principal": {"Service": "pods.eks.amazonaws.com"},
        "Action": ["sts:AssumeRole", "sts:TagSession"],
        "Condition": {"StringEquals": {f"aws:RequestTag/{key}": value for key, value in tags.items()}},
    }
    return document([statement])
