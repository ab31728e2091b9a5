"""The permissions that deploying with EKS Pod Identity needs: associations, and the roles that they give."""

from generator.iam import accounts
from generator.iam.policy import Statement, actions, allow, arn, iam_arn
from generator.solution import names
from generator.solution.model import Solution


def statements(solution: Solution) -> list[Statement]:
    """None with IRSA, where the trust policy of a role gives it."""
    if not solution.pod_identity:
        return []
    manage = """
        CreatePodIdentityAssociation DeletePodIdentityAssociation DescribePodIdentityAssociation
        UpdatePodIdentityAssociation
    """
    kinds = (f"cluster/{solution.cluster}", f"podidentityassociation/{solution.cluster}/*")
    return [
        allow("AssociateRoles", actions("eks", manage), [arn(solution, "eks", kind) for kind in kinds]),
        allow("ReadPodRoles", "iam:GetRole", _roles(solution)),
        allow(
            "GivePodRoles",
            "iam:PassRole",
            _roles(solution),
            {"StringEquals": {"iam:PassedToService": "pods.eks.amazonaws.com"}},
        ),
    ]


def _roles(solution: Solution) -> list[str]:
    """The roles of controllers, of any runtime, of the CNI plugin, and those of the user."""
    controllers = [iam_arn(solution, f"role/{item.role_name}") for item in accounts.of_controllers(solution)]
    runtimes = iam_arn(solution, f"role/{names.runtime_role(solution.stack, '*')}")
    of_user = {item.role_arn for item in solution.runtimes if accounts.of_runtime(solution, item) is None}
    plugin = [] if solution.existing_cluster else [iam_arn(solution, f"role/eksctl-{solution.stack}-*")]
    return [*controllers, runtimes, *plugin, *sorted(of_user)]
