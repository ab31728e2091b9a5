"""The example images: pinned, without root, and startable as the chart's profiles start them."""

import os
import re
import subprocess
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from generator import paths, yaml_loader

ROOT = paths.root()
FOLDERS = ("sdwebui", "comfyui", "invokeai")
# Those that take their program from a repository; InvokeAI's is one of its packages.
FETCHED = ("sdwebui", "comfyui")


def dockerfile(name: str) -> str:
    return (ROOT / "images" / name / "Dockerfile").read_text("utf-8")


def profile(name: str) -> dict[str, object]:
    text = (ROOT / "charts" / "sd-runtimes" / "profiles" / f"{name}.yaml").read_text("utf-8")
    loaded: dict[str, object] = yaml_loader.load(text)
    return loaded


@pytest.mark.parametrize("name", FOLDERS)
def test_the_last_user_is_not_root(name: str) -> None:
    assert re.findall(r"^USER (.*)$", dockerfile(name), re.MULTILINE)[-1] == "1000:1000"


@pytest.mark.parametrize("name", FOLDERS)
def test_the_base_image_has_a_version_and_a_digest_and_can_be_replaced(name: str) -> None:
    text = dockerfile(name)

    base = re.search(r"^ARG BASE=\S+?:(\S+)@sha256:[0-9a-f]{64}$", text, re.MULTILINE)
    assert base is not None
    assert re.search(r"\d+\.\d+\.\d+", base[1])
    stages = re.findall(r"^FROM (.*)$", text, re.MULTILINE)
    assert {stage.partition(" AS ")[0] for stage in stages} == {"${BASE}"}


@pytest.mark.parametrize("name", FOLDERS)
def test_python_packages_are_installed_from_a_lock_by_hash(name: str) -> None:
    text = dockerfile(name).replace("\\\n", " ")
    locks = set()
    for command in re.findall(r"pip (?:--python \S+ )?install (.*?)(?: &&|\n)", text):
        assert "--no-deps" in command
        if "--requirement" in command:
            assert "--require-hashes" in command
            locks.add(Path(command.split("--requirement")[1].split()[0]).name)
        else:
            # A checkout that was fetched by its commit.
            assert command.split()[-1] == "."
    assert locks == {path.name for path in (ROOT / "images" / name).glob("*.lock")}


@pytest.mark.parametrize("name", FOLDERS)
def test_every_package_of_a_lock_has_a_hash(name: str) -> None:
    for lock in (ROOT / "images" / name).glob("*.lock"):
        packages = re.findall(
            r"^\S+==\S+ \\\n((?: +--hash=sha256:\S+(?: \\)?\n)+)", lock.read_text(), re.MULTILINE
        )
        assert packages
        assert len(packages) == lock.read_text().count("==")


@pytest.mark.parametrize("name", FOLDERS)
def test_a_lock_holds_what_its_input_names(name: str) -> None:
    for source in (ROOT / "images" / name).glob("*.in"):
        lock = source.with_suffix(".lock").read_text()
        pins = dict(re.findall(r"^(\S+?)(?:\[\S+\])?==(\S+) ", lock, re.MULTILINE))
        for line in source.read_text().splitlines():
            if line and not line.startswith("#"):
                requirement = Requirement(line)
                assert pins[canonicalize_name(requirement.name)] in requirement.specifier, line


@pytest.mark.parametrize("name", FETCHED)
def test_sources_are_fetched_by_commit(name: str) -> None:
    text = dockerfile(name)
    fetched = re.findall(r"git fetch \S+ --depth 1 \S+ \"\$\{(\w+)\}\"", text)
    assert fetched
    for argument in fetched:
        assert re.search(rf"^ARG {argument}=[0-9a-f]{{40}}$", text, re.MULTILINE)
    assert "git clone" not in text


@pytest.mark.parametrize("name", FETCHED)
def test_every_commit_is_named_in_full(name: str) -> None:
    commits = re.findall(r"^ARG \w*COMMIT\w*=(.*)$", dockerfile(name), re.MULTILINE)

    assert commits
    assert [commit for commit in commits if not re.fullmatch(r"[0-9a-f]{40}", commit)] == []


@pytest.mark.parametrize("name", FOLDERS)
def test_the_image_holds_no_build_tools(name: str) -> None:
    final = dockerfile(name).rsplit("FROM ", 1)[1]
    assert not re.search(r"\bgit\b|gcc|build-essential|pip install", final.replace("without git;", ""))


@pytest.mark.parametrize("name", FOLDERS)
def test_the_version_is_the_one_that_the_profile_names(name: str) -> None:
    image = profile(name)["image"]
    assert isinstance(image, dict)

    assert image["tag"] in dockerfile(name).splitlines()[0]


def test_the_version_of_invokeai_is_the_one_that_its_lock_holds() -> None:
    image = profile("invokeai")["image"]
    assert isinstance(image, dict)
    lock = (ROOT / "images" / "invokeai" / "requirements.lock").read_text("utf-8")

    assert f"\ninvokeai=={image['tag']} " in lock


def run_serve(tmp_path: Path, **environment: str) -> list[str]:
    """The arguments that serve.sh gives to SD WebUI."""
    (tmp_path / "serve.sh").write_text((ROOT / "images" / "sdwebui" / "serve.sh").read_text())
    python = tmp_path / "bin" / "python"
    python.parent.mkdir(exist_ok=True)
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


def test_what_the_hub_would_be_asked_for_is_copied_to_its_cache(tmp_path: Path) -> None:
    baked, cache = tmp_path / "huggingface" / "models--a", tmp_path / "volume" / "cache"
    baked.mkdir(parents=True)
    (baked / "vocab.json").write_text("{}")
    cache.parent.mkdir()

    run_serve(tmp_path, TRANSFORMERS_CACHE=str(cache))
    run_serve(tmp_path, TRANSFORMERS_CACHE=str(cache))  # again, as in a container that was restarted

    assert (cache / "models--a" / "vocab.json").read_text() == "{}"


def test_a_program_without_such_files_starts_too(tmp_path: Path) -> None:
    assert run_serve(tmp_path, TRANSFORMERS_CACHE=str(tmp_path / "cache"))[0] == "launch.py"


def test_the_tokenizer_is_made_where_the_start_looks_for_it() -> None:
    text, start = dockerfile("sdwebui"), (ROOT / "images" / "sdwebui" / "serve.sh").read_text()

    assert "python /build/tokenizer.py /opt/ml/code/huggingface\n" in text
    assert "cp -R huggingface/. " in start and 'cd "$(dirname "$0")"' in start
    commit = re.search(r"^ARG CLIP_COMMIT=(\w+)$", text, re.MULTILINE)
    assert commit is not None
    assert f'VERSION = "{commit[1]}"' in (ROOT / "images" / "sdwebui" / "tokenizer.py").read_text()
    cache = profile("sdwebui")["env"]
    assert isinstance(cache, dict) and cache["TRANSFORMERS_CACHE"]


def test_the_config_file_is_copied_to_a_writable_path(tmp_path: Path) -> None:
    settings = tmp_path / "settings.json"
    settings.write_text('{"disable_mmap_load_safetensors": true}')

    run_serve(tmp_path, CONFIG_FILE=str(settings))

    assert (tmp_path / "config.json").read_text() == settings.read_text()
