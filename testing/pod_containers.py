"""The runtime's container of a pod that the chart renders, run by podman as a kubelet runs it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from generator import yaml_loader
from generator.build import files
from generator.build import values as chart_values
from generator.deploy import charts, helm
from generator.solution.context import Context
from testing import containers, solving
from testing.images import Container, Containers

NAME = "runtime"
# Where each type reads its port, with {old} for what the pod has. The server is on the network of this
# machine, where port 8080 may be in use.
PORTS: Mapping[str, tuple[str, str]] = {
    "sdwebui": ("EXTRA_CMD_ARG", "{old} --port {port}"),
    "comfyui": ("RUNTIME_PORT", "{port}"),
    "invokeai": ("INVOKEAI_PORT", "{port}"),
}


@dataclass(frozen=True)
class Pod:
    """The runtime of a config with one runtime: the type, its pod, the files of its ConfigMap."""

    kind: str
    spec: Mapping[str, Any]
    files: Mapping[str, str]

    @property
    def runtime(self) -> Mapping[str, Any]:
        """The runtime's container."""
        return next(one for one in self.spec["containers"] if one["name"] == NAME)

    @property
    def probe(self) -> str:
        """The path that its startup probe asks for."""
        return str(self.runtime["startupProbe"]["httpGet"]["path"])

    def environment(self, port: int) -> dict[str, str]:
        """The container's variables, expanded, with a port of this machine."""
        known: dict[str, str] = {}
        for variable in self.runtime["env"]:
            known[variable["name"]] = containers.expand([variable["value"]], known)[0]
        name, text = PORTS[self.kind]
        return known | {name: text.format(old=known.get(name, ""), port=port)}


def rendered(kind: str, **runtime: Any) -> Pod:
    """The pod of a runtime of this type, by the generator and Helm."""
    data: dict[str, Any] = {"stackName": "demo", "eksVersion": "1.34", "modelBucketArn": "arn:aws:s3:::m"}
    data["modelsRuntime"] = [{"name": NAME, "type": kind, **runtime}]
    solution = solving.solution(data, Context("us-west-2", "123456789012", date(2026, 11, 22)))
    eks = solution.versions.eks
    built = chart_values.runtimes_alone(solution)
    text = helm.template(solution.stack, charts.folder(files.RUNTIMES_ALONE, eks), eks, built)
    objects = {(one["kind"], one["metadata"]["name"]): one for one in yaml_loader.load_all(text) if one}
    pod = objects["Deployment", NAME]["spec"]["template"]["spec"]
    return Pod(kind, pod, objects["ConfigMap", f"{NAME}-runtime"]["data"])


def start(
    running: Containers, pod: Pod, image: str, models: Path, folder: Path, *, port: int, **environment: str
) -> Container:
    """Start the runtime's container of a pod from another image, on a port of this machine.

    `models` stands for the bucket, `folder` is for the files of the pod, `environment` has more variables.
    """
    variables = pod.environment(port) | environment
    command = containers.expand(pod.runtime["command"], variables)
    writable = not pod.runtime["securityContext"]["readOnlyRootFilesystem"]
    flags = [_user(pod), *_mounts(pod, models, folder)]
    return running.start(image, variables, command=command, volumes=flags, writable=writable)


def _user(pod: Pod) -> str:
    context = pod.spec["securityContext"]
    return f"--user={context['runAsUser']}:{context['runAsGroup']}"


def _mounts(pod: Pod, models: Path, folder: Path) -> Iterator[str]:
    volumes = {volume["name"]: volume for volume in pod.spec["volumes"]}
    for mount in pod.runtime["volumeMounts"]:
        volume, path = volumes[mount["name"]], mount["mountPath"]
        mode = "ro" if mount.get("readOnly") else "rw"
        if "persistentVolumeClaim" in volume:
            yield f"--volume={models}:{path}:{mode}"
        elif "configMap" in volume:
            yield f"--volume={_written(folder / mount['name'], pod.files)}:{path}:{mode}"
        else:
            # As an emptyDir: empty whatever the image has there, and programs in it may be run. U: the user
            # may write, as by fsGroup; a mode has no effect where the image has a folder of this name.
            yield f"--tmpfs={path}:{mode},U,mode=1777,exec,notmpcopyup"


def _written(folder: Path, texts: Mapping[str, str]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        (folder / name).write_text(text, "utf-8")
    return folder
