"""What differs between types of runtimes: images, commands, environment, files."""

import json
import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from generator import paths, yaml_loader
from generator.facts.facts import Facts

from .conftest import TYPES, Objects, Render, merged

FACTS = Facts(paths.data())
ECR = "123456789012.dkr.ecr.us-west-2.amazonaws.com"


def test_a_static_webui_gets_its_model(types: Objects) -> None:
    env = types.env("static")
    assert env["SD_MODEL_CHECKPOINT"] == "sdxl.safetensors"
    assert "DYNAMIC_SD_MODEL" not in env
    assert types.agent("static")["MODEL_FILENAME"] == "sdxl.safetensors"


def test_a_dynamic_webui_loads_nothing_at_start(types: Objects) -> None:
    env = types.env("dynamic")
    assert env["DYNAMIC_SD_MODEL"] == "true"
    assert "SD_MODEL_CHECKPOINT" not in env
    assert "--skip-load-model-at-start" in env["EXTRA_CMD_ARG"].split()
    assert types.agent("dynamic")["DYNAMIC_SD_MODEL"] == "true"
    assert "MODEL_FILENAME" not in types.agent("dynamic")


def test_a_dynamic_webui_with_a_checkpoint_loads_that_one_first(render: Render) -> None:
    rendered = render(one={"type": "sdwebui", "dynamicModel": True, "modelFilename": "my model (v2).ckpt"})

    env = rendered.env("one")
    assert env["SD_MODEL_CHECKPOINT"] == "my model (v2).ckpt"
    assert "DYNAMIC_SD_MODEL" not in env
    assert "--skip-load-model-at-start" not in env["EXTRA_CMD_ARG"]
    agent = rendered.agent("one")
    assert (agent["MODEL_FILENAME"], agent["DYNAMIC_SD_MODEL"]) == ("my model (v2).ckpt", "true")


def test_the_webui_gets_the_contract_of_its_image(types: Objects) -> None:
    env = types.env("static")
    assert env["API_ONLY"] == "true"
    assert types.container("static", "runtime")["command"][-2:] == ["/bin/bash", "/opt/ml/code/serve.sh"]
    folder, name = env["CONFIG_FILE"].rsplit("/", 1)
    mounts = {
        item["mountPath"]: item["name"] for item in types.container("static", "runtime")["volumeMounts"]
    }
    assert mounts[folder] == "runtime-config"
    config = json.loads(types["ConfigMap/static-runtime"]["data"][name])
    # Live previews would be written into the models, which are read-only.
    assert config == {
        "disable_mmap_load_safetensors": True,
        "api_enable_requests": False,
        "live_previews_enable": False,
    }


@pytest.mark.parametrize("name", ["static", "dynamic", "comfy", "invoke"])
def test_mapping_of_model_files_is_off(types: Objects, name: str) -> None:
    assert types.env(name)["PYTHONPATH"] == "/etc/sd-on-eks"
    assert "safe_open" in types[f"ConfigMap/{name}-runtime"]["data"]["sitecustomize.py"]


def test_comfyui_looks_in_the_mounted_folder(render: Render) -> None:
    rendered = render(one={"type": "comfyui", "runtime": {"inferenceApi": {"modelMountPath": "/srv/models"}}})
    paths = yaml_loader.load(rendered["ConfigMap/one-runtime"]["data"]["extra_model_paths.yaml"])["models"]
    assert paths["base_path"] == "/srv/models"


# Where ComfyUI looks for each kind of model: in its own folders, and in those of SD WebUI.
COMFYUI_FOLDERS = {
    "checkpoints": ["Stable-diffusion", "checkpoints"],
    "vae": ["VAE", "vae"],
    "loras": ["Lora", "LyCORIS", "loras"],
    "upscale_models": ["ESRGAN", "RealESRGAN", "SwinIR", "upscale_models"],
    "controlnet": ["ControlNet", "controlnet"],
    "diffusion_models": ["diffusion_models", "unet"],
    **{
        kind: [kind]
        for kind in (
            *("hypernetworks", "embeddings", "clip", "clip_vision", "configs"),
            *("diffusers", "text_encoders", "style_models", "gligen"),
        )
    },
}


def test_one_folder_tree_serves_sd_webui_and_comfyui(types: Objects) -> None:
    paths = yaml_loader.load(types["ConfigMap/comfy-runtime"]["data"]["extra_model_paths.yaml"])["models"]
    assert paths.pop("base_path")
    assert {kind: folders.split() for kind, folders in paths.items()} == COMFYUI_FOLDERS


@pytest.mark.parametrize("name", ["static", "comfy", "invoke"])
def test_caches_of_libraries_lie_where_the_program_may_write(types: Objects, name: str) -> None:
    env = types.env(name)
    scratch = {item["name"] for item in types.pod(name)["volumes"] if "emptyDir" in item}
    mounts = types.container(name, "runtime")["volumeMounts"]
    writable = tuple(f"{item['mountPath']}/" for item in mounts if item["name"] in scratch)
    assert all(env[item].startswith(writable) for item in ("MPLCONFIGDIR", "HF_HOME"))


def test_the_webui_downloads_no_clip_at_its_start(types: Objects) -> None:
    assert "--do-not-download-clip" in types.env("static")["EXTRA_CMD_ARG"].split()


# Variables that extraEnv may change: caches, log formats, what an image's own start script reads.
CHANGEABLE = {
    *("HOME", "HF_HOME", "TRANSFORMERS_CACHE", "MPLCONFIGDIR", "API_ONLY"),
    *("INVOKEAI_USE_MEMORY_DB", "INVOKEAI_HASHING_ALGORITHM", "INVOKEAI_ALLOW_UNKNOWN_MODELS"),
    "INVOKEAI_LOG_FORMAT",
}


def test_it_is_decided_for_every_variable_whether_it_can_be_changed(types: Objects) -> None:
    reserved = FACTS.reserved.runtime_environment
    for name, values in TYPES.items():
        profile = FACTS.runtime_profiles[values["type"]]
        decided = reserved.keys() | profile.fixed.keys() | profile.replaced.keys() | CHANGEABLE
        assert types.env(name).keys() <= decided
        assert reserved.keys() <= types.env(name).keys()


@pytest.mark.parametrize(
    "extra",
    [
        {"INVOKEAI_HOST": "0.0.0.0", "INVOKEAI_MULTIUSER": False, "INVOKEAI_PORT": 8080},
        [{"name": "INVOKEAI_SCAN_MODELS_ON_STARTUP", "value": "True"}, {"name": "A", "value": None}],
    ],
    ids=["mapping", "list"],
)
def test_a_fixed_variable_can_have_the_value_that_it_has(render: Render, extra: object) -> None:
    assert render(one={"type": "invokeai", "runtime": {"inferenceApi": {"extraEnv": extra}}})


# The bucket is scanned at start, nothing is kept or hashed, and no task of an earlier process runs again.
INVOKEAI = {
    "INVOKEAI_HOST": "0.0.0.0",
    "INVOKEAI_PORT": "8080",
    "INVOKEAI_SCAN_MODELS_ON_STARTUP": "true",
    "INVOKEAI_USE_MEMORY_DB": "true",
    "INVOKEAI_HASHING_ALGORITHM": "random",
    "INVOKEAI_ALLOW_UNKNOWN_MODELS": "false",
    "INVOKEAI_CLEAR_QUEUE_ON_STARTUP": "true",
}


def test_invokeai_scans_the_bucket_and_keeps_nothing(types: Objects) -> None:
    env = types.env("invoke")
    assert INVOKEAI.items() <= env.items()
    assert "INVOKEAI_MODELS_DIR" not in env
    mounts = {item["mountPath"] for item in types.container("invoke", "runtime")["volumeMounts"]}
    assert env["INVOKEAI_ROOT"] in mounts


def test_a_custom_runtime_says_where_it_answers(types: Objects) -> None:
    runtime = types.container("own", "runtime")
    assert runtime["ports"] == [{"name": "runtime", "containerPort": 9000}]
    assert "command" not in runtime
    agent = types.agent("own")
    assert agent["RUNTIME_URL"] == "http://127.0.0.1:9000"
    assert (agent["TASK_PATH"], agent["READY_PATH"]) == ("/run", "/alive")


def test_only_a_custom_runtime_chooses_its_port(types: Objects, with_value: Callable[..., Objects]) -> None:
    rendered = with_value("runtime.inferenceApi.port", 9000)
    assert rendered.agent("one")["RUNTIME_URL"] == "http://127.0.0.1:8080"
    assert "TASK_PATH" not in types.agent("static")


@pytest.mark.parametrize(
    ("kind", "more"),
    [
        ("sdwebui", {}),
        ("sdwebui", {"modelFilename": "", "dynamicModel": True}),
        ("comfyui", {}),
        ("invokeai", {}),
    ],
)
def test_arguments_reach_every_type(render: Render, kind: str, more: dict[str, object]) -> None:
    api = {"commandArguments": "--lowvram --preview-method none"}
    rendered = render(one={"type": kind, **more, "runtime": {"inferenceApi": api}})
    assert rendered.env("one")["EXTRA_CMD_ARG"].endswith("--lowvram --preview-method none")


def test_a_custom_runtime_gets_arguments_as_words(render: Render, types: Objects) -> None:
    custom = {"type": "custom", "runtime": {"inferenceApi": {"commandArguments": " --a  b "}}}
    image = {"image": {"repository": "a.b/c", "tag": "1"}, "probePath": "/p", "taskPath": "/t"}
    rendered = render(one=merged(custom, {"runtime": {"inferenceApi": image}}))
    assert rendered.container("one", "runtime")["args"] == ["--a", "b"]
    assert "args" not in types.container("own", "runtime")


def test_images_are_pinned(types: Objects) -> None:
    images = {
        item["image"] for name in ("static", "comfy", "invoke") for item in types.pod(name)["containers"]
    }
    assert images == {
        f"{ECR}/sd-on-eks/sdwebui:1.10.1",
        f"{ECR}/sd-on-eks/comfyui:0.33.0",
        f"{ECR}/sd-on-eks/invokeai:6.14.2",
        f"{ECR}/sd-on-eks/queue-agent:0.1.0",
    }


def test_a_mirror_takes_the_place_of_every_registry(render: Render) -> None:
    xray = {"runtime": {"queueAgent": {"xray": {"enabled": True}}}}
    rendered = render(
        {"global": {"imageRegistry": "mirror.example.com/sd"}}, one={"type": "invokeai", **xray}
    )
    assert [item["image"] for item in rendered.pod("one")["containers"]] == [
        "mirror.example.com/sd/sd-on-eks/invokeai:6.14.2",
        "mirror.example.com/sd/sd-on-eks/queue-agent:0.1.0",
        "mirror.example.com/sd/aws-observability/aws-otel-collector:v0.43.1",
    ]


@pytest.mark.parametrize("repository", ["registry.example.com:5000/webui", "localhost/webui"])
def test_an_image_that_the_user_names_with_its_registry_is_used_as_named(
    render: Render, repository: str
) -> None:
    image = {"repository": repository, "tag": "7"}
    rendered = render(
        {"global": {"imageRegistry": "mirror.example.com"}},
        one={"runtime": {"inferenceApi": {"image": image}}},
    )
    assert rendered.container("one", "runtime")["image"] == f"{repository}:7"


@pytest.mark.parametrize(
    ("mirror", "registry"), [("mirror.example.com/sd", "mirror.example.com/sd"), ("", ECR)]
)
def test_an_image_that_the_user_names_without_a_registry_is_in_the_mirror_or_the_accounts_ecr(
    render: Render, mirror: str, registry: str
) -> None:
    image = {"image": {"repository": "team/tool", "tag": "7"}}
    xray = {"enabled": True, "daemon": image}
    rendered = render(
        {"global": {"imageRegistry": mirror}},
        one={"runtime": {"inferenceApi": image, "queueAgent": {**image, "xray": xray}}},
    )
    assert {container["image"] for container in rendered.pod("one")["containers"]} == {
        f"{registry}/team/tool:7"
    }


@pytest.mark.parametrize("part", ["inferenceApi", "queueAgent"])
def test_a_digest_wins_over_a_tag(with_value: Callable[..., Objects], part: str) -> None:
    digest = f"sha256:{'a' * 64}"
    rendered = with_value(f"runtime.{part}.image", {"tag": "9", "digest": digest})
    name = {"inferenceApi": "runtime", "queueAgent": "queue-agent"}[part]
    assert rendered.container("one", name)["image"].endswith(f"@{digest}")


def test_images_in_china_come_from_the_accounts_registry_there(render: Render) -> None:
    solution = {"region": "cn-north-1", "partition": "aws-cn", "dnsSuffix": "amazonaws.com.cn"}
    rendered = render({"global": solution}, one={})
    image = rendered.container("one", "runtime")["image"]
    assert image.startswith("123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn/sd-on-eks/")


def run_command(container: dict[str, object], folder: Path, python: str, **env: str) -> str:
    """Run a container's command with stand-ins for the programs it starts; what the last of them printed."""
    for name, text in {"python": python, "invokeai-web": 'echo "$0" "$@"'}.items():
        program = folder / "bin" / name
        program.parent.mkdir(exist_ok=True)
        program.write_text(f"#!/bin/sh\n{text}\n")
        program.chmod(0o755)
    command = [word.replace("cd /opt/ml/code", f"cd {folder}") for word in container["command"]]  # type: ignore[attr-defined]
    variables = {"PATH": f"{folder}/bin:{os.environ['PATH']}", "EXTRA_CMD_ARG": "--more x", **env}
    done = subprocess.run(command, env=variables, capture_output=True, text=True, check=True)
    return done.stdout.strip()


OLD = 'case "$*" in *--help*) echo "--listen --port --cache-none" ;; *) echo "$@" ;; esac'
NEW = OLD.replace("--cache-none", "--user-directory --database-url --disable-mmap")


@pytest.mark.parametrize(("python", "flags"), [(OLD, False), (NEW, True)])
def test_comfyui_gets_only_flags_that_its_version_knows(
    types: Objects, tmp_path: Path, python: str, flags: bool
) -> None:
    data = tmp_path / "data"
    output = run_command(
        types.container("comfy", "runtime"),
        tmp_path,
        python,
        DATA=str(data),
        RUNTIME_PORT="8080",
        TASK_TIMEOUT_SECONDS="60",
    )
    words = output.split()
    assert words[:6] == ["main.py", "--listen", "0.0.0.0", "--port", "8080", "--disable-auto-launch"]
    for kind in ("input", "output", "temp"):
        assert words[words.index(f"--{kind}-directory") + 1] == str(data / kind)
    assert ("--user-directory" in words) is flags
    assert (f"sqlite:///{data}/user/comfyui.db" in words) is flags
    assert "--disable-api-nodes" not in words
    assert words[-2:] == ["--more", "x"]
    assert sorted(item.name for item in data.iterdir()) == ["input", "output", "temp", "user"]


def test_comfyui_keeps_files_only_for_as_long_as_a_task_may_need_them(types: Objects, tmp_path: Path) -> None:
    timeout = int(types.env("comfy")["TASK_TIMEOUT_SECONDS"])
    assert timeout == int(types.agent("comfy")["TASK_TIMEOUT_SECONDS"])
    data, now = tmp_path / "data", time.time()
    for folder in ("input", "output/task", "temp", "user"):
        for name, age in {"needed": timeout + 8 * 60, "swept": timeout + 12 * 60}.items():
            file = data / folder / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.touch()
            os.utime(file, (now - age, now - age))
    waiting = 'for n in $(seq 100); do [ -e "$DATA/temp/swept" ] || break; sleep 0.05; done'
    variables = {"DATA": str(data), "RUNTIME_PORT": "8080", "TASK_TIMEOUT_SECONDS": str(timeout)}
    run_command(
        types.container("comfy", "runtime"),
        tmp_path,
        f"case $* in *--help*) ;; *) {waiting};; esac",
        **variables,
    )
    remaining = {str(file.relative_to(data)) for file in data.rglob("*") if file.is_file()}
    assert remaining == {"input/needed", "output/task/needed", "temp/needed", "user/needed", "user/swept"}


def test_invokeai_finds_the_bucket_through_a_link(types: Objects, tmp_path: Path) -> None:
    bucket = tmp_path / "bucket"
    bucket.mkdir()
    root = tmp_path / "root"
    container = types.container("invoke", "runtime")
    for _ in range(2):  # a container that starts again finds its folder as it left it
        output = run_command(container, tmp_path, "", INVOKEAI_ROOT=str(root), MODELS_PATH=str(bucket))
    assert output.endswith("/invokeai-web --more x")
    assert (root / "models" / "bucket").resolve() == bucket
    assert list(bucket.iterdir()) == []
