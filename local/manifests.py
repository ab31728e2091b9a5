"""The manifests that the chart renders: objects by kind, and the environment of each queue agent."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml

Manifest = Mapping[str, Any]

AGENT = "queue-agent"


@dataclass(frozen=True)
class Manifests:
    """The Kubernetes objects of one config."""

    objects: tuple[Manifest, ...]

    def kinds(self) -> dict[str, int]:
        """How many objects there are of each kind."""
        return dict(sorted(Counter(str(manifest["kind"]) for manifest in self.objects).items()))

    def agent_env(self, runtime: str) -> dict[str, str]:
        """The environment of the queue agent in the pods of `runtime`, as a kubelet resolves it."""
        deployment = self._object("Deployment", runtime)
        template = deployment["spec"]["template"]
        container = next(item for item in template["spec"]["containers"] if item["name"] == AGENT)
        pod = {
            "metadata.name": f"{runtime}-local",
            "metadata.namespace": deployment["metadata"].get("namespace", "default"),
            "spec.nodeName": "local",
            "status.podIP": "127.0.0.1",
        }
        environment: dict[str, str] = {}
        for source in container.get("envFrom", ()):
            environment |= self._object("ConfigMap", source["configMapRef"]["name"])["data"]
        variables = {item["name"]: _value(item, pod) for item in container.get("env", ())}
        return environment | {name: value for name, value in variables.items() if value is not None}

    def _object(self, kind: str, name: str) -> Manifest:
        return next(
            manifest
            for manifest in self.objects
            if manifest["kind"] == kind and manifest["metadata"]["name"] == name
        )


def _value(variable: Mapping[str, Any], pod: Mapping[str, str]) -> str | None:
    """The value of one variable: its own, or the pod's field that the downward API names.

    None for a value from the cluster, such as a Secret, which this machine does not have.
    """
    if "valueFrom" not in variable:
        return str(variable.get("value", ""))
    return pod.get(variable["valueFrom"].get("fieldRef", {}).get("fieldPath"))


def parse(text: str) -> Manifests:
    """The objects of a multi-document YAML text."""
    return Manifests(tuple(document for document in yaml.load_all(text, yaml.CSafeLoader) if document))
