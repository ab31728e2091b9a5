"""`generator smoke` as a process, against the generated stacks: key, API, Lambda, queue, agent, picture."""

import contextlib
import json
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml
from PIL import Image

from local import config as local_config
from local.pipeline import Pipeline, running
from local.pods import Durations
from testing.https_proxy import ApiGatewayProxy

pytestmark = pytest.mark.thorough

CONFIG = {
    "stackName": "smoke",
    "eksVersion": "1.34",
    "region": "us-east-1",
    "accountId": "123456789012",
    "modelBucketArn": "arn:aws:s3:::models",
    "modelsRuntime": [
        {
            "name": "turbo",
            "type": "sdwebui",
            "modelFilename": "sd_xl_turbo_1.0.safetensors",
            # A task has one attempt, so that no test waits for a retry.
            "extraValues": {"runtime": {"queueAgent": {"maxAttempts": 1}}},
        }
    ],
}
PNG = b"\x89PNG\r\n\x1a\n"

Result = subprocess.CompletedProcess[str]
Smoke = Callable[..., Result]


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("config") / "config.yaml"
    path.write_text(yaml.safe_dump(CONFIG))
    return path


@pytest.fixture(scope="module")
def pipeline(config: Path) -> Iterator[Pipeline]:
    """The stacks of the config in an emulator; one simulated runtime, and the agent next to it."""
    built = local_config.build(str(config), config.parent / "build")
    with running(built, Durations(service=0.05, load=0.05), config.parent / "logs") as pipeline:
        yield pipeline


@pytest.fixture(scope="module")
def gateway(pipeline: Pipeline, config: Path) -> Iterator[ApiGatewayProxy]:
    with ApiGatewayProxy(pipeline.cloud.emulator.url, "us-east-1", config.parent) as proxy:
        yield proxy


@pytest.fixture
def smoke(pipeline: Pipeline, gateway: ApiGatewayProxy, config: Path, tmp_path: Path) -> Smoke:
    """Runs the command as a user would, with `tmp_path` as the folder for pictures."""
    emulator = pipeline.cloud.emulator
    environment = emulator.client_env("123456789012", "us-east-1") | gateway.env

    def run(*words: str) -> Result:
        line = [str(Path(sys.executable).with_name("generator")), "smoke", str(config), "--wait", "0.5"]
        line += ["--out", str(tmp_path / "out"), "--output", str(tmp_path / "build"), *words]
        return subprocess.run(line, env=environment, capture_output=True, text=True, check=False)

    return run


def test_a_picture_lands_on_disk_and_its_path_is_printed(smoke: Smoke, tmp_path: Path) -> None:
    result = smoke()

    assert result.returncode == 0, result.stdout + result.stderr
    [picture] = (tmp_path / "out").iterdir()
    assert result.stdout.splitlines()[-1] == str(picture)
    assert picture.read_bytes().startswith(PNG)
    with Image.open(picture) as image:
        image.load()
        assert image.size == (512, 512)


def test_the_task_is_sent_through_the_stacks_own_api(smoke: Smoke, gateway: ApiGatewayProxy) -> None:
    before = gateway.calls

    smoke()

    assert gateway.calls > before


def test_a_runtime_that_the_config_lacks_is_refused_with_those_that_it_has(smoke: Smoke) -> None:
    result = smoke("--runtime", "nobody")

    assert result.returncode == 2
    assert "no runtime nobody: it has turbo" in result.stderr


@contextlib.contextmanager
def faulty(pipeline: Pipeline, kind: str) -> Iterator[None]:
    """The simulated runtime with a fault, for as long as the block lasts."""
    faults = f"{pipeline.pods[0].runtime_url}/_simulation/faults"
    rule = json.dumps({"kind": kind, "times": -1}).encode()
    urllib.request.urlopen(urllib.request.Request(faults, data=rule, method="POST")).close()
    try:
        yield
    finally:
        urllib.request.urlopen(urllib.request.Request(faults, method="DELETE")).close()


def test_a_task_that_fails_ends_with_its_reason_and_no_picture(
    smoke: Smoke, pipeline: Pipeline, tmp_path: Path
) -> None:
    with faulty(pipeline, "oom"):
        result = smoke()

    assert result.returncode == 2, result.stdout + result.stderr
    assert "out of memory" in result.stderr
    assert not (tmp_path / "out").exists()


def test_a_task_that_does_not_end_in_time_is_reported_as_such(smoke: Smoke, pipeline: Pipeline) -> None:
    with faulty(pipeline, "hang"):
        result = smoke("--wait", "0")

    assert result.returncode == 3
    assert "is still" in result.stderr


def test_a_key_outside_of_its_usage_plan_is_refused_with_the_command_for_a_new_one(
    smoke: Smoke, pipeline: Pipeline
) -> None:
    gateway = pipeline.cloud.client("apigateway")
    [key], [plan] = gateway.get_api_keys()["items"], gateway.get_usage_plans()["items"]
    gateway.delete_usage_plan_key(usagePlanId=plan["id"], keyId=key["id"])
    try:
        result = smoke()
    finally:
        gateway.create_usage_plan_key(usagePlanId=plan["id"], keyId=key["id"], keyType="API_KEY")

    assert result.returncode == 2
    assert "has no valid value: `generator keys rotate` makes a new one" in result.stderr


@pytest.mark.parametrize(("text", "message"), [("{nope}", "is not valid JSON"), ("[]", "is not a task")])
def test_a_task_file_that_is_not_valid_is_named(
    smoke: Smoke, tmp_path: Path, text: str, message: str
) -> None:
    (tmp_path / "task.json").write_text(text)

    result = smoke("--task", str(tmp_path / "task.json"))

    assert result.returncode == 2
    assert f"task.json {message}" in result.stderr
