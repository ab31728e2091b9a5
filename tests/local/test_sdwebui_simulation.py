"""The simulated SD WebUI answers as a real A1111 does: the requests that `make test-sdwebui` sends to one."""

import json
import re
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any

import pytest

from tests.agent.adapters.conftest import (
    Sim,
    simulate,  # noqa: F401 - a fixture
)
from tests.local.sdwebui_requests import ROWS, Row, sizes


@pytest.fixture(scope="module")
def sim(simulate: Callable[..., Sim]) -> Sim:  # noqa: F811 - the fixture
    models = ("--model", "tiny.safetensors", "--model", "other.safetensors")
    return simulate("sdwebui", "--plain", "--service-time", "0.01", *models)


def answer(sim: Sim, row: Row) -> tuple[int, Any]:
    head = {"Content-Type": "application/json"}
    request = urllib.request.Request(f"{sim.url}/sdapi/v1{row.path}", json.dumps(row.body).encode(), head)
    try:
        with urllib.request.urlopen(request, timeout=10) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


@pytest.mark.parametrize("name", ROWS)
def test_a_request_is_answered_as_by_the_real_one(sim: Sim, name: str):
    row = ROWS[name]

    status, document = answer(sim, row)

    assert status == row.status, document
    assert re.search(row.words, json.dumps(document))
    assert row.sizes is None or sizes(document) == row.sizes
    info = json.loads(document.get("info") or "{}") if row.info else {}
    assert {key: info[key] for key in row.info} == row.info


def test_its_record_says_when_a_request_was_read_and_its_response_sent(sim: Sim):
    answer(sim, Row("/txt2img", {"prompt": "a cat"}))

    with urllib.request.urlopen(f"{sim.url}/_simulation/gpu", timeout=10) as response:
        record = json.load(response)
    run, exchange = record["runs"][-1], record["exchanges"][-1]
    assert exchange["asked"] <= run["started"] <= run["ended"] <= exchange["answered"]
