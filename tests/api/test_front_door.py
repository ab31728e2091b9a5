"""What API Gateway does before the function is asked: key, throttle, paths, methods, a look at the body."""

import concurrent.futures
import json

import pytest

from local.emulator import Emulator
from tests.api.conftest import Deployed, Solve, deploy

TASK = {
    "task": {"metadata": {"runtime": "sdxl-turbo", "tasktype": "text-to-image"}, "content": {"prompt": "x"}}
}


@pytest.mark.parametrize("key", [None, "wrong"])
@pytest.mark.parametrize(
    ("method", "path"), [("POST", "/v1alpha2"), ("GET", "/v1alpha2/sdxl-turbo/a"), ("GET", "/openapi.json")]
)
def test_without_a_valid_key_nothing_is_returned(
    api: Deployed, method: str, path: str, key: str | None
) -> None:
    reply = api.call(method, path, TASK if method == "POST" else None, key=key)

    assert reply.status == 403
    assert reply.headers["content-type"] == "application/problem+json"
    assert "x-api-key" in reply.body["detail"]


@pytest.mark.parametrize("scheme", ["Bearer", "bearer"])
def test_a_key_may_come_as_a_bearer_token(api: Deployed, scheme: str) -> None:
    token = {"authorization": f"{scheme} {api.door.key}"}

    assert api.call("GET", "/openapi.json", key=None, headers=token).status == 200


@pytest.mark.parametrize("token", ["Bearer wrong", "Bearer ", "Bearer", "Basic {key}", "{key}"])
def test_what_is_no_bearer_token_with_a_key_is_refused(api: Deployed, token: str) -> None:
    headers = {"authorization": token.format(key=api.door.key)}

    assert api.call("GET", "/openapi.json", key=None, headers=headers).status == 403


def test_the_key_in_its_own_header_counts_before_a_token_of_a_proxy(api: Deployed) -> None:
    headers = {"authorization": "Bearer of-a-proxy"}

    assert api.call("GET", "/openapi.json", headers=headers).status == 200
    assert api.call("GET", "/openapi.json", key="wrong", headers=headers).status == 403


def test_too_many_requests_are_429_and_say_when_to_try_again(api_emulator: Emulator, solve: Solve) -> None:
    throttle = {"rateLimit": 1, "burstLimit": 2}
    slow = deploy(api_emulator, solve("minimal", stackName="slow", APIGW={"throttle": throttle}))

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        replies = list(pool.map(lambda _: slow.call("GET", "/openapi.json"), range(16)))

    late = [reply for reply in replies if reply.status == 429]
    assert len(late) >= 8
    assert late[0].headers["retry-after"] == "1"
    assert late[0].body["title"] == "Too Many Requests"


@pytest.mark.parametrize("path", ["/", "/v1alpha3", "/v1alpha2/a/b/c", "/runtimes/a/b", "/health/a"])
def test_a_path_that_is_not_there_is_404(api: Deployed, path: str) -> None:
    reply = api.call("GET", path)

    assert (reply.status, reply.body["title"]) == (404, "Not Found")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/v1alpha2", "POST"),
        ("PUT", "/v1alpha1", "POST"),
        ("POST", "/v1alpha2/sdxl-turbo/a", "GET, DELETE"),
        ("POST", "/v1alpha2/sdxl-turbo", "GET"),
        ("POST", "/runtimes", "GET"),
        ("PUT", "/runtimes/sdxl-turbo", "GET"),
        ("DELETE", "/health", "GET"),
        ("DELETE", "/openapi.json", "GET"),
    ],
)
def test_a_method_that_is_not_there_is_405(api: Deployed, method: str, path: str, allowed: str) -> None:
    reply = api.call(method, path, {} if method in {"PUT", "POST"} else None)

    assert (reply.status, reply.headers["allow"]) == (405, allowed)


def test_a_body_that_is_not_a_task_is_refused_before_the_function_runs(
    api_emulator: Emulator, solve: Solve
) -> None:
    checked = deploy(api_emulator, solve("minimal", stackName="checked"))
    gateway = checked.cloud.client("apigateway")
    identifier = checked.door.url.split("/restapis/")[1].split("/")[0]
    # The emulator's CloudFormation makes the model but no validator; its API Gateway does both.
    validator = gateway.create_request_validator(restApiId=identifier, validateRequestBody=True)
    resources = gateway.get_resources(restApiId=identifier)["items"]
    task = next(resource["id"] for resource in resources if resource["path"] == "/v1alpha2")
    change = {"op": "replace", "path": "/requestValidatorId", "value": validator["id"]}
    gateway.update_method(restApiId=identifier, resourceId=task, httpMethod="POST", patchOperations=[change])
    gateway.create_deployment(restApiId=identifier, stageName=checked.solution.api.stage)

    refused, accepted = (
        checked.call("POST", "/v1alpha2", {"tsk": {}}),
        checked.call("POST", "/v1alpha2", {"task": 1}),
    )

    assert refused.status == 400
    assert "`task`" in refused.body["detail"]
    assert "errors" not in refused.body, "this one is API Gateway's own"
    assert accepted.fields == ["task"], "and this one the function's"


def test_the_description_names_the_runtimes_that_there_are(api: Deployed) -> None:
    document = json.dumps(api.call("GET", "/openapi.json").body)

    assert all(f'"{runtime.name}"' in document for runtime in api.solution.runtimes)
