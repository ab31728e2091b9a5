"""Images built with buildah and run with podman, as a kubelet runs them under the level `restricted`."""

import json
import os
import resource
import secrets
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# A container's default limits, which a user without CAP_SYS_RESOURCE may not set.
DROP_LIMITS = """\
#!{python} -IS
import json, sys
config = json.load(sys.stdin)
config["process"].pop("rlimits", None)
json.dump(config, sys.stdout)
"""
DEFAULT_FILES = 1 << 20
RESTRICTED = ("--read-only", "--read-only-tmpfs=false", "--cap-drop=all", "--security-opt=no-new-privileges")

# Prints which files with a license each Python package has, as JSON.
LICENSES = """
import importlib.metadata as metadata, json
print(json.dumps({
    one.name: [str(file) for file in one.files
               if "-info/" in str(file) and any(
                   word in file.name.lower() for word in ("licen", "copying", "notice"))
               and file.locate().stat().st_size > 200]
    for one in metadata.distributions()
}))
"""


@dataclass(frozen=True)
class Image:
    """An image in the local storage. `size`: bytes of its layers, unpacked; `own`: without its base."""

    name: str
    user: str
    entrypoint: tuple[str, ...]
    size: int
    own: int


def build(
    name: str,
    context: Path,
    base: tuple[str, str],
    *,
    contexts: Mapping[str, Path] | None = None,
    flags: Sequence[str] = (),
) -> Image:
    """Build the Dockerfile of a folder; `base`: the name of its ARG and the image, empty for its default.

    Raises CalledProcessError; buildah's output is that of this process.
    """
    argument, image = base
    command = ["buildah", "build", "--tag", name, *flags]
    command += [f"--build-arg={argument}={image}"] if image else []
    command += [f"--build-context={key}={folder}" for key, folder in (contexts or {}).items()]
    isolation = {"BUILDAH_ISOLATION": os.environ.get("BUILDAH_ISOLATION", "chroot")}
    subprocess.run([*command, str(context)], check=True, env=os.environ | isolation)
    return inspect(name, image or default_of(context / "Dockerfile", argument))


def default_of(dockerfile: Path, argument: str) -> str:
    """The default of an ARG."""
    lines = dockerfile.read_text("utf-8").splitlines()
    return next(line.partition("=")[2] for line in lines if line.startswith(f"ARG {argument}="))


def inspect(name: str, base: str) -> Image:
    """What the storage knows of an image."""
    described, below = _inspected(name), _inspected(base)
    config, size = described["Config"], described["Size"]
    return Image(name, config["User"], tuple(config.get("Entrypoint", ())), size, size - below["Size"])


def _inspected(name: str) -> dict[str, Any]:
    """What the storage knows of an image, as podman writes it."""
    command = ["podman", "image", "inspect", name]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return dict(json.loads(output)[0])


class Containers:
    """Containers of one test: on the network of this machine, without privileges, removed at the end."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._names: list[str] = []
        # cgroups of both versions at once (hybrid) are refused by some versions of crun.
        self._podman = ["podman", *(["--runtime=runc"] if shutil.which("runc") else [])]
        if resource.getrlimit(resource.RLIMIT_NOFILE)[1] < DEFAULT_FILES:
            self._podman += [f"--hooks-dir={self._hooks()}"]

    def __enter__(self) -> "Containers":
        return self

    def __exit__(self, *_: object) -> None:
        for name in self._names:
            self._call("rm", "--force", "--time=0", name)

    def start(
        self,
        image: str,
        environment: Mapping[str, str],
        *,
        command: Sequence[str] = (),
        volumes: Sequence[str] = (),
        writable: bool = False,
    ) -> "Container":
        """Start an image, by its own program or by `command`; `volumes` are options of `podman run`."""
        name = f"sd-on-eks-test-{secrets.token_hex(4)}"
        self._names.append(name)
        variables = [f"--env={key}={value}" for key, value in environment.items()]
        program = [f"--entrypoint={json.dumps(list(command))}"] if command else []
        root = RESTRICTED[2:] if writable else RESTRICTED
        run = ["run", "--detach", f"--name={name}", "--network=host", *root, *variables]
        self._call(*run, *volumes, *program, image)
        return Container(name, self._podman)

    def output(self, image: str, command: Sequence[str], volumes: Sequence[str] = ()) -> str:
        """What a command in an image prints. Raises AssertionError, with its errors, if it fails."""
        program = f"--entrypoint={json.dumps(list(command))}"
        return self._call("run", "--rm", "--network=none", *RESTRICTED, *volumes, program, image)

    def _call(self, *arguments: str) -> str:
        done = subprocess.run([*self._podman, *arguments], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def _hooks(self) -> Path:
        folder = self._folder / "hooks"
        folder.mkdir(parents=True)
        program = folder / "drop-limits"
        program.write_text(DROP_LIMITS.format(python=sys.executable))
        program.chmod(0o755)
        hook = {"version": "1.0.0", "hook": {"path": str(program)}, "when": {"always": True}}
        (folder / "drop-limits.json").write_text(json.dumps({**hook, "stages": ["precreate"]}))
        return folder


@dataclass(frozen=True)
class Container:
    """A container that was started."""

    name: str
    podman: Sequence[str]

    def status(self) -> dict[str, str]:
        """/proc/PID/status of its first process, as the host sees it."""
        lines = Path(f"/proc/{self._first()}/status").read_text().splitlines()
        return {key: value.strip() for key, _, value in (line.partition(":") for line in lines)}

    def processes(self) -> list[int]:
        """The numbers of all its processes, as the host sees them."""
        found = [self._first()]
        for number in found:
            children = Path(f"/proc/{number}/task/{number}/children").read_text()
            found += [int(child) for child in children.split()]
        return found

    def exited(self) -> bool:
        """Whether its first process has ended."""
        return self._ask("inspect", "--format={{.State.Status}}", self.name).strip() == "exited"

    def log(self) -> str:
        """What it has printed."""
        return self._ask("logs", self.name)

    def signal(self, name: str) -> None:
        """Send a signal to its first process."""
        self._ask("kill", f"--signal={name}", self.name)

    def wait(self, seconds: float) -> int:
        """Wait for its end; the exit code. Raises TimeoutExpired."""
        return int(self._ask("wait", self.name, seconds=seconds))

    def _first(self) -> int:
        return int(self._ask("inspect", "--format={{.State.Pid}}", self.name))

    def _ask(self, *arguments: str, seconds: float = 60) -> str:
        done = subprocess.run(
            [*self.podman, *arguments],
            check=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=seconds,
        )
        return done.stdout
