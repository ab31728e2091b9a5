"""What Kubernetes rejects in labels and annotations, and what the chart sets itself."""

import posixpath
from collections.abc import Iterator

from generator.config.node import ConfigNode
from generator.config.rules.base import (
    WARNING,
    Case,
    Finding,
    agent,
    environment,
    inference,
    provisioner,
    rule,
)
from generator.config.rules.forms import NAME_RULE, key_fault, value_fault

# The read-only folder of the chart's own files.
CONFIG_FOLDER = "/etc/sd-on-eks"
# Folders that a container needs, including the chart's own mounts.
NEEDED_FOLDERS = frozenset(
    {"/bin", "/data", "/dev", "/etc", "/etc/sd-on-eks", "/home", "/invokeai", "/lib", "/opt", "/opt/ml"}
    | {"/opt/ml/code", "/proc", "/root", "/run", "/sbin", "/sys", "/tmp", "/usr", "/var", "/var/lib"}  # noqa: S108
    | {"/var/lib/sd-on-eks", "/var/lib/sd-on-eks/models"}
)


def _label_maps(case: Case) -> Iterator[ConfigNode]:
    yield _monitor_labels(case)
    for runtime in case.runtimes:
        pods = runtime.at("extraValues", "runtime")
        yield from (pods.at("labels"), pods.at("persistence", "labels"), provisioner(runtime).at("labels"))


def _monitor_labels(case: Case) -> ConfigNode:
    return case.config.at("observability", "monitors", "labels")


def _annotation_maps(case: Case) -> Iterator[ConfigNode]:
    for runtime in case.runtimes:
        pods = runtime.at("extraValues", "runtime")
        yield from (pods.at("annotations"), pods.at("persistence", "annotations"))
        yield provisioner(runtime).at("annotations")


@rule("SD901")
def labels_are_valid(case: Case) -> Iterator[Finding]:
    """Labels must be valid in Kubernetes."""
    for labels in _label_maps(case):
        for node in labels.entries():
            if fault := key_fault(node.key):
                yield Finding(
                    node, f"Kubernetes rejects this label: {fault}", f"a name has {NAME_RULE}", True
                )
            elif fault := value_fault(node.text() or ""):
                yield Finding(node, f"Kubernetes rejects this label: {fault}", f"a value has {NAME_RULE}")


@rule("SD902")
def annotations_are_valid(case: Case) -> Iterator[Finding]:
    """Keys of annotations must be valid in Kubernetes."""
    for annotations in _annotation_maps(case):
        for node in annotations.entries():
            if fault := key_fault(node.key):
                yield Finding(
                    node, f"Kubernetes rejects this annotation: {fault}", f"a name has {NAME_RULE}", True
                )


@rule("SD903", WARNING)
def labels_are_not_the_charts_own(case: Case) -> Iterator[Finding]:
    """Labels and annotations that the chart sets itself cannot be changed: pods depend on them."""
    reserved = case.facts.reserved
    maps = [(_monitor_labels(case), reserved.labels)]
    for runtime in case.runtimes:
        pods = runtime.at("extraValues", "runtime")
        maps += [(pods.at("labels"), reserved.labels), (pods.at("persistence", "labels"), reserved.labels)]
        maps.append((pods.at("annotations"), reserved.annotations))
    for keys, own in maps:
        for node in keys.entries():
            if node.key in own:
                message = f"the chart sets {node.key} itself and ignores this value"
                yield Finding(node, message, "remove it", True)


@rule("SD904")
def agent_environment_is_not_overridden(case: Case) -> Iterator[Finding]:
    """queueAgent.extraEnv cannot set what other keys of the config set: the two would conflict."""
    keys = case.facts.reserved.agent_environment
    for runtime in case.runtimes:
        for variable in environment(agent(runtime)):
            if variable.name in keys:
                instead = keys[variable.name]
                help = f"remove it, and set {instead} to change it" if instead else "remove it"
                yield variable.on_name(f"{variable.name} is derived from the rest of the config", help)


@rule("SD316")
def variables_have_one_source(case: Case) -> Iterator[Finding]:
    """A variable of an extraEnv list has a value or a valueFrom, not both."""
    for runtime in case.runtimes:
        for container in (inference(runtime), agent(runtime)):
            for item in container.at("extraEnv").items():
                value = item.at("value") if isinstance(item.value, dict) else None
                if value and value.value not in (None, "") and item.at("valueFrom").given:
                    message = "the variable has both value and valueFrom"
                    yield Finding(value, message, "remove one of them", True)


@rule("SD905")
def models_do_not_hide_the_system(case: Case) -> Iterator[Finding]:
    """The models cannot be mounted over a folder that the container needs."""
    for runtime in case.runtimes:
        node = inference(runtime).at("modelMountPath")
        if not (text := node.text()) or not text.startswith("/"):
            continue
        # normpath keeps two slashes at the start, which POSIX treats as special and Linux does not.
        path = posixpath.normpath(text).replace("//", "/", 1)
        if path in NEEDED_FOLDERS or f"{path}/".startswith(f"{CONFIG_FOLDER}/") or path == "/":
            message = f"models mounted at {path} would hide files that the container needs"
            yield Finding(node, message, "use /opt/ml/code/models")
        elif text.rstrip("/") != path:
            yield Finding(node, f"{text!r} is another spelling of {path}", f"write {path}")
