"""What the tests of the runtimes' images share: how they are built, and what they are asked."""

import contextlib
import json
import os
import shlex
import subprocess
import time
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from packaging.utils import canonicalize_name

from generator import paths
from local.emulator import free_port
from testing import images, pod_containers
from testing.images import Container, Containers, Image
from testing.pod_containers import Pod
from testing.world import wait_for

ROOT = paths.root()
CHART_FILES = ROOT / "charts" / "sd-runtimes" / "files"
PYTHON = "/opt/venv/bin/python"
BUILD_TOOLS = "for name in git gcc cc make /opt/venv/bin/pip; do command -v $name; done; true"
START_SECONDS = 400
END_SECONDS = 30
# What a process without rights has in /proc/PID/status.
NO_RIGHTS = {
    **dict.fromkeys(("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"), "0" * 16),
    "Uid": "1000\t1000\t1000\t1000",
    "NoNewPrivs": "1",
}
PACKAGES = """
import importlib.metadata as m
print(*(f"{one.name}=={one.version}" for one in m.distributions()))
"""


@dataclass(frozen=True)
class Source:
    """A repository that a Dockerfile fetches at the commit of an ARG, and a checkout that stands for it."""

    url: str
    argument: str
    checkout: Path
    without: tuple[str, ...] = ()
    """Folders of the checkout that are not of the repository."""


def from_checkouts(sources: Sequence[Source], folder: Path) -> list[str]:
    """Flags of a build that takes its sources from checkouts in place of the network.

    Each becomes a repository with one commit: the files as they are, whatever git knows of them.
    """
    flags = [f"--volume={folder}:/sources:ro", f"--volume={folder / 'gitconfig'}:/etc/gitconfig:ro"]
    settings = ["[safe]", "directory = *"]
    for number, source in enumerate(sources):
        repository = folder / str(number)
        git("init", "--quiet", str(repository))
        add = ["add", "--all", "--force", "--", ".", *(f":(exclude,top){name}" for name in source.without)]
        git("-C", str(repository), f"--work-tree={source.checkout.resolve()}", *add)
        git("-C", str(repository), "commit", "--quiet", "--message=checkout")
        commit = git("-C", str(repository), "rev-parse", "HEAD").strip()
        flags.append(f"--build-arg={source.argument}={commit}")
        settings += [f'[url "file:///sources/{number}"]', f"insteadOf = {source.url}"]
    (folder / "gitconfig").write_text("\n".join([*settings, ""]), "utf-8")
    return flags


def git(*arguments: str) -> str:
    """What a call of git prints; it reads no settings of this machine."""
    who = {f"GIT_{role}_{part}": "test" for role in ("AUTHOR", "COMMITTER") for part in ("NAME", "EMAIL")}
    environment = {**os.environ, **who, "GIT_CONFIG_GLOBAL": "/dev/null"}
    done = subprocess.run(["git", *arguments], env=environment, stdout=subprocess.PIPE, text=True, check=True)
    return done.stdout


def build(kind: str, flags: Sequence[str] = (), *, base: str = "BASE") -> Image:
    """The image of images/{kind}, as `make test-images` asks; `base`: the variable with the base image."""
    name = f"localhost/sd-on-eks/{kind}:test"
    flags = [*flags, *shlex.split(os.environ.get("BUILD_FLAGS", ""))]
    began = time.monotonic()
    built = images.build(
        name,
        ROOT / "images" / kind,
        ("BASE", os.environ.get(base, "")),
        contexts={"files": CHART_FILES},
        flags=flags,
    )
    print(f"\n{name}: {built.size / 1e9:.1f} GB; {time.monotonic() - began:.0f} s")
    return built


def build_tools(image: Image, containers: Containers) -> str:
    """Paths of build tools in an image."""
    return containers.output(image.name, ["/bin/sh", "-c", BUILD_TOOLS])


def unlicensed(image: Image, containers: Containers) -> set[str]:
    """The Python packages of an image that have no file with a license."""
    output = containers.output(image.name, [PYTHON, "-c", images.LICENSES])
    return {name for name, found in json.loads(output).items() if not found}


def installed(image: Image, containers: Containers) -> set[tuple[str, str]]:
    """Name and version of the Python packages of an image."""
    output = containers.output(image.name, [PYTHON, "-c", PACKAGES])
    return {_package(item) for item in output.split()}


def locked(kind: str) -> set[tuple[str, str]]:
    """Name and version of what the lock of an image names."""
    lines = (ROOT / "images" / kind / "requirements.lock").read_text("utf-8").splitlines()
    return {_package(line.split(" ")[0]) for line in lines if "==" in line}


def _package(text: str) -> tuple[str, str]:
    name, _, version = text.partition("==")
    return canonicalize_name(name), version


@dataclass(frozen=True)
class Server:
    """A server in a container, and its URL."""

    container: Container
    url: str


@contextlib.contextmanager
def running(image: Image, pod: Pod, models: Path, folder: Path) -> Iterator[Server]:
    """The runtime's container of a pod, once the server answers its startup probe."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    began = time.monotonic()
    with Containers(folder) as started:
        container = pod_containers.start(started, pod, image.name, models, folder / "files", port=port)
        wait_for(lambda: container.exited() or answers(url + pod.probe), START_SECONDS, 0.5)
        assert not container.exited(), container.log()
        print(f"\nanswers its startup probe after {time.monotonic() - began:.0f} s")
        yield Server(container, url)


def ended(container: Container) -> int:
    """The exit code of a container that is told to end, twice. Raises TimeoutExpired if it does not."""
    began = time.monotonic()
    container.signal("TERM")
    with contextlib.suppress(subprocess.CalledProcessError):  # it may have ended
        container.signal("TERM")
    code = container.wait(END_SECONDS)
    print(f"\nends {time.monotonic() - began:.1f} s after SIGTERM, with {code}")
    return code


def mapped(container: Container) -> set[str]:
    """The paths of files that the processes of a container have mapped."""
    maps = [Path(f"/proc/{number}/maps").read_text() for number in container.processes()]
    return {line.split(maxsplit=5)[-1] for text in maps for line in text.splitlines()}


def answers(url: str) -> bool:
    """Whether a server answers with JSON, as a probe's path does."""
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return isinstance(json.load(answer), dict | list)
    except (OSError, ValueError):
        return False


class EachImage:
    """Tests of each runtime's image. A subclass's module has POD and the fixtures `image` and `bucket`."""

    end_codes: tuple[int, ...] = (143,)

    def test_it_does_not_run_as_root(self, image: Image) -> None:
        assert image.user == "1000:1000"

    def test_it_holds_no_build_tools(self, image: Image, containers: Containers) -> None:
        assert build_tools(image, containers) == ""

    def test_sigterm_ends_it(
        self, request: pytest.FixtureRequest, image: Image, bucket: Path, tmp_path: Path
    ) -> None:
        with running(image, request.module.POD, bucket, tmp_path) as server:
            assert ended(server.container) in self.end_codes, server.container.log()

    @pytest.mark.parametrize("seconds", [0.0, 0.5, 4.0])
    def test_sigterm_ends_it_while_it_starts(
        self,
        request: pytest.FixtureRequest,
        image: Image,
        bucket: Path,
        containers: Containers,
        tmp_path: Path,
        seconds: float,
    ) -> None:
        files, pod = tmp_path / "files", request.module.POD
        container = pod_containers.start(containers, pod, image.name, bucket, files, port=free_port())
        time.sleep(seconds)

        assert ended(container) in (0, 143), container.log()
