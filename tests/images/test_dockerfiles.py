"""The example images: pinned, without root, and startable as the chart's profiles start them."""

import os
import re
import subprocess
from pathlib import Path

import pytest
import yaml

from generator import paths

ROOT = paths.root()
FOLDERS = ("sdwebui", "comfyui", "invokeai")


def dockerfile(name: str) -> str:
    return (ROOT / "images" / name / "Dockerfile").read_text("utf-8")


def profile(name: str) -> dict[str, object]:
    text = (ROOT / "charts" / "sd-runtimes" / "profiles" / f"{name}.yaml").read_text("utf-8")
    loaded: dict[str, object] = yaml.safe_load(text)
    return loaded


@pytest.mark.parametrize("name", FOLDERS)
def test_the_last_user_is_not_root(name: str) -> None:
    assert re.findall(r"^USER (.*)$", dockerfile(name), re.MULTILINE)[-1] == "1000:1000"


@pytest.mark.parametrize("name", FOLDERS)
def test_the_base_image_has_a_version_and_can_be_pinned_by_digest(name: str) -> None:
    text = dockerfile(name)

    base = re.search(r"^ARG BASE=\S+:(\S+)$", text, re.MULTILINE)
    assert base is not None
    assert re.search(r"\d+\.\d+\.\d+", base[1])
    assert re.findall(r"^FROM (.*)$", text, re.MULTILINE) == ["${BASE}"]


@pytest.mark.parametrize("name", FOLDERS)
def test_what_is_installed_by_name_has_a_version(name: str) -> None:
    installed = re.findall(r"pip install (.*?)(?: --index-url| \\|$)", dockerfile(name), re.MULTILINE)

    for words in installed:
        assert all(
            "==" in word for word in words.split() if not word.startswith("-") and word != "requirements.txt"
        )


@pytest.mark.parametrize("name", FOLDERS)
def test_the_version_is_the_one_that_the_profile_names(name: str) -> None:
    image = profile(name)["image"]
    assert isinstance(image, dict)
    version = re.sub(r"^v|-cuda$", "", image["tag"])

    assert version in dockerfile(name).splitlines()[0]


def run_serve(tmp_path: Path, **environment: str) -> list[str]:
    """The arguments that serve.sh gives to SD WebUI."""
    (tmp_path / "serve.sh").write_text((ROOT / "images" / "sdwebui" / "serve.sh").read_text())
    python = tmp_path / "bin" / "python"
    python.parent.mkdir()
    python.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    python.chmod(0o755)
    path = f"{python.parent}{os.pathsep}{os.environ['PATH']}"
    command = ["bash", str(tmp_path / "serve.sh")]
    result = subprocess.run(
        command, env={"PATH": path, **environment}, capture_output=True, text=True, check=True
    )
    return result.stdout.splitlines()


def test_a_static_sd_webui_loads_its_checkpoint(tmp_path: Path) -> None:
    arguments = run_serve(tmp_path, API_ONLY="true", SD_MODEL_CHECKPOINT="a b.safetensors")

    assert arguments[:2] == ["launch.py", "--skip-prepare-environment"]
    assert "--nowebui" in arguments
    assert arguments[arguments.index("--ckpt") + 1] == f"{tmp_path}/models/Stable-diffusion/a b.safetensors"


def test_a_dynamic_sd_webui_loads_no_checkpoint(tmp_path: Path) -> None:
    arguments = run_serve(
        tmp_path, DYNAMIC_SD_MODEL="true", EXTRA_CMD_ARG="--skip-load-model-at-start --xformers"
    )

    assert "--ckpt" not in arguments
    assert arguments[-2:] == ["--skip-load-model-at-start", "--xformers"]


def test_the_config_file_is_copied_to_a_writable_path(tmp_path: Path) -> None:
    settings = tmp_path / "settings.json"
    settings.write_text('{"disable_mmap_load_safetensors": true}')

    run_serve(tmp_path, CONFIG_FILE=str(settings))

    assert (tmp_path / "config.json").read_text() == settings.read_text()
