"""The call of AWS's script that makes a snapshot with the images of a runtime."""

import os
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest

from generator.cli import main
from generator.errors import Exit
from generator.images import snapshot
from generator.solution.model import Solution
from tests.plan.plans import runtime, solve

ROOT = Path(__file__).resolve().parents[2]
ACCOUNT = "111122223333.dkr.ecr.us-east-1.amazonaws.com"
KEY = "arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"


def words(solution: Solution) -> list[str]:
    return shlex.split(snapshot.command(solution, solution.runtimes[0]))


def flag(listed: list[str], name: str) -> str:
    return listed[listed.index(name) + 1]


def solved(top: dict[str, Any] | None = None, **extra: Any) -> Solution:
    return solve(runtime("one", "comfyui", **extra), eksVersion="1.34", **(top or {}))


def test_the_call_has_the_images_of_a_pod() -> None:
    images = words(solved())[-1].split(",")

    assert [image.rpartition(":")[0] for image in images] == [
        f"{ACCOUNT}/sd-on-eks/comfyui",
        f"{ACCOUNT}/sd-on-eks/queue-agent",
    ]


def test_the_trace_collector_is_in_it_where_it_runs() -> None:
    traced = solved(runtime={"queueAgent": {"xray": {"enabled": True}}})

    assert len(words(traced)[-1].split(",")) == 3


def test_region_release_and_size_are_those_of_the_nodes() -> None:
    volume = {"dataVolume": {"volumeSize": "150Gi"}, "amiVersion": "v1.60.0"}
    listed = words(solved(karpenter={"nodeTemplate": volume}))

    assert flag(listed, "--region") == "us-east-1"
    assert flag(listed, "--ami") == "/aws/service/bottlerocket/aws-k8s-1.34/x86_64/1.60.0/image_id"
    assert flag(listed, "--snapshot-size") == "150"


def test_without_a_release_it_is_that_of_the_eks_version() -> None:
    solution = solved()

    assert f"/x86_64/{solution.versions.bottlerocket}/image_id" in flag(words(solution), "--ami")


def test_a_key_for_volumes_encrypts_the_snapshot() -> None:
    listed = words(solved({"kmsKeys": {"volumes": KEY}}))

    # The script reads the key only after --encrypt.
    assert listed.index("--encrypt") < listed.index("--kms-id")
    assert flag(listed, "--kms-id") == KEY
    assert "--kms-id" not in words(solved())


EXAMPLE = ROOT / "examples" / "image-cache-snapshot.yaml"


def test_the_command_prints_the_call(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["images", str(EXAMPLE), "--snapshot", "sdxl-turbo"]) == Exit.DONE
    assert capsys.readouterr().out.startswith("./snapshot.sh --region us-west-2 --ami ")


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--snapshot", "other"], "the config has no runtime other: it has sdxl-turbo"),
        (["--snapshot", "sdxl-turbo", "--format", "json"], "a command is not JSON"),
    ],
)
def test_what_cannot_be_printed_is_refused(
    flags: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.main(["images", str(EXAMPLE), *flags]) == Exit.CONFIG
    assert message in capsys.readouterr().err


def test_make_runs_the_call_in_the_clone(tmp_path: Path) -> None:
    script = tmp_path / "snapshot.sh"
    script.write_text('#!/bin/bash\necho "snap-1 $*"\n')
    script.chmod(0o755)
    values = [f"CONFIG={EXAMPLE}", "RUNTIME=sdxl-turbo", f"IMAGES_CACHE={tmp_path}"]
    done = subprocess.run(
        ["make", "--silent", "snapshot", *values], cwd=ROOT, capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("snap-1 --region us-west-2")


def test_make_says_where_the_script_comes_from(tmp_path: Path) -> None:
    values = [f"CONFIG={EXAMPLE}", "RUNTIME=sdxl-turbo", f"IMAGES_CACHE={tmp_path}"]
    done = subprocess.run(
        ["make", "--silent", "snapshot", *values],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        env=os.environ,
    )

    assert done.returncode == 2
    assert "bottlerocket-images-cache" in done.stderr
