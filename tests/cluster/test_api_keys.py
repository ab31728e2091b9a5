"""The keys of APIGW.keys in the stack, and what a template never has: their values."""

import json
from typing import Any

from generator.build import stack
from generator.solution import names
from tests.cluster.conftest import Resolve
from tests.cluster.stack_template import Template

LIMITED = {"name": "web-shop", "throttle": {"rateLimit": 5}, "quota": {"limit": 1000, "period": "WEEK"}}
FREE = {"name": "a-b"}


def template(solution_of: Resolve, **gateway: Any) -> Template:
    return Template(stack.files(solution_of("minimal", APIGW=gateway))["stack.yaml"])


def properties(found: Template, name: str) -> dict[str, Any]:
    resource: dict[str, Any] = found.resources[name]["Properties"]
    return resource


def test_each_key_has_a_usage_plan_of_its_own(solution_of: Resolve) -> None:
    made = template(solution_of, keys=[LIMITED, FREE], throttle={"rateLimit": 30, "burstLimit": 50})

    plan = properties(made, "ApiUsagePlanwebDashshop")
    assert plan["UsagePlanName"] == "sdoneks-api-web-shop"
    assert plan["Throttle"] == {"RateLimit": 5, "BurstLimit": 50}
    assert plan["Quota"] == {"Limit": 1000, "Period": "WEEK"}
    assert plan["ApiStages"] == [{"ApiId": {"Ref": "Api"}, "Stage": {"Ref": "ApiStage"}}]
    assert properties(made, "ApiUsagePlanKeywebDashshop") == {
        "KeyId": {"Ref": "ApiKeywebDashshop"},
        "KeyType": "API_KEY",
        "UsagePlanId": {"Ref": "ApiUsagePlanwebDashshop"},
    }
    free = properties(made, "ApiUsagePlanaDashb")
    assert free["Throttle"] == {"RateLimit": 30, "BurstLimit": 50}
    assert "Quota" not in free


def test_the_solutions_own_key_stays_as_it_is_when_others_come(solution_of: Resolve) -> None:
    alone, joined = template(solution_of), template(solution_of, keys=[LIMITED])

    for name in ("ApiKey", "ApiUsagePlan", "ApiUsagePlanKey"):
        assert alone.resources[name] == joined.resources[name]


def test_no_template_has_the_value_of_a_key(solution_of: Resolve) -> None:
    keys = template(solution_of, keys=[LIMITED, FREE]).of("AWS::ApiGateway::ApiKey").values()

    assert len(keys) == 3
    assert not [key for key in keys if {"Value", "GenerateDistinctId"} & set(key["Properties"])]


def test_the_function_knows_the_names_of_the_keys_by_their_ids(solution_of: Resolve) -> None:
    function = properties(template(solution_of, keys=[LIMITED]), "ApiFunction")

    text = function["Environment"]["Variables"]["KEY_NAMES"]["Fn::Sub"]
    ids = {"ApiKey": "id1", "ApiKeywebDashshop": "id2"}
    for name, value in ids.items():
        text = text.replace(f"${{{name}}}", value)
    assert json.loads(text) == {"id1": "default", "id2": "web-shop"}


def test_the_tags_of_a_key_name_it(solution_of: Resolve) -> None:
    made = template(solution_of, keys=[FREE])

    for name, key in (("ApiKey", "default"), ("ApiKeyaDashb", "a-b"), ("ApiUsagePlanaDashb", "a-b")):
        tags = {tag["Key"]: tag["Value"] for tag in properties(made, name)["Tags"]}
        assert (tags[names.STACK_TAG], tags[names.API_KEY_TAG]) == ("sdoneks", key)


def test_without_origins_no_path_is_open_without_a_key(solution_of: Resolve) -> None:
    methods = template(solution_of).of("AWS::ApiGateway::Method").values()

    assert {method["Properties"]["AuthorizationType"] for method in methods} == {"CUSTOM"}


def test_with_origins_browsers_may_ask_before_each_request(solution_of: Resolve) -> None:
    made = template(solution_of, cors={"allowOrigins": ["https://app.example.com"]})
    methods = [method["Properties"] for method in made.of("AWS::ApiGateway::Method").values()]

    public = [method for method in methods if method["AuthorizationType"] == "NONE"]
    assert {method["HttpMethod"] for method in public} == {"OPTIONS"}
    assert not [method for method in public if method.get("ApiKeyRequired")]
    assert {json.dumps(method["ResourceId"]) for method in public} == {
        json.dumps(method["ResourceId"]) for method in methods
    }


def test_with_origins_a_page_can_read_refusals_and_pictures(solution_of: Resolve) -> None:
    made = template(solution_of, cors={"allowOrigins": ["https://app.example.com"]})

    for response in made.of("AWS::ApiGateway::GatewayResponse").values():
        headers = response["Properties"]["ResponseParameters"]
        assert headers["gatewayresponse.header.Access-Control-Allow-Origin"] == "'*'"
    [bucket] = made.of("AWS::S3::Bucket").values()
    [rule] = bucket["Properties"]["CorsConfiguration"]["CorsRules"]
    assert rule["AllowedOrigins"] == ["https://app.example.com"]
    assert rule["AllowedMethods"] == ["GET", "HEAD", "PUT"]


def test_other_origins_are_a_change_of_the_api_that_is_deployed(solution_of: Resolve) -> None:
    closed, opened = (
        template(solution_of, **gateway).of("AWS::ApiGateway::Deployment")
        for gateway in ({}, {"cors": {"allowOrigins": ["*"]}})
    )

    assert set(closed) != set(opened)
