"""Uploads: a file goes straight into the bucket, by a link of one size and type, for its own key's tasks."""

import urllib.request
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from queue_agent.task import protocol
from queue_agent.task.inputs import UPLOAD_NAME

from api.uploads import UPLOADS_PATH
from generator.build import api_gateway
from generator.solution import names
from tests.api.conftest import Deployed

RUNTIME = "sdxl-turbo"


def ask(api: Deployed, **changes: Any) -> Any:
    body = {"runtime": RUNTIME, "content_type": "image/png", "bytes": 3, **changes}
    return api.call("POST", UPLOADS_PATH, {name: value for name, value in body.items() if value is not None})


def test_a_file_is_put_where_the_address_says(api: Deployed) -> None:
    upload = ask(api).body
    headers = {**upload["headers"], "x-other": "y"}

    request = urllib.request.Request(upload["url"], b"abc", headers, method=upload["method"])
    with urllib.request.urlopen(request, timeout=10) as answer:
        assert answer.status == 200

    bucket, _, key = upload["address"].removeprefix("s3://").partition("/")
    stored = api.cloud.client("s3").get_object(Bucket=bucket, Key=key)
    assert (stored["Body"].read(), stored["ContentType"]) == (b"abc", "image/png")
    folder, _, name = key.rpartition("/")
    assert f"{folder}/" == protocol.upload_folder("default") and UPLOAD_NAME.fullmatch(name)
    assert folder.startswith(f"{protocol.ASSETS_FOLDER}/"), "where files expire"


def test_size_and_type_are_signed(api: Deployed) -> None:
    query = parse_qs(urlsplit(ask(api).body["url"]).query)

    assert query["X-Amz-SignedHeaders"] == ["content-length;content-type;host"]
    assert int(query["X-Amz-Expires"][0]) <= 3600


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"bytes": 0}, "bytes"),
        ({"bytes": 1.5}, "bytes"),
        ({"bytes": 2**30 + 1}, "bytes"),
        ({"bytes": "3"}, "bytes"),
        ({"bytes": None}, "bytes"),
        ({"content_type": "text/html"}, "content_type"),
        ({"content_type": "image/png\r\nx: y"}, "content_type"),
        ({"content_type": "image/png; charset=x"}, "content_type"),
        ({"runtime": "../x"}, "runtime"),
        ({"name": "cat.png"}, "name"),
    ],
)
def test_another_request_is_refused_with_its_field(api: Deployed, changes: Any, field: str) -> None:
    reply = ask(api, **changes)

    assert (reply.status, reply.fields) == (400, [field])


def test_an_unknown_runtime_is_404(api: Deployed) -> None:
    assert ask(api, runtime="nobody").status == 404


def test_no_runtime_can_have_the_name_of_a_path() -> None:
    below = {entry.part for entry in api_gateway.RESOURCES if entry.parent == "V1alpha2"} - {"{runtime}"}

    assert below == {names.UPLOADS_PATH_PART}
