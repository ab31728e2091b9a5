"""The service accounts of Kubernetes that may assume an IAM role, and what each role may do."""

from collections.abc import Iterator
from dataclasses import dataclass

from generator.iam import karpenter, roles
from generator.iam.policy import Policy
from generator.solution import names
from generator.solution.model import Runtime, Solution


@dataclass(frozen=True)
class ServiceAccount:
    """A service account, the IAM role that it may assume, and the policy of that role."""

    namespace: str
    name: str
    role_name: str
    policy: Policy


def service_accounts(solution: Solution) -> Iterator[ServiceAccount]:
    """The controllers, the log collector, and the pods of each runtime without a role of the user's."""
    yield from of_controllers(solution)
    for runtime in solution.runtimes:
        if account := of_runtime(solution, runtime):
            yield account


def of_controllers(solution: Solution) -> Iterator[ServiceAccount]:
    """The controllers of the platform, and the log collector. An existing cluster has controllers already."""
    controllers = [
        (names.KARPENTER_SERVICE_ACCOUNT, "karpenter-controller", karpenter.controller),
        (names.KEDA_SERVICE_ACCOUNT, "keda-operator", roles.keda_operator),
        (names.S3_CSI_SERVICE_ACCOUNT, "s3-csi-driver", roles.s3_csi_driver),
    ]
    if solution.existing_cluster:
        controllers = []
    if solution.observability.logs.enabled:
        controllers.append((names.LOG_COLLECTOR_SERVICE_ACCOUNT, "log-collector", roles.log_collector))
    for account, role, policy in controllers:
        role_name = names.controller_role(solution.stack, role)
        yield ServiceAccount(names.PLATFORM_NAMESPACE, account, role_name, policy(solution))


def of_runtime(solution: Solution, runtime: Runtime) -> ServiceAccount | None:
    """The pods of one runtime; None where they have a role of the user's."""
    if not runtime.role_arn.endswith(f":role/{runtime.role_name}"):
        return None
    policy = roles.runtime(solution, runtime)
    return ServiceAccount(runtime.namespace, runtime.service_account, runtime.role_name, policy)
