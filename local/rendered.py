"""What the chart renders, read back: how many objects of which kind, and the environment of each agent."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml

Manifest = Mapping[str, Any]

AGENT = "queue-agent"


@dataclass(frozen=True)
class Rendered:
    """The manifests of one config."""

    manifests: tuple[Manifest, ...]

    def kinds(self) -> dict[str, int]:
        """How many objects of each kind, by name of the kind."""
        return dict(sorted(Counter(str(manifest["kind"]) for manifest in self.manifests).items()))

    def agent_env(self, runtime: str) -> dict[str, str]:
        """The environment of the queue agent in the pods of `runtime`, as Kubernetes would make it."""
        deployment = self._object("Deployment", runtime)
        template = deployment["spec"]["template"]
        container = next(each for each in template["spec"]["containers"] if each["name"] == AGENT)
        pod = {
            "metadata.name": f"{runtime}-local",
            "metadata.namespace": deployment["metadata"].get("namespace", "default"),
            "spec.nodeName": "local",
            "status.podIP": "127.0.0.1",
        }
        environment: dict[str, str] = {}
        for source in container.get("envFrom", ()):
            environment |= self._object("ConfigMap", source["configMapRef"]["name"])["data"]
        return environment | {each["name"]: _value(each, pod) for each in container.get("env", ())}

    def _object(self, kind: str, name: str) -> Manifest:
        return next(
            each for each in self.manifests if each["kind"] == kind and each["metadata"]["name"] == name
        )


def _value(variable: Mapping[str, Any], pod: Mapping[str, str]) -> str:
    """The value of one variable: its own, or what the downward API says of the pod."""
    if "valueFrom" not in variable:
        return str(variable.get("value", ""))
    return pod[variable["valueFrom"]["fieldRef"]["fieldPath"]]


def read(text: str) -> Rendered:
    """The objects of a multi-document YAML text."""
    return Rendered(tuple(each for each in yaml.load_all(text, yaml.CSafeLoader) if each))
