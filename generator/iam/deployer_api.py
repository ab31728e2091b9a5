"""The permissions that deploying needs for the HTTP API: its functions, and API Gateway."""

from generator.iam import roles
from generator.iam.conditions import all_of, giving, having, via_cloudformation
from generator.iam.policy import Condition, Statement, actions, allow, arn
from generator.solution import names
from generator.solution.model import Solution

_READ_FUNCTION = """
    GetFunction GetFunctionCodeSigningConfig GetFunctionRecursionConfig GetFunctionScalingConfig GetPolicy
    GetRuntimeManagementConfig ListTags
"""
_CHANGE_FUNCTION = """
    AddPermission CreateFunction DeleteFunction RemovePermission TagResource UntagResource UpdateFunctionCode
    UpdateFunctionConfiguration
"""
_READ_MAPPING = "GetEventSourceMapping ListTags TagResource UntagResource"
_CHANGE_MAPPING = "DeleteEventSourceMapping UpdateEventSourceMapping"
_MANAGE_KEPT = """
    CreateSecret DeleteSecret DescribeSecret GetSecretValue TagResource UntagResource UpdateSecret
"""
# API Gateway generates the ids of these, and its actions are HTTP methods on paths.
_KINDS = ("apikeys", "restapis", "usageplans")


def statements(solution: Solution) -> list[Statement]:
    """CloudFormation changes the functions; of all APIs of the region only the stack's can be read."""
    by_stack = via_cloudformation()
    stack = solution.stack
    own_functions = (names.api(stack), names.api_authorizer(stack), names.webhooks(stack))
    functions = [arn(solution, "lambda", f"function:{name}") for name in own_functions]
    # A tag is inherited by all that belongs to an API or to a usage plan.
    # https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-tagging-supported-resources.html
    own_tag = {names.STACK_TAG: solution.stack}
    own = having(own_tag)
    every = "DELETE GET PATCH POST PUT"
    return [
        allow("FindApiFunctions", actions("lambda", _READ_FUNCTION), functions),
        allow("ManageApiFunctions", actions("lambda", _CHANGE_FUNCTION), functions, by_stack),
        allow("ManageApi", actions("apigateway", every), _paths(solution, *(f"{k}/*" for k in _KINDS)), own),
        allow("MakeApi", "apigateway:POST", _paths(solution, *_KINDS), by_stack),
        # `generator keys`: it lists the plans of the region, and makes keys and plans of the solution. A list
        # of keys would have the values of all.
        allow("ListPlans", "apigateway:GET", _paths(solution, "usageplans")),
        allow("MakeKeys", "apigateway:POST", _paths(solution, "apikeys", "usageplans"), giving(own_tag)),
        *_webhooks(solution, functions),
        # /account holds the log role of all APIs of the region.
        allow("TagApi", actions("apigateway", every), _paths(solution, "account", "tags/*"), by_stack),
    ]


def _webhooks(solution: Solution, functions: list[str]) -> list[Statement]:
    """The mapping of the queue of webhooks, and their secret: CloudFormation alone may read it."""
    by_stack = via_cloudformation()
    # Lambda generates the ids of mappings; what is mapped is known by its function.
    mappings = arn(solution, "lambda", "event-source-mapping:*")
    to_own: Condition = {"ArnEquals": {"lambda:FunctionArn": functions}}
    return [
        allow("FindMappings", actions("lambda", _READ_MAPPING), mappings, by_stack),
        allow("ChangeMappings", actions("lambda", _CHANGE_MAPPING), mappings, all_of(to_own, by_stack)),
        # It has no resource type.
        allow("MakeMappings", "lambda:CreateEventSourceMapping", "*", all_of(to_own, by_stack)),
        allow(
            "ManageWebhookSecret",
            actions("secretsmanager", _MANAGE_KEPT),
            roles.webhook_secret(solution),
            by_stack,
        ),
        allow("MakePasswords", "secretsmanager:GetRandomPassword", "*", by_stack),
    ]


def _paths(solution: Solution, *paths: str) -> list[str]:
    partition, region = solution.partition.name, solution.region
    return [names.arn(partition, "apigateway", region, "", f"/{path}") for path in paths]
