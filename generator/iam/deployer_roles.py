"""The IAM permissions that deploying needs: roles within a permissions boundary, and the cluster's issuer."""

from generator.iam import boundary
from generator.iam.conditions import all_of, bounded_by, giving, having, via_cloudformation
from generator.iam.deployer_network import EKSCTL_TAG
from generator.iam.policy import Condition, Statement, actions, allow, deny, iam_arn
from generator.solution import names
from generator.solution.model import Solution

# The managed policies that our templates, and eksctl v0.230.0, attach to roles.
MANAGED_POLICIES = (
    "AmazonEC2ContainerRegistryPullOnly",
    "AmazonEC2ContainerRegistryReadOnly",
    "AmazonEKSClusterPolicy",
    "AmazonEKSVPCResourceController",
    "AmazonEKSWorkerNodePolicy",
    "AmazonEKS_CNI_Policy",
    "AmazonSSMManagedInstanceCore",
    "service-role/AmazonAPIGatewayPushToCloudWatchLogs",
)
# The name that CloudFormation gives to the role ApiLogRole of api-stage.yaml.j2.
API_LOG_ROLE = "{stack}-ApiLogRole-*"
CONTROLLER_ROLES = ("karpenter-controller", "karpenter-node", "keda-operator", "s3-csi-driver")
SERVICE_LINKED_ROLES = ("autoscaling", "eks", "eks-nodegroup", "spot")

_READ = """
    GetRole GetRolePolicy ListAttachedRolePolicies ListInstanceProfilesForRole ListRolePolicies
"""
# The actions for which IAM knows the boundary of the role, except AttachRolePolicy.
# https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsidentityandaccessmanagement.html
_WITH_BOUNDARY = "CreateRole DeleteRolePolicy DetachRolePolicy PutRolePolicy"
_CHANGE = "DeleteRole UntagRole UpdateAssumeRolePolicy UpdateRole UpdateRoleDescription"
_ISSUER = """
    AddClientIDToOpenIDConnectProvider DeleteOpenIDConnectProvider UntagOpenIDConnectProvider
"""


def statements(solution: Solution) -> list[Statement]:
    """No role without the boundary is created or given a policy, and only roles of the stack are changed."""
    if solution.existing_cluster:
        return [*_roles(solution), *_passed(solution), *_found_issuer(solution)]
    return [*_roles(solution), *_passed(solution), *_issuer(solution), *_service_linked(solution)]


def _roles(solution: Solution) -> list[Statement]:
    # eksctl creates roles for the cluster of the solution.
    prefixes = [solution.stack, *([] if solution.existing_cluster else [f"eksctl-{solution.stack}"])]
    roles = [iam_arn(solution, f"role/{prefix}-*") for prefix in prefixes]
    attachable = [
        names.arn(solution.partition.name, "iam", "", "aws", f"policy/{name}") for name in MANAGED_POLICIES
    ]
    bounded, by_stack = bounded_by(boundary.arn(solution)), via_cloudformation()
    known: Condition = {"ArnEquals": {"iam:PolicyARN": attachable}}
    own = {names.STACK_TAG: solution.stack}
    return [
        allow("FindRoles", actions("iam", _READ), roles),
        allow("MakeBoundedRoles", actions("iam", _WITH_BOUNDARY), roles, all_of(bounded, by_stack)),
        allow("AttachKnownPolicies", "iam:AttachRolePolicy", roles, all_of(bounded, known, by_stack)),
        allow("ChangeOwnRoles", actions("iam", _CHANGE), roles, all_of(having(own), by_stack)),
        # A stack can import a role by its name, and `ChangeOwnRoles` follows the tag: only the names we use.
        allow("TagRoles", "iam:TagRole", _own_roles(solution), all_of(giving(own), by_stack)),
        # A trust policy may name the deployer; a denial in its own policy counts nevertheless.
        deny("NeverBecomeARole", "sts:AssumeRole", roles),
    ]


def _own_roles(solution: Solution) -> list[str]:
    """The ARNs of the roles that our templates and eksctl create."""
    stack = solution.stack
    functions = (names.API_FUNCTION_ROLE, names.API_AUTHORIZER_ROLE, names.WEBHOOKS_ROLE)
    controllers = () if solution.existing_cluster else CONTROLLER_ROLES
    single = (*functions, names.IMAGE_BUILDER_ROLE, "log-collector", *controllers)
    ours = [names.controller_role(stack, name) for name in single]
    ours += [names.runtime_role(stack, "*"), API_LOG_ROLE.format(stack=stack)]
    ours += [] if solution.existing_cluster else [f"eksctl-{stack}-*"]
    return [iam_arn(solution, f"role/{name}") for name in ours]


def _passed(solution: Solution) -> list[Statement]:
    """The roles by name and service: IAM knows neither tags nor boundary of a role that is passed."""
    stack, ec2 = solution.stack, ["ec2.amazonaws.com", solution.partition.ec2_principal]
    of_eksctl, function = f"eksctl-{stack}-*", ["lambda.amazonaws.com"]
    of_cluster = (
        ("GiveClusterRoles", of_eksctl, ["eks.amazonaws.com", *sorted(set(ec2))]),
        ("GiveNodeRole", names.controller_role(stack, "karpenter-node"), sorted(set(ec2))),
    )
    rows = (
        ("GiveApiLogRole", API_LOG_ROLE.format(stack=stack), ["apigateway.amazonaws.com"]),
        ("GiveFunctionRole", names.controller_role(stack, names.API_FUNCTION_ROLE), function),
        ("GiveAuthorizerRole", names.controller_role(stack, names.API_AUTHORIZER_ROLE), function),
        ("GiveWebhooksRole", names.controller_role(stack, names.WEBHOOKS_ROLE), function),
        *(() if solution.existing_cluster else of_cluster),
    )
    return [
        allow(
            sid,
            "iam:PassRole",
            iam_arn(solution, f"role/{role}"),
            {"StringEquals": {"iam:PassedToService": services}},
        )
        for sid, role, services in rows
    ]


def _issuer(solution: Solution) -> list[Statement]:
    """EKS generates the id in the issuer's URL, so the provider of the cluster is told by eksctl's tag.

    eksctl tags it with the request that creates it. IAM then takes the tags of the request as those of the
    resource: Karpenter's own policy gives `iam:TagInstanceProfile` on the same two conditions.
    """
    provider, cluster = _issuers(solution), {EKSCTL_TAG: solution.stack}
    both = all_of(giving(cluster), having(cluster))
    return [
        *_found_issuer(solution),
        allow("MakeClusterIssuer", "iam:CreateOpenIDConnectProvider", provider, giving(cluster)),
        allow("TagClusterIssuer", "iam:TagOpenIDConnectProvider", provider, both),
        allow("ManageClusterIssuer", actions("iam", _ISSUER), provider, having(cluster)),
    ]


def _found_issuer(solution: Solution) -> list[Statement]:
    read = actions("iam", "GetOpenIDConnectProvider ListOpenIDConnectProviderTags")
    return [allow("FindIssuers", read, _issuers(solution))]


def _issuers(solution: Solution) -> str:
    issuer = f"oidc-provider/oidc.eks.{solution.region}.{solution.partition.dns_suffix}/id/*"
    return iam_arn(solution, issuer)


def _service_linked(solution: Solution) -> list[Statement]:
    linked = [f"{name}.amazonaws.com" for name in SERVICE_LINKED_ROLES]
    return [
        allow(
            "MakeServiceLinkedRoles",
            "iam:CreateServiceLinkedRole",
            iam_arn(solution, "role/aws-service-role/*"),
            {"StringEquals": {"iam:AWSServiceName": linked}},
        )
    ]
