"""Variables of the runtimes: those that would break a pod, or that lose something."""

from collections.abc import Iterator
from pathlib import PurePosixPath

from generator.config.node import ConfigNode
from generator.config.rules.base import (
    WARNING,
    Case,
    EnvironmentVariable,
    Finding,
    environment,
    inference,
    rule,
)
from generator.facts.runtimes import RuntimeProfile

CONFIG_FOLDER = "/etc/sd-on-eks"

# Folders in which programs and libraries keep what they download or compile.
HUB_FOLDERS = ("HF_HOME", "HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "TRANSFORMERS_CACHE", "DIFFUSERS_CACHE")
FOLDERS = (
    *("HOME", "TMPDIR", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "MPLCONFIGDIR", "TORCH_HOME", "U2NET_HOME"),
    *("TORCHINDUCTOR_CACHE_DIR", "TRITON_CACHE_DIR", "NUMBA_CACHE_DIR", "CUDA_CACHE_PATH"),
    *("INVOKEAI_OUTPUTS_DIR", "INVOKEAI_DB_DIR", "INVOKEAI_DOWNLOAD_CACHE_DIR", "INVOKEAI_CUSTOM_NODES_DIR"),
)
OFFLINE = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")

GPUS = "CUDA_VISIBLE_DEVICES"


def _variables(case: Case) -> Iterator[tuple[ConfigNode, RuntimeProfile, EnvironmentVariable]]:
    """Every variable of the runtimes, with its runtime and the profile of its type."""
    for runtime in case.runtimes:
        if profile := case.facts.runtime_profiles.get(runtime.at("type").text() or ""):
            for variable in environment(inference(runtime)):
                yield runtime, profile, variable


def _name(variable: EnvironmentVariable) -> str:
    """The name as programs read it: InvokeAI's settings in any case."""
    upper = variable.name.upper()
    return upper if upper.startswith("INVOKEAI_") else variable.name


@rule("SD946")
def runtime_environment_is_not_fixed(case: Case) -> Iterator[Finding]:
    """inferenceApi.extraEnv cannot set what other keys set, or what probes, agent and image rely on."""
    keys = case.facts.reserved.runtime_environment
    for runtime, profile, variable in _variables(case):
        name, fixed = _name(variable), profile.fixed.get(_name(variable))
        if name in keys:
            message = f"{name} is derived from the rest of the config"
            port = name == "RUNTIME_PORT" and runtime.at("type").text() != "custom"
            help = "remove it: this type has a fixed port" if port else f"remove it, and set {keys[name]}"
            yield variable.on_name(message, help)
        elif fixed and (variable.text or "").lower() not in fixed.allowed:
            yield variable.on_name(f"{variable.name} cannot be set: {fixed.reason}", "remove it")


@rule("SD947", WARNING)
def runtime_environment_keeps_what_is_set(case: Case) -> Iterator[Finding]:
    """A variable that the chart or the image sets should keep what it is for."""
    for _, profile, variable in _variables(case):
        replaced = profile.replaced.get(variable.name)
        if replaced and (not replaced.contains or replaced.contains not in _text(variable)):
            help = f"add {replaced.contains} to its value" if replaced.contains else "remove it, if you can"
            yield variable.on_name(f"{variable.name}: {replaced.reason}", help)


def _text(variable: EnvironmentVariable) -> str:
    # The NVIDIA container toolkit knows `all`.
    text = variable.text or ""
    return "compute" if variable.name == "NVIDIA_DRIVER_CAPABILITIES" and text == "all" else text


@rule("SD948", WARNING)
def folders_can_be_written(case: Case) -> Iterator[Finding]:
    """Folders for caches should be writable, unless a cache is complete and its library offline."""
    for runtime, profile, variable in _variables(case):
        path = PurePosixPath(variable.text or "")
        if _name(variable) not in (*HUB_FOLDERS, *FOLDERS) or not path.is_absolute():
            continue
        mounts = (inference(runtime).at("modelMountPath").text() or "", CONFIG_FOLDER)
        scratch = any(path.is_relative_to(folder) for folder in profile.scratch)
        read_only = any(path.is_relative_to(folder) for folder in mounts if folder)
        offline = variable.name in HUB_FOLDERS and _offline(runtime)
        if not offline and (read_only or not (scratch or profile.writable_root)):
            help = f"use a folder in {' or '.join(profile.scratch)}"
            if variable.name in HUB_FOLDERS:
                help += ', or set HF_HUB_OFFLINE: "1" if it holds all that is needed'
            yield variable.on_value(f"the runtime cannot write to {path}", help)


def _offline(runtime: ConfigNode) -> bool:
    variables = {variable.name: variable.text for variable in environment(inference(runtime))}
    return any((variables.get(name) or "").lower() in ("1", "true", "yes", "on") for name in OFFLINE)


@rule("SD949")
def gpus_are_visible(case: Case) -> Iterator[Finding]:
    """CUDA_VISIBLE_DEVICES numbers the GPUs of the container, from 0; other numbers hide them all."""
    for runtime, _, variable in _variables(case):
        if variable.name != GPUS or variable.text is None:
            continue
        limit = str(inference(runtime).at("resources", "limits", "nvidia.com/gpu").value or "1")
        count = int(limit) if limit.isdecimal() else 1
        first = variable.text.partition(",")[0].strip()
        # CUDA stops at the first entry that names no device. A GPU's id is not known before the pod starts.
        if not first.isdecimal() or int(first) >= count:
            message = f"CUDA would find no GPU: the container has {count}, numbered from 0"
            yield variable.on_value(message, "remove it: the program finds the GPUs of its container")
