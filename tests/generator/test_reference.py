"""Config files of the reference system, unchanged, through every command that needs no AWS."""

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from generator import yaml_loader
from generator.build.files import RUNTIMES_ALONE
from generator.preflight import themes
from generator.solution.context import Context
from testing import solving
from tests.generator.conftest import Cli

pytestmark = pytest.mark.thorough

TODAY = date(2026, 1, 1)
FOLDER = Path(__file__).parent / "reference"
FILES = sorted(FOLDER.glob("*.yaml"))
# These commands only print what validate, build and render make: one file is enough.
ONE_FILE = [FOLDER / "defaults-of-the-chart.yaml"]
CHINA = Path(__file__).parent / "reference_china" / "image-cache.yaml"
WHERE = ("--account", "123456789012", "--region", "us-west-2")
COMMANDS = {
    "validate": ["validate"],
    "build": ["build"],
    "render": ["render", "--chart", RUNTIMES_ALONE],
}
PRINTING = {
    "build-runtimes": ["build", "--chart", RUNTIMES_ALONE],
    "plan": ["plan"],
    "plan-json": ["plan", "--format", "json"],
    "images": ["images"],
    "images-json": ["images", "--format", "json"],
    "images-script": ["images", "--script"],
    "diff": ["diff"],
}
# AWS creates no cluster with EKS 1.28, the default: these commands report that, and exit with code 2.
MAY_REFUSE = {
    "images-verify": ["images", "--verify"],
    "deploy": ["deploy", "--dry-run"],
}
files = pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)


@files
@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_accepts_the_file(cli: Cli, file: Path, command: str) -> None:
    name, *flags = COMMANDS[command]

    result = cli(name, str(file), *WHERE, *flags)

    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("file", ONE_FILE, ids=lambda file: file.stem)
@pytest.mark.parametrize("command", PRINTING)
def test_a_command_that_prints_accepts_the_file(cli: Cli, file: Path, command: str) -> None:
    name, *flags = PRINTING[command]

    result = cli(name, str(file), *WHERE, *flags)

    assert result.returncode == 0, result.stderr


def test_the_way_to_china_lacks_a_registry_and_nothing_else(cli: Cli) -> None:
    where = ("--account", "123456789012", "--region", "cn-northwest-1")

    result = cli("validate", str(CHINA), *where, "--format", "json")

    found = json.loads(result.stdout)["problems"]
    assert [problem["code"] for problem in found if problem["severity"] == "error"] == ["SD812"]
    # It is below `karpenter`, where the reference system ignores it too.
    assert "SD108" in {problem["code"] for problem in found if problem["path"].endswith("karpenter.scaling")}


def objects(cli: Cli, file: str) -> dict[str, dict[str, Any]]:
    """The manifests of a file, by kind and name."""
    result = cli("render", str(FOLDER / file), *WHERE, "--chart", RUNTIMES_ALONE)
    assert result.returncode == 0, result.stderr
    manifests = yaml_loader.load_all(result.stdout)
    return {f"{item['kind']}/{item['metadata']['name']}": item for item in manifests if item}


def test_what_is_spelled_otherwise_takes_effect(cli: Cli) -> None:
    rendered = objects(cli, "spellings.yaml")

    pictures, graphs = rendered["Deployment/sdruntime"], rendered["Deployment/graphs"]
    assert pictures["metadata"]["namespace"] == "studio"
    agent = rendered["ConfigMap/sdruntime-agent"]["data"]
    assert agent["MODEL_FILENAME"] == "art room v2 (final).safetensors"
    assert agent["DYNAMIC_SD_MODEL"] == "true"
    runtime, queue_agent = graphs["spec"]["template"]["spec"]["containers"]
    secret = {"secretKeyRef": {"name": "huggingface", "key": "token"}}
    assert {"name": "HF_TOKEN", "valueFrom": secret} in runtime["env"]
    settings = {item["name"]: item["value"] for item in queue_agent["env"]}
    assert (settings["LOGLEVEL"], settings["DISABLE_XRAY"]) == ("warn", "true")


def test_nvme_disks_can_be_turned_off(cli: Cli) -> None:
    node_class = objects(cli, "off-switches.yaml")["EC2NodeClass/artroom-artruntime"]["spec"]

    assert "instanceStorePolicy" not in node_class or node_class["instanceStorePolicy"] != "RAID0"


@files
@pytest.mark.parametrize("command", MAY_REFUSE)
def test_a_command_accepts_the_file_or_reports_what_is_wrong(cli: Cli, file: Path, command: str) -> None:
    name, *flags = MAY_REFUSE[command]

    result = cli(name, str(file), *WHERE, *flags)

    assert result.returncode in (0, 2), result.stderr
    assert "Traceback" not in result.stderr


@files
def test_preflight_knows_what_to_check(file: Path) -> None:
    data = yaml_loader.load(file.read_text("utf-8"))
    solution = solving.solution(data, Context("us-west-2", "123456789012", TODAY))

    checks = list(themes.checks(solving.subject(solution)))

    assert {check.theme for check in checks} >= {"models", "images", "quotas", "names", "rights"}
