"""A shell script that brings every image to where the cluster pulls it from."""

import re
import shlex
from collections.abc import Iterable, Iterator, Sequence
from typing import Literal

from generator.images.images import Image
from generator.solution import names

Tool = Literal["crane", "skopeo", "docker"]
TOOLS: tuple[Tool, ...] = ("crane", "skopeo", "docker")

_ECR = re.compile(r"\d{12}\.dkr\.ecr\.(?P<region>[a-z0-9-]+)\.amazonaws\.com(\.cn)?")
# The GPU nodes' architecture; what is copied keeps all of its own.
PLATFORM = "linux/amd64"


def script(images: Sequence[Image], tool: Tool) -> str:
    """The script: log in, make the repositories, copy, build."""
    wanted = [image for image in images if image.how in ("copied", "built")]
    registries = sorted({names.registry_of(image.name) for image in wanted})
    lines = [
        "#!/usr/bin/env bash",
        "# Made by `generator images --script`. Run it in the project's folder; it must reach both sides.",
        "# It needs " + ", ".join(_needs(wanted, registries, tool)) + ". Running it again does no harm.",
        "set -euo pipefail",
    ]
    for registry in registries:
        lines += _prepare(registry, wanted, tool)
    lines += [line for image in wanted for line in _bring(image, tool)]
    return "\n".join([*lines, f'echo "{len(wanted)} images are in place"']) + "\n"


def _needs(wanted: Iterable[Image], registries: Iterable[str], tool: Tool) -> list[str]:
    how = {image.how for image in wanted}
    tools = [tool] if "copied" in how else []
    tools += ["docker"] if "built" in how and "docker" not in tools else []
    return tools + (["aws"] if any(_ECR.fullmatch(registry) for registry in registries) else [])


def _prepare(registry: str, wanted: Iterable[Image], tool: Tool) -> Iterator[str]:
    """ECR wants a token, and a repository before its first image."""
    found = _ECR.fullmatch(registry)
    if found is None:
        yield f"# Log in to {registry} first."
        return
    region = found["region"]
    mine = [image for image in wanted if names.registry_of(image.name) == registry]
    logins = {tool} if any(image.how == "copied" for image in mine) else set()
    logins |= {"docker"} if any(image.how == "built" for image in mine) else set()
    for login in sorted(logins):
        yield f"aws ecr get-login-password --region {region} | {_login(login, registry)}"
    for repository in sorted({_path(image.name) for image in mine}):
        name = shlex.quote(repository)
        yield (
            f"aws ecr describe-repositories --region {region} --repository-names {name} >/dev/null 2>&1 ||"
            f" aws ecr create-repository --region {region} --repository-name {name} >/dev/null"
        )


def _login(tool: str, registry: str) -> str:
    return {
        "crane": f"crane auth login {registry} --username AWS --password-stdin",
        "skopeo": f"skopeo login {registry} --username AWS --password-stdin",
        "docker": f"docker login {registry} --username AWS --password-stdin",
    }[tool]


def _bring(image: Image, tool: Tool) -> Iterator[str]:
    source, name = shlex.quote(image.source), shlex.quote(_tagged(image.name))
    yield f"echo {shlex.quote(f'{image.part}: {image.name}')}"
    if image.how == "built":
        context = " --build-context files=charts/sd-runtimes/files" if source != "agent" else ""
        yield f"docker buildx build --platform {PLATFORM}{context} --tag {name} --push {source}"
        return
    yield {
        "crane": f"crane copy {source} {name}",
        "skopeo": f"skopeo copy --all docker://{source} docker://{name}",
        "docker": f"docker buildx imagetools create --tag {name} {source}",
    }[tool]


def _tagged(name: str) -> str:
    """A name to push to: a digest follows from the content, so the image gets a tag made of it."""
    repository, _, digest = name.partition("@")
    return f"{repository}:{digest.replace(':', '-')}" if digest else name


def _path(name: str) -> str:
    """The repository within its registry."""
    path = name.removeprefix(f"{names.registry_of(name)}/").partition("@")[0]
    return path.partition(":")[0]
