"""The service accounts of Kubernetes that may assume an IAM role, and what each role may do."""

from collections.abc import Iterator
from dataclasses import dataclass

from generator.iam import karpenter, roles
from generator.iam.policy import Policy
from generator.solution import names
from generator.solution.model import Solution


@dataclass(frozen=True)
class ServiceAccount:
    """A service account, the IAM role that it may assume, and the policy of that role."""

    namespace: str
    name: str
    role_name: str
    policy: Policy


def service_accounts(solution: Solution) -> Iterator[ServiceAccount]:
    """Three controllers, and the pods of each runtime that does not name a role of the user's."""
    controllers = (
        (names.KARPENTER_SERVICE_ACCOUNT, "karpenter-controller", karpenter.controller),
        (names.KEDA_SERVICE_ACCOUNT, "keda-operator", roles.keda_operator),
        (names.S3_CSI_SERVICE_ACCOUNT, "s3-csi-driver", roles.s3_csi_driver),
    )
    for account, role, policy in controllers:
        role_name = names.controller_role(solution.stack, role)
        yield ServiceAccount(names.PLATFORM_NAMESPACE, account, role_name, policy(solution))
    for runtime in solution.runtimes:
        if runtime.role_arn.endswith(f":role/{runtime.role_name}"):
            yield ServiceAccount(
                runtime.namespace,
                runtime.service_account,
                runtime.role_name,
                roles.runtime(solution, runtime),
            )
