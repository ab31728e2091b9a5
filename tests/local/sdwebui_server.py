"""A real SD WebUI (A1111 or Forge) on this CPU, started by the chart's profile on read-only models."""

import contextlib
import json
import os
import shlex
import shutil
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from generator import yaml_loader
from local import processes
from local.emulator import free_port
from testing import containers
from testing.containers import Contained
from testing.world import wait_for
from tests.local import model_loader

ROOT = Path(__file__).parents[2]
CHART = ROOT / "charts" / "sd-runtimes"
PROFILE: dict[str, Any] = yaml_loader.load((CHART / "profiles" / "sdwebui.yaml").read_text())
# Where the profile expects the program, and the chart mounts the profile's files.
CODE, CONFIG = "/opt/ml/code", "/etc/sd-on-eks"
# Only what lets it make a picture on a machine without network.
NO_SETTINGS = "none.json"
CHECKPOINT, OTHER = "tiny.safetensors", "other.safetensors"
# The folders of the bucket: Forge needs some more.
FOLDERS: tuple[str, ...] = (*PROFILE["modelFolders"], *PROFILE["forgeModelFolders"])
# Importing torch and gradio takes a minute on two busy cores.
START_SECONDS = 400
# At the top of a checkout, but not the program: an environment, models, results, settings, caches.
NOT_COPIED = (
    ".git",
    "venv",
    ".venv",
    "models",
    "outputs",
    "log",
    "tmp",
    "cache",
    "config.json",
    "embeddings",
)
A1111_ON_CPU = ("--use-cpu", "all", "--no-half")
FORGE_ON_CPU = ("--always-cpu",)


@dataclass(frozen=True)
class Server:
    """A running SD WebUI: its URL, its process, and the folder that stands for the bucket."""

    url: str
    child: Contained
    bucket: Path

    def ask(self, path: str, body: object = None) -> Any:
        """The JSON of a response; a request with a body is a POST."""
        status, answer = self.answer(path, body)
        assert status == 200, answer
        return answer

    def answer(self, path: str, body: object = None) -> tuple[int, Any]:
        """Status and JSON of a response; a request with a body is a POST."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(
            f"{self.url}/sdapi/v1{path}", data, {"Content-Type": "application/json"}
        )
        try:
            with urllib.request.urlopen(request, timeout=120) as answer:
                return answer.status, json.loads(answer.read() or "null")
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read() or "null")

    def maps(self, file: str) -> bool:
        """Whether a file of this name is mapped into its memory."""
        return file in Path(f"/proc/{self.child.program()}/maps").read_text()

    def log(self) -> str:
        """What it has written so far."""
        return self.child.log.read_text(errors="replace")


def checkout() -> tuple[Path, Path]:
    """The checkout of SD WebUI and its Python, from the environment of `make test-sdwebui`."""
    return Path(os.environ["WEBUI"]), Path(os.environ["WEBUI_PYTHON"])


def is_forge() -> bool:
    """Whether the checkout is Forge."""
    return (checkout()[0] / "modules_forge").is_dir()


def prepare(folder: Path) -> None:
    """Lay out `folder` as a container: the program, the chart's files, a bucket with two checkpoints."""
    code, python = checkout()
    shutil.copytree(
        code, folder / "code", ignore=lambda at, _: NOT_COPIED if Path(at) == code else (), symlinks=True
    )
    for name in ("models", "embeddings"):
        (folder / "code" / name).mkdir()
    image = ROOT / "images" / "sdwebui"
    shutil.copy(image / "serve.sh", folder / "code")
    if not is_forge():  # it has the tokenizer in its own files
        command = [python, image / "tokenizer.py", folder / "code" / "huggingface"]
        subprocess.run(command, check=True, capture_output=True)
    for path in [folder / "config", *(folder / "bucket" / name for name in FOLDERS)]:
        path.mkdir(parents=True)
    (folder / "config" / NO_SETTINGS).write_text('{"live_previews_enable": false}')
    for name, text in PROFILE["files"].items():
        (folder / "config" / name).write_text(text)
    for name in PROFILE["copies"]:
        text = (CHART / "files" / name).read_text().replace(CONFIG, str(folder / "config"))
        (folder / "config" / name).write_text(text)
    script = ROOT / "tests" / "local" / "sdwebui_checkpoint.py"
    checkpoint = folder / "bucket" / "Stable-diffusion" / CHECKPOINT
    command = [python, script, checkpoint]
    subprocess.run(command, check=True, capture_output=True, cwd=folder / "code")
    for path in list(checkpoint.parent.iterdir()):
        shutil.copy(path, checkpoint.with_name(OTHER).with_suffix(path.suffix))


def environment(folder: Path, port: int) -> dict[str, str]:
    """The profile's environment, with all folders below `folder`."""
    on_cpu = FORGE_ON_CPU if is_forge() else A1111_ON_CPU
    words = [*PROFILE["arguments"], *on_cpu, "--port", str(port)]
    return {
        **PROFILE["env"],
        "CONFIG_FILE": str(folder / "config" / "config.json"),
        "PYTHONPATH": str(folder / "config"),
        **{name: str(folder / "huggingface") for name in ("HF_HOME", "TRANSFORMERS_CACHE")},
        "MPLCONFIGDIR": str(folder / "matplotlib"),
        "HOME": str(folder),
        "HF_HUB_OFFLINE": "1",
        "PATH": f"{checkout()[1].parent}:{os.environ['PATH']}",
        "OMP_NUM_THREADS": "1",  # two threads on busy cores wait for each other
        "PYTHONUNBUFFERED": "1",
        "EXTRA_CMD_ARG": shlex.join(words),
    }


@contextlib.contextmanager
def running(folder: Path, *, bare: bool = False, direct: bool = False) -> Iterator[Server]:
    """Start a server in a folder that `prepare` has laid out, with a checkpoint, by the chart's profile.

    `bare`: without the profile's files, and on models that it may write to, which are only checkpoints.
    `direct`: the checkpoint comes by the model loader, and the bucket that is mounted has no true copy.
    """
    port, code, bucket = free_port(), folder / "code", folder / "bucket"
    own = {"SD_MODEL_CHECKPOINT": CHECKPOINT}
    if bare:
        own |= {"CONFIG_FILE": str(folder / "config" / NO_SETTINGS), "PYTHONPATH": ""}
        bucket = folder / "bare"
        shutil.copytree(folder / "bucket" / "Stable-diffusion", bucket / "Stable-diffusion")
    with contextlib.ExitStack() as stack:
        if direct:
            bucket, name = folder / "direct-bucket", f"Stable-diffusion/{CHECKPOINT}"
            shutil.copytree(folder / "bucket", bucket)
            (bucket / name).write_text("not this one")
            source, document = folder / "bucket" / name, folder / "config" / "direct-models.json"
            stack.enter_context(model_loader.loading(folder, source, code / "models", name, document))
            stack.callback(document.unlink)
        yield from _started(folder, port, bucket, own, writable=bare)


def _started(
    folder: Path, port: int, bucket: Path, own: dict[str, str], *, writable: bool
) -> Iterator[Server]:
    """The server as soon as it answers; it is stopped afterwards."""
    code = folder / "code"
    command = [part.replace(CODE, str(code)) for part in PROFILE["command"]]
    mounted = _mounted(bucket, code / "models", containers.with_init(command), writable=writable)
    child = containers.start(f"sdwebui-{port}", mounted, environment(folder, port) | own, folder)
    server = Server(f"http://127.0.0.1:{port}", child, bucket)
    try:
        wait_for(lambda: _answers(server) or not child.alive, START_SECONDS)
        processes.check([child])
        yield server
    finally:
        processes.stop([child])


def _mounted(source: Path, target: Path, command: Sequence[str], *, writable: bool) -> list[str]:
    """The command in a mount namespace of its own, where `target` is `source`, read-only as in a pod."""
    users = () if os.geteuid() == 0 else ("--user", "--map-root-user")
    mount = f"mount --bind {source} {target}" + ("" if writable else f" && mount -o remount,ro,bind {target}")
    return ["/usr/bin/unshare", *users, "--mount", "sh", "-ec", f'{mount}; exec "$@"', "sh", *command]


def _answers(server: Server) -> bool:
    with contextlib.suppress(OSError, ValueError):
        return server.answer("/progress?skip_current_image=true")[0] == 200
    return False
