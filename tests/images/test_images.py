"""The list of images is complete, and the script copies each to the name that the manifests use."""

import os
import subprocess
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from generator import paths, yaml_loader
from generator.build import files
from generator.build import values as chart_values
from generator.cli import main
from generator.deploy import charts, helm
from generator.facts import image_reference
from generator.facts.facts import Facts
from generator.images import check as images_check
from generator.images import images
from generator.images import script as copy_script
from generator.solution.context import Context
from generator.solution.model import Solution
from testing import solving

FACTS = Facts(paths.data())
ROOT = paths.root()
MIRROR = "mirror.example.com/team"
ALL_TYPES = [
    {"name": "a", "type": "sdwebui", "modelFilename": "m.safetensors"},
    {"name": "b", "type": "comfyui", "extraValues": {"runtime": {"queueAgent": {"xray": {"enabled": True}}}}},
    {"name": "c", "type": "invokeai"},
    {
        "name": "d",
        "type": "custom",
        "extraValues": {
            "runtime": {
                "inferenceApi": {
                    "image": {"repository": "quay.io/team/mine", "digest": f"sha256:{'a' * 64}"},
                    "port": 9000,
                    "probePath": "/ready",
                    "taskPath": "/run",
                }
            }
        },
    },
]


def solve(region: str = "us-west-2", **top: Any) -> Solution:
    partition = FACTS.partition(region).name
    data = {"stackName": "demo", "eksVersion": "1.34", "modelBucketArn": f"arn:{partition}:s3:::m", **top}
    context = Context(region, "123456789012", date(2026, 11, 22))
    return solving.solution({"modelsRuntime": ALL_TYPES, **data}, context)


def rendered(solution: Solution) -> str:
    """The manifests of our own chart."""
    built = chart_values.runtimes_alone(solution)
    eks = solution.versions.eks
    return helm.template(solution.stack, charts.folder(files.RUNTIMES_ALONE, eks), eks, built)


def names_of(solution: Solution) -> list[str]:
    return [image.name for image in images.images(solution)]


@pytest.mark.thorough
@pytest.mark.parametrize(
    "top",
    [
        {},
        {"imageRegistry": MIRROR},
        {"region": "cn-north-1", "imageRegistry": MIRROR},
        {"eksVersion": "1.28"},
    ],
    ids=["public", "mirror", "china", "1.28"],
)
def test_every_image_of_the_runtimes_is_listed_by_the_name_that_the_chart_gives_it(
    top: dict[str, Any],
) -> None:
    solution = solve(**top)

    assert images_check.unlisted(rendered(solution), names_of(solution)) == []


def test_an_image_that_the_list_lacks_is_found() -> None:
    solution = solve()
    incomplete = [name for name in names_of(solution) if "collector" not in name]

    assert images_check.unlisted(rendered(solution), incomplete) == [
        "public.ecr.aws/aws-observability/aws-otel-collector:v0.43.1"
    ]


@pytest.mark.parametrize("eks", FACTS.eks_versions())
def test_the_platforms_images_carry_the_versions_of_the_row(eks: str) -> None:
    solution = solve(eksVersion=eks)
    versions = solution.versions

    listed = names_of(solution)

    assert f"public.ecr.aws/karpenter/controller:{versions.karpenter}" in listed
    assert sum(name.endswith(f":{versions.keda_app}") and "kedacore" in name for name in listed) == 3
    assert f"{images.S3_CSI_DRIVER}:v{versions.s3_csi}" in listed


@pytest.mark.parametrize("eks", FACTS.eks_versions())
def test_with_a_mirror_every_value_points_to_it(eks: str) -> None:
    solution = solve(eksVersion=eks, imageRegistry=MIRROR)
    platform = yaml_loader.load(chart_values.umbrella(solution)["values/platform.yaml"])

    csi = platform["aws-mountpoint-s3-csi-driver"]
    repositories = {
        csi["image"]["repository"],
        *(part["image"]["repository"] for part in csi["sidecars"].values()),
        platform["karpenter"]["controller"]["image"]["repository"],
    }
    listed = {name.rpartition(":")[0] for name in names_of(solution)}
    assert all(repository.startswith(f"{MIRROR}/") for repository in repositories)
    assert repositories <= listed
    assert {part["registry"] for part in platform["keda"]["image"].values()} == {MIRROR}


def test_with_a_mirror_only_the_users_own_images_come_from_elsewhere() -> None:
    listed = images.images(solve(imageRegistry=MIRROR))

    assert {image.name for image in listed if not image.name.startswith(MIRROR)} == {
        f"quay.io/team/mine@sha256:{'a' * 64}"
    }


def test_china_names_the_hosts_of_eks_own_add_ons() -> None:
    listed = images.images(solve("cn-northwest-1", imageRegistry=MIRROR))

    hosts = {image_reference.parse(image.name).registry for image in listed if image.how == "eks"}
    assert hosts == {"961992271922.dkr.ecr.cn-northwest-1.amazonaws.com.cn"}


def test_images_of_this_project_are_built_from_folders_that_exist() -> None:
    built = [image for image in images.images(solve()) if image.how == "built"]

    assert {image.source for image in built} == {
        "images/sdwebui",
        "images/comfyui",
        "images/invokeai",
        "agent",
    }
    for image in built:
        assert (ROOT / image.source / "Dockerfile").is_file()


RECORDER = """\
#!/bin/sh
echo "$(basename "$0") $*" >> "$CALLS"
[ "$2" = describe-repositories ] && exit 255
exit 0
"""


@pytest.mark.parametrize("tool", copy_script.TOOLS)
def test_the_script_copies_every_image_to_its_name(tool: copy_script.Tool, tmp_path: Path) -> None:
    registry = "123456789012.dkr.ecr.us-west-2.amazonaws.com"
    listed = images.images(solve(imageRegistry=registry))
    script = tmp_path / "images.sh"
    script.write_text(copy_script.script(listed, tool))
    for name in ("crane", "skopeo", "docker", "aws"):
        (tmp_path / name).write_text(RECORDER)
        (tmp_path / name).chmod(0o755)
    calls = tmp_path / "calls"
    environment = {"PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}", "CALLS": str(calls)}

    subprocess.run(["bash", str(script)], env=environment, check=True, capture_output=True)

    commands = calls.read_text()
    for image in listed:
        if image.how in ("copied", "built"):
            assert image.name in commands
    assert commands.count("ecr create-repository") == len(
        {i.name.partition(":")[0] for i in listed if i.how != "yours"}
    )


def test_a_registry_that_is_not_ecr_is_left_to_the_users_own_login() -> None:
    text = copy_script.script(images.images(solve(imageRegistry="mirror.example.com")), "crane")

    assert "# Log in to mirror.example.com first." in text
    assert "aws ecr" not in text


CHART = """\
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: node}
spec:
  template:
    spec:
      initContainers: [{name: first, image: registry.test/first:1}]
      containers:
        - name: driver
          image: registry.test/driver:2@sha256:abc
          env: [{name: MOUNTPOINT_IMAGE, value: "registry.test/mount:3"}]
"""


def test_init_containers_and_images_in_variables_are_seen() -> None:
    assert images_check.unlisted(CHART, []) == [
        "registry.test/driver:2@sha256:abc",
        "registry.test/first:1",
        "registry.test/mount:3",
    ]


def test_a_digest_next_to_a_tag_is_the_same_image() -> None:
    names = ["registry.test/driver:2", "registry.test/first:1", "registry.test/mount:3"]

    assert images_check.unlisted(CHART, names) == []


def test_the_command_verifies_against_the_chart(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["images", str(ROOT / "examples" / "many-runtimes.yaml"), "--verify"]) == 0
    assert capsys.readouterr().out.startswith("the list holds every image of sd-")
