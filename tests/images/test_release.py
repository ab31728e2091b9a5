"""A release holds what the charts refer to, and its workflow trusts no name that can move."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from generator import yaml_loader

ROOT = Path(__file__).resolve().parents[2]
CHARTS = ROOT / "charts"
BAKE = (ROOT / "docker-bake.hcl").read_text("utf-8")
WORKFLOW = (ROOT / ".github" / "workflows" / "release.yaml").read_text("utf-8")
VERSION = yaml_loader.load((CHARTS / "sd-runtimes" / "Chart.yaml").read_text("utf-8"))["version"]


def variable(name: str) -> str:
    [value] = re.findall(rf'^variable "{name}" {{\n  default = "(.*)"\n}}', BAKE, re.MULTILINE)
    return str(value)


def targets() -> dict[str, str]:
    """The body of each target that builds an image."""
    bodies = dict(re.findall(r'^target "([a-z-]+)" {\n(.*?)^}', BAKE, re.MULTILINE | re.DOTALL))
    return {name: str(body) for name, body in bodies.items()}


def tag(body: str) -> str:
    [text] = re.findall(r'tags += \["(.*)"\]', body)
    return str(text).replace("${REGISTRY}", variable("REGISTRY")).replace("${VERSION}", variable("VERSION"))


def test_every_part_has_the_version_of_the_chart() -> None:
    umbrella = yaml_loader.load((CHARTS / "sd-on-eks" / "Chart.yaml").read_text("utf-8"))
    packages = [
        tomllib.loads((ROOT / file).read_text("utf-8")) for file in ("pyproject.toml", "agent/pyproject.toml")
    ]

    versions = {variable("VERSION"), umbrella["version"], *(one["project"]["version"] for one in packages)}

    assert versions == {VERSION}


def test_the_images_that_are_built_are_those_that_the_charts_name() -> None:
    profiles = [
        yaml_loader.load((CHARTS / f"sd-runtimes/profiles/{kind}.yaml").read_text("utf-8"))
        for kind in targets()
        if kind != "queue-agent"
    ]
    named = {f"{profile['image']['repository']}:{profile['image']['tag']}" for profile in profiles}
    values: dict[str, Any] = yaml_loader.load((CHARTS / "sd-runtimes" / "values.yaml").read_text("utf-8"))
    agent = values["defaults"]["runtime"]["queueAgent"]["image"]["repository"]

    assert {tag(body) for body in targets().values()} == {*named, f"{agent}:{VERSION}"}


@pytest.mark.parametrize("name", targets())
def test_an_image_has_its_dockerfile_and_the_files_it_copies(name: str) -> None:
    body = targets()[name]
    [context] = re.findall(r'context += "(.*)"', body)
    contexts = dict(re.findall(r'(\w+) = "(charts/[^"]*)"', body))

    dockerfile = (ROOT / context / "Dockerfile").read_text("utf-8")

    copied = re.findall(r"^COPY --from=(\w+)", dockerfile, re.MULTILINE)
    assert set(copied) == {"build", *contexts}
    assert all((ROOT / folder).is_dir() for folder in contexts.values())


def test_the_workflow_builds_every_image() -> None:
    workflow = yaml_loader.load(WORKFLOW)

    assert set(workflow["jobs"]["image"]["strategy"]["matrix"]["target"]) == set(targets())


def test_actions_are_named_by_commit() -> None:
    used = re.findall(r"uses: (\S+)", WORKFLOW)

    assert used
    assert [name for name in used if not re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", name)] == []


def test_the_workflow_runs_for_tags_of_versions_only() -> None:
    # YAML 1.1 reads the key `on` as true.
    workflow = yaml_loader.load(WORKFLOW)

    assert workflow[True] == {"push": {"tags": ["v*.*.*"]}}
    assert workflow["permissions"] == {}
