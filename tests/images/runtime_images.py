"""What the tests of the runtimes' images share: how they are built, and what they are asked."""

import json
import os
import shlex
import time
import urllib.request
from collections.abc import Sequence

from packaging.utils import canonicalize_name

from generator import paths
from testing import images
from testing.images import Containers, Image

ROOT = paths.root()
CHART_FILES = ROOT / "charts" / "sd-runtimes" / "files"
PYTHON = "/opt/venv/bin/python"
BUILD_TOOLS = "for name in git gcc cc make /opt/venv/bin/pip; do command -v $name; done; true"
PACKAGES = """
import importlib.metadata as m
print(*(f"{one.name}=={one.version}" for one in m.distributions()))
"""


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


def answers(url: str) -> bool:
    """Whether a server answers with JSON, as a probe's path does."""
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return isinstance(json.load(answer), dict | list)
    except (OSError, ValueError):
        return False
