"""Runtime types and their models."""

import re
from collections.abc import Iterator

from generator.config.node import ConfigNode
from generator.config.rules.base import WARNING, Case, Finding, agent, inference, rule

CHECKPOINTS = (".safetensors", ".ckpt")
CUSTOM_KEYS = ("port", "probePath", "taskPath")
AGENT_PORT = 8081


def _of_type(case: Case, *types: str) -> list[ConfigNode]:
    return [runtime for runtime in case.runtimes if runtime.at("type").text() in types]


def _dynamic(runtime: ConfigNode) -> bool:
    return runtime.at("dynamicModel").flag() is True


@rule("SD301")
def static_webui_has_a_model(case: Case) -> Iterator[Finding]:
    """SD WebUI without dynamicModel loads one checkpoint at start: modelFilename says which."""
    for runtime in _of_type(case, "sdwebui"):
        static = runtime.at("dynamicModel").flag() is False
        if static and runtime.at("modelFilename").value in (None, ""):
            help = "add modelFilename, or dynamicModel: true when each task names its model"
            yield Finding(runtime, "a static SD WebUI runtime without modelFilename", help)


@rule("SD302")
def dynamic_webui_has_no_model(case: Case) -> Iterator[Finding]:
    """SD WebUI with dynamicModel takes its checkpoint from each task, so modelFilename contradicts it."""
    for runtime in _of_type(case, "sdwebui"):
        if _dynamic(runtime) and runtime.at("modelFilename").text():
            what = "a dynamic runtime takes its model from each task"
            yield Finding(
                runtime.at("modelFilename"), what, "remove modelFilename, or dynamicModel: true", True
            )


@rule("SD303")
def checkpoints_are_checkpoints(case: Case) -> Iterator[Finding]:
    """modelFilename names a .safetensors or .ckpt file below the folder of checkpoints, without spaces."""
    for runtime in _of_type(case, "sdwebui"):
        place = runtime.at("modelFilename")
        name = place.text()
        if not name:
            continue
        if not name.endswith(CHECKPOINTS):
            help = "name a file that ends in .safetensors or .ckpt"
            yield Finding(place, f"{name!r} is no checkpoint of SD WebUI", help)
        elif re.search(r"\s", name):
            help = "rename the file in the bucket: its name goes to SD WebUI as one word"
            yield Finding(place, f"{name!r} has a space in it", help)
        elif name.startswith("/") or {"", ".."} & set(name.split("/")):
            help = "name the file as it is below Stable-diffusion/ in the bucket"
            yield Finding(place, f"{name!r} leads out of the folder of checkpoints", help)


@rule("SD304")
def static_models_differ(case: Case) -> Iterator[Finding]:
    """Two static runtimes cannot have one checkpoint: a v1alpha1 task for it would run twice."""
    seen: dict[str, str] = {}
    for runtime in _of_type(case, "sdwebui"):
        place = runtime.at("modelFilename")
        if _dynamic(runtime) or not (name := place.text()):
            continue
        if name in seen:
            what = f"runtime {seen[name]!r} has this checkpoint too: a v1alpha1 task for it would run twice"
            yield Finding(place, what, f"let {seen[name]!r} scale further, or make one of them dynamic")
        seen.setdefault(name, runtime.at("name").text() or "?")


@rule("SD305", WARNING)
def only_webui_has_a_model(case: Case) -> Iterator[Finding]:
    """modelFilename and dynamicModel have an effect for SD WebUI alone."""
    reasons = {
        "comfyui": "the workflow of each task names its models",
        "invokeai": "the graph of each task names its models",
        "custom": "a container of your own knows its models",
    }
    for runtime in _of_type(case, *reasons):
        kind = runtime.at("type").text() or ""
        for key in ("modelFilename", "dynamicModel"):
            place = runtime.at(key)
            if place.given and place.value not in (False, ""):
                what = f"{key!r} has no effect for type {kind}: {reasons[kind]}"
                yield Finding(place, what, "remove the key", True)


@rule("SD306")
def custom_says_how_to_talk_to_it(case: Case) -> Iterator[Finding]:
    """A runtime of type custom names its image, its probePath and its taskPath."""
    for runtime in _of_type(case, "custom"):
        container = inference(runtime)
        needed = {
            "image.repository": container.at("image", "repository"),
            "image.tag": container.at("image", "tag"),
        }
        needed |= {key: container.at(key) for key in ("probePath", "taskPath")}
        if container.at("image", "digest").text():
            del needed["image.tag"]
        missing = [key for key, place in needed.items() if place.value in (None, "")]
        if missing:
            what = f"a custom runtime without {', '.join(missing)}"
            yield Finding(runtime, what, "set them under extraValues.runtime.inferenceApi")


@rule("SD307", WARNING)
def only_custom_says_how_to_talk_to_it(case: Case) -> Iterator[Finding]:
    """port, probePath and taskPath have an effect for type custom alone: the others' are known."""
    for runtime in _of_type(case, "sdwebui", "comfyui", "invokeai"):
        for key in CUSTOM_KEYS:
            place = inference(runtime).at(key)
            if place.given and place.value not in (None, "", place.schema.get("default")):
                what = f"{key!r} has no effect for type {runtime.at('type').text()}"
                yield Finding(place, what, "remove the key, or set type: custom", True)


@rule("SD308")
def ports_differ(case: Case) -> Iterator[Finding]:
    """The runtime cannot have the queue agent's port: both are in one pod."""
    for runtime in _of_type(case, "custom"):
        if inference(runtime).at("port").whole() == AGENT_PORT:
            place = inference(runtime).at("port")
            yield Finding(
                place, f"the queue agent listens on {AGENT_PORT}", "pick another port, such as 8080"
            )


@rule("SD309", WARNING)
def models_are_mounted(case: Case) -> Iterator[Finding]:
    """Without persistence the models folder is empty, so a runtime other than custom finds no model."""
    for runtime in _of_type(case, "sdwebui", "comfyui", "invokeai"):
        place = runtime.at("extraValues", "runtime", "persistence", "enabled")
        if place.flag() is False:
            what = "the models folder will be empty"
            yield Finding(place, what, "remove the key, unless the image itself holds the models")


@rule("SD310")
def claims_can_be_bound(case: Case) -> Iterator[Finding]:
    """Models that come neither from the bucket nor from a claim of the user's need a storage class."""
    for runtime in case.runtimes:
        models = runtime.at("extraValues", "runtime", "persistence")
        from_elsewhere = (
            models.at("enabled").flag() is not False and models.at("s3", "enabled").flag() is False
        )
        no_class = models.at("storageClass").value in ("", "-")
        if from_elsewhere and no_class and not models.at("existingClaim").text():
            help = "set existingClaim or storageClass, or remove s3.enabled"
            yield Finding(
                models.at("s3", "enabled"), "no volume can ever be bound to the claim for models", help
            )


@rule("SD311", WARNING)
def agent_tries_more_than_once_where_spot_takes_nodes(case: Case) -> Iterator[Finding]:
    """With spot nodes a task needs more than one attempt: each loss of a node counts as one."""
    for runtime in case.runtimes:
        attempts = agent(runtime).at("maxAttempts")
        spot = runtime.at("extraValues", "karpenter", "provisioner", "capacityType", "spot")
        if attempts.whole() == 1 and spot.flag():
            what = "a task whose spot node AWS takes back would go to the dead-letter queue at once"
            yield Finding(attempts, what, "set 2 or more, or capacityType.spot: false")
