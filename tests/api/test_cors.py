"""What a browser is told: which pages may read an answer, and what they may send."""

import urllib.request
from http.client import HTTPResponse

import pytest

from api.cors import cors_headers
from local.emulator import Emulator
from tests.api.conftest import Deployed, Solve, deploy

PAGE = "https://app.example.com"


@pytest.fixture(scope="module")
def open_api(api_emulator: Emulator, solve: Solve) -> Deployed:
    gateway = {"cors": {"allowOrigins": [PAGE, "http://localhost:3000"]}}
    return deploy(api_emulator, solve("minimal", stackName="pages", APIGW=gateway))


def preflight(api: Deployed, path: str, origin: str) -> HTTPResponse:
    headers = {
        "Origin": origin,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization,content-type",
    }
    request = urllib.request.Request(api.door.url + path, method="OPTIONS", headers=headers)
    answer: HTTPResponse = urllib.request.urlopen(request, timeout=30)
    return answer


def test_a_browser_may_ask_without_a_key(open_api: Deployed) -> None:
    with preflight(open_api, "/v1alpha2", PAGE) as answer:
        assert answer.status == 204
        assert answer.headers["Access-Control-Allow-Origin"] == PAGE
        assert answer.headers["Access-Control-Allow-Methods"] == "POST"
        assert answer.headers["Access-Control-Allow-Headers"] == "authorization,content-type"
        assert answer.headers["Vary"] == "Origin"


def test_another_page_is_not_allowed(open_api: Deployed) -> None:
    with preflight(open_api, "/v1alpha2", "https://evil.example.com") as answer:
        assert "Access-Control-Allow-Origin" not in answer.headers


def test_answers_and_refusals_can_be_read_by_the_page(open_api: Deployed) -> None:
    origin = {"origin": PAGE}

    answer = open_api.call("GET", "/openapi.json", headers=origin)
    unknown = open_api.call("GET", "/v1alpha2/sdxl-turbo/unknown", headers=origin)
    keyless = open_api.call("GET", "/openapi.json", headers=origin, key=None)

    assert answer.headers["access-control-allow-origin"] == PAGE
    assert unknown.headers["access-control-allow-origin"] == PAGE
    assert (keyless.status, keyless.headers["access-control-allow-origin"]) == (403, "*")


def test_without_origins_no_page_is_allowed(api: Deployed) -> None:
    answer = api.call("GET", "/openapi.json", headers={"origin": PAGE})

    assert not [name for name in answer.headers if name.startswith("access-control")]


@pytest.mark.parametrize(
    ("origins", "origin", "allowed"),
    [
        (["*"], PAGE, "*"),
        (["*"], "", "*"),
        ([PAGE], PAGE, PAGE),
        ([PAGE], "https://app.example.com.evil.com", None),
        ([PAGE], "null", None),
        ([PAGE], "", None),
        ([], PAGE, None),
    ],
)
def test_only_a_listed_origin_is_allowed(origins: list[str], origin: str, allowed: str | None) -> None:
    assert cors_headers({"ORIGIN": origin}, origins).get("Access-Control-Allow-Origin") == allowed
