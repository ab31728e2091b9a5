"""A real ComfyUI on this machine's CPU, started by the chart's profile: command, environment, files."""

import contextlib
import json
import os
import shutil
import subprocess
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from local import processes
from local.emulator import free_port
from local.processes import Child
from testing import containers
from testing.world import wait_for
from tests.local import model_loader

ROOT = Path(__file__).parents[2]
CHART = ROOT / "charts" / "sd-runtimes"
# Where the profile expects the program, and the chart mounts the profile's files.
CODE, CONFIG = "/opt/ml/code", "/etc/sd-on-eks"
# Importing torch takes half a minute on two busy cores.
START_SECONDS = 240
CHECKPOINT = "tiny.safetensors"
# A node that fails as its sender wishes: files of custom nodes, found by a path of their own.
NODES = '''
import time

class Fail:
    INPUT_TYPES = classmethod(lambda cls: {"required": {"error": ("STRING", {}), "message": ("STRING", {})}})
    RETURN_TYPES, FUNCTION, CATEGORY, OUTPUT_NODE = (), "run", "test", True

    def run(self, error, message):
        raise {"RuntimeError": RuntimeError, "OSError": OSError, "MemoryError": MemoryError}[error](message)

class SaveFlat:
    """As savers of extensions that make no folders."""
    INPUT_TYPES = classmethod(
        lambda cls: {"required": {"images": ("IMAGE",), "filename_prefix": ("STRING", {"default": "flat"})}}
    )
    RETURN_TYPES, FUNCTION, CATEGORY, OUTPUT_NODE = (), "run", "test", True

    def run(self, images, filename_prefix):
        import folder_paths
        name = f"{filename_prefix}.txt"
        with open(f"{folder_paths.get_output_directory()}/{name}", "x") as file:
            file.write(str(images.shape))
        return {"ui": {"files": [{"filename": name, "subfolder": "", "type": "output"}]}}

class Text:
    INPUT_TYPES = classmethod(lambda cls: {"required": {"text": ("STRING", {})}})
    RETURN_TYPES, FUNCTION, CATEGORY = ("STRING",), "run", "test"

    def run(self, text):
        return (text,)

class Show:
    """As nodes of extensions that return a text where ComfyUI expects a list of texts."""
    INPUT_TYPES = classmethod(lambda cls: {"required": {"text": ("STRING", {})}})
    RETURN_TYPES, FUNCTION, CATEGORY, OUTPUT_NODE = (), "run", "test", True

    def run(self, text):
        return {"ui": {"text": text}}

NODE_CLASS_MAPPINGS = {"TestFail": Fail, "TestSaveFlat": SaveFlat, "TestText": Text, "TestShow": Show}
'''


@dataclass(frozen=True)
class Server:
    """A running ComfyUI: its URL, its process, the folder of its files."""

    url: str
    child: Child
    data: Path
    environment: dict[str, str]

    def ask(self, path: str, body: object = None) -> Any:
        """The JSON of a response; a request with a body is a POST."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.loads(answer.read() or "null")

    def sweep(self) -> None:
        """Delete all files, as the profile's loop does after a while."""
        for name in ("input", "output", "temp"):
            shutil.rmtree(self.data / name)
            (self.data / name).mkdir()

    def settle(self) -> None:
        """Wait until every prompt has ended, and delete the history."""
        wait_for(lambda: self.ask("/prompt")["exec_info"]["queue_remaining"] == 0)
        self.ask("/history", {"clear": True})

    def has(self, node: str) -> bool:
        """Whether this version knows the node."""
        return bool(self.ask(f"/object_info/{node}"))


def checkout() -> tuple[Path, Path]:
    """The checkout of ComfyUI and its Python, from the environment of `make test-comfyui`."""
    return Path(os.environ["COMFYUI"]), Path(os.environ["COMFYUI_PYTHON"])


@contextlib.contextmanager
def running(folder: Path, without: str = "", *, direct: bool = False) -> Iterator[Server]:
    """Start a server whose files are all in `folder`, if need be without one of the profile's arguments.

    `direct`: the checkpoint comes by the model loader from an S3 in `folder`, and the mount has no true copy.
    """
    code, python = checkout()
    config, data, models, port = folder / "config", folder / "data", folder / "models", free_port()
    for path in (config, models / "Stable-diffusion", folder / "nodes"):
        path.mkdir(parents=True)
    (folder / "nodes" / "test_nodes.py").write_text(NODES)
    (folder / "nodes.yaml").write_text(yaml.safe_dump({"test": {"custom_nodes": str(folder / "nodes")}}))
    script = ROOT / "tests" / "local" / "comfyui_checkpoint.py"
    checkpoint = models / "Stable-diffusion" / CHECKPOINT
    subprocess.run(
        [python, script, checkpoint], env={"PYTHONPATH": str(code)}, check=True, capture_output=True
    )
    profile = yaml.safe_load((CHART / "profiles" / "comfyui.yaml").read_text())
    for name, text in profile["files"].items():
        (config / name).write_text(text.replace("$(MODELS_PATH)", str(models)))
    for name in profile["copies"]:
        (config / name).write_text((CHART / "files" / name).read_text().replace(CONFIG, str(config)))
    environment = {
        **profile["env"],
        "DATA": str(data),
        "HOME": str(data),
        "PYTHONPATH": str(config),
        "PATH": f"{python.parent}:{os.environ['PATH']}",
        "RUNTIME_PORT": str(port),
        "TASK_TIMEOUT_SECONDS": "1800",
        "OMP_NUM_THREADS": "1",  # two threads on busy cores wait for each other
        "EXTRA_CMD_ARG": f"--cpu --extra-model-paths-config {folder / 'nodes.yaml'}",
    }
    command = [part.replace(CODE, str(code)).replace(CONFIG, str(config)) for part in profile["command"]]
    command = [part.replace(f" {without}", "") for part in command] if without else command
    with contextlib.ExitStack() as stack:
        if direct:
            source, name = checkpoint.rename(folder / CHECKPOINT), f"Stable-diffusion/{CHECKPOINT}"
            checkpoint.write_text("not this one")
            document = config / "direct-models.json"
            stack.enter_context(model_loader.loading(folder, source, models, name, document))
        child = containers.start("comfyui", containers.with_init(command), environment, folder)
        yield from _ready(Server(f"http://127.0.0.1:{port}", child, data, environment))


def _ready(server: Server) -> Iterator[Server]:
    """The server as soon as it answers; it is stopped afterwards."""
    child = server.child
    try:
        wait_for(lambda: _answers(server.url) or not child.alive, START_SECONDS)
        processes.check([child])
        yield server
    finally:
        processes.stop([child])


def _answers(url: str) -> bool:
    with contextlib.suppress(OSError), urllib.request.urlopen(f"{url}/prompt", timeout=5) as answer:
        return bool(answer.status == 200)
    return False
