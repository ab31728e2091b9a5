"""Runtime types, and how each gets its models."""

import re
from collections.abc import Iterator

from generator.config.node import ConfigNode
from generator.config.rules.base import (
    WARNING,
    Case,
    Finding,
    agent,
    bucket_is_mounted,
    inference,
    rule,
)

CHECKPOINTS = (".safetensors", ".ckpt")
CUSTOM_KEYS = ("port", "probePath", "taskPath")


def _of_type(case: Case, *types: str) -> list[ConfigNode]:
    return [runtime for runtime in case.runtimes if runtime.at("type").text() in types]


@rule("SD301")
def static_webui_has_a_model(case: Case) -> Iterator[Finding]:
    """SD WebUI without dynamicModel loads one checkpoint at startup: modelFilename is required."""
    for runtime in _of_type(case, "sdwebui"):
        static = runtime.at("dynamicModel").flag() is False
        if static and runtime.at("modelFilename").value in (None, ""):
            help = "set modelFilename, or dynamicModel: true if each task names its model"
            yield Finding(runtime, "modelFilename is missing", help)


@rule("SD303")
def model_filenames_are_valid(case: Case) -> Iterator[Finding]:
    """modelFilename is the path of a .safetensors or .ckpt file in Stable-diffusion/."""
    for runtime in _of_type(case, "sdwebui"):
        node = runtime.at("modelFilename")
        name = node.text()
        if not name:
            continue
        if not name.endswith(CHECKPOINTS):
            help = "set a file that ends in .safetensors or .ckpt"
            yield Finding(node, f"{name!r} is not a checkpoint that SD WebUI can load", help)
        elif re.search(r"[\x00-\x1f\x7f]", name):
            help = "write the name on one line, without tabs and line breaks"
            yield Finding(node, f"{name!r} contains a control character", help)
        elif (relative := _in_checkpoint_folder(name)) != name:
            help = f"write {relative!r}: the path is relative to Stable-diffusion/ in the bucket"
            yield Finding(node, f"{name!r} is not the path of a file below Stable-diffusion/", help)
        elif name.startswith("/") or {"", ".."} & set(name.split("/")):
            help = "write the path relative to Stable-diffusion/ in the bucket"
            yield Finding(node, f"{name!r} is outside the checkpoint folder", help)


def _in_checkpoint_folder(name: str) -> str:
    """The path as SD WebUI expects it: without the folders that it adds itself, and without backslashes."""
    parts = [part for part in name.strip().replace("\\", "/").split("/") if part != "."]
    folders = ("models", "stable-diffusion")
    start = max((n for n, part in enumerate(parts[:-1], 1) if part.lower() == folders[1]), default=0)
    if not start and parts[0].lower() == folders[0]:
        start = 1
    return "/".join(parts[start:])


@rule("SD304")
def models_differ(case: Case) -> Iterator[Finding]:
    """Two runtimes cannot have the same modelFilename: v1alpha1 tasks are routed by it."""
    seen: dict[str, str] = {}
    for runtime in _of_type(case, "sdwebui"):
        node = runtime.at("modelFilename")
        if not (name := node.text()):
            continue
        if name in seen:
            message = f"runtime {seen[name]!r} has the same checkpoint, by which v1alpha1 tasks are routed"
            help = f"raise maxReplicaCount of {seen[name]!r}, or set dynamicModel here and no modelFilename"
            yield Finding(node, message, help)
        seen.setdefault(name, runtime.at("name").text() or "?")


@rule("SD305", WARNING)
def only_webui_has_a_model(case: Case) -> Iterator[Finding]:
    """modelFilename and dynamicModel have an effect only for SD WebUI."""
    reasons = {
        "comfyui": "the workflow of each task names its models",
        "invokeai": "the graph of each task names its models",
        "custom": "a custom container chooses its own models",
    }
    for runtime in _of_type(case, *reasons):
        kind = runtime.at("type").text() or ""
        for key in ("modelFilename", "dynamicModel"):
            node = runtime.at(key)
            if node.given and node.value not in (False, ""):
                message = f"{key!r} has no effect for type {kind}: {reasons[kind]}"
                yield Finding(node, message, "remove the key", True)


@rule("SD306")
def custom_runtime_is_complete(case: Case) -> Iterator[Finding]:
    """A runtime of type custom must set its image, probePath and taskPath."""
    for runtime in _of_type(case, "custom"):
        container = inference(runtime)
        required = {
            "image.repository": container.at("image", "repository"),
            "image.tag": container.at("image", "tag"),
        }
        required |= {key: container.at(key) for key in ("probePath", "taskPath")}
        if container.at("image", "digest").text():
            del required["image.tag"]
        missing = [key for key, node in required.items() if node.value in (None, "")]
        if missing:
            message = f"a custom runtime requires {', '.join(missing)}"
            yield Finding(runtime, message, "set them under extraValues.runtime.inferenceApi")


@rule("SD307", WARNING)
def endpoint_keys_are_for_custom_runtimes(case: Case) -> Iterator[Finding]:
    """port, probePath and taskPath have an effect only for type custom; other types have fixed ones."""
    for runtime in _of_type(case, "sdwebui", "comfyui", "invokeai"):
        for key in CUSTOM_KEYS:
            node = inference(runtime).at(key)
            if node.given and node.value not in (None, "", node.schema.get("default")):
                message = f"{key!r} has no effect for type {runtime.at('type').text()}"
                yield Finding(node, message, "remove the key, or set type: custom", True)


@rule("SD308")
def ports_differ(case: Case) -> Iterator[Finding]:
    """The runtime cannot use the queue agent's port: both run in one pod."""
    for runtime in _of_type(case, "custom"):
        node, agent_port = inference(runtime).at("port"), case.facts.reserved.agent_port
        if node.whole() == agent_port:
            yield Finding(
                node, f"the queue agent listens on {agent_port}", "choose another port, such as 8080"
            )


@rule("SD309", WARNING)
def models_are_mounted(case: Case) -> Iterator[Finding]:
    """Without persistence the models folder is empty, so only custom runtimes can have models."""
    for runtime in _of_type(case, "sdwebui", "comfyui", "invokeai"):
        node = runtime.at("extraValues", "runtime", "persistence", "enabled")
        if node.flag() is False:
            message = "the models folder will be empty"
            yield Finding(node, message, "remove the key, unless the image contains the models")


@rule("SD310")
def claims_can_be_bound(case: Case) -> Iterator[Finding]:
    """Models that come neither from the bucket nor from an existing claim need a storage class."""
    for runtime in case.runtimes:
        models = runtime.at("extraValues", "runtime", "persistence")
        without_bucket = (
            models.at("enabled").flag() is not False and models.at("s3", "enabled").flag() is False
        )
        no_class = models.at("storageClass").value in ("", "-")
        if without_bucket and no_class and not models.at("existingClaim").text():
            help = "set existingClaim or storageClass, or remove s3.enabled"
            yield Finding(models.at("s3", "enabled"), "the volume claim for models can never be bound", help)


@rule("SD317", WARNING)
def storage_classes_are_used(case: Case) -> Iterator[Finding]:
    """storageClass has an effect only on a claim that the chart creates without the model bucket."""
    for runtime in case.runtimes:
        models = runtime.at("extraValues", "runtime", "persistence")
        node = models.at("storageClass")
        from_bucket = models.at("s3", "enabled").flag() is not False
        unused = from_bucket or models.at("existingClaim").text() or models.at("enabled").flag() is False
        if node.text() not in (None, "-") and unused:
            reason = "the models are mounted from S3" if from_bucket else "the chart creates no claim"
            yield Finding(
                node, f"the storage class {node.value!r} has no effect: {reason}", "remove it", True
            )


@rule("SD318")
def downloaded_files_are_paths(case: Case) -> Iterator[Finding]:
    """models.files has paths of files in the models folder."""
    for runtime in case.runtimes:
        for node in runtime.at("extraValues", "runtime", "models", "files").items():
            path = node.text() or ""
            if not path:
                continue  # the schema refuses it
            if re.search(r"[\x00-\x1f\x7f]", path):
                help = "write the path on one line, without tabs and line breaks"
                yield Finding(node, f"{path!r} contains a control character", help)
            elif {"", ".", ".."} & set(path.split("/")):
                help = "write it relative to the models folder, such as vae/ae.safetensors"
                yield Finding(node, f"{path!r} is not the path of a file in the models folder", help)


@rule("SD319", WARNING)
def downloads_have_an_effect(case: Case) -> Iterator[Finding]:
    """Files are downloaded only from a mounted bucket, for the known types, and with models.load: direct."""
    for runtime in case.runtimes:
        models = runtime.at("extraValues", "runtime", "models")
        reason = _why_nothing_is_downloaded(runtime)
        for node in (models.at("load"), models.at("files"), models.at("sizeLimit")):
            if not node.given or node.value in ([], "auto", "mount"):
                continue
            if reason:
                yield Finding(node, f"nothing is downloaded: {reason}", "remove the key", True)
            elif node.key in ("files", "sizeLimit") and models.at("load").text() == "mount":
                message = "nothing is downloaded: models.load is mount"
                yield Finding(node, message, "set load: direct, or remove the key")


def _why_nothing_is_downloaded(runtime: ConfigNode) -> str:
    if runtime.at("type").text() == "custom":
        return "a custom container reads its models from the mounted bucket"
    return "" if bucket_is_mounted(runtime) else "the models do not come from the bucket"


@rule("SD311", WARNING)
def spot_tasks_have_several_attempts(case: Case) -> Iterator[Finding]:
    """On spot nodes a task needs more than one attempt: a node that ends without notice costs one."""
    for runtime in case.runtimes:
        attempts = agent(runtime).at("maxAttempts")
        spot = runtime.at("extraValues", "karpenter", "provisioner", "capacityType", "spot")
        if attempts.whole() == 1 and spot.flag():
            message = "a task goes to the dead-letter queue when its spot node ends without notice"
            yield Finding(attempts, message, "set 2 or more, or capacityType.spot: false")
