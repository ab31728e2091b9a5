"""The permissions that deploying needs for the HTTP API: its functions, and API Gateway."""

from generator.iam.conditions import giving, having, via_cloudformation
from generator.iam.policy import Statement, actions, allow, arn
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
# API Gateway generates the ids of these, and its actions are HTTP methods on paths.
_KINDS = ("apikeys", "restapis", "usageplans")


def statements(solution: Solution) -> list[Statement]:
    """CloudFormation changes the functions; of all APIs of the region only the stack's can be read."""
    by_stack = via_cloudformation()
    api, authorizer = names.api(solution.stack), names.api_authorizer(solution.stack)
    functions = [arn(solution, "lambda", f"function:{name}") for name in (api, authorizer)]
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
        # `generator keys`: it lists the keys and plans of the region, and makes those of the solution.
        allow("ListKeys", "apigateway:GET", _paths(solution, "apikeys", "usageplans")),
        allow("MakeKeys", "apigateway:POST", _paths(solution, "apikeys", "usageplans"), giving(own_tag)),
        # /account holds the log role of all APIs of the region.
        allow("TagApi", actions("apigateway", every), _paths(solution, "account", "tags/*"), by_stack),
    ]


def _paths(solution: Solution, *paths: str) -> list[str]:
    partition, region = solution.partition.name, solution.region
    return [names.arn(partition, "apigateway", region, "", f"/{path}") for path in paths]
