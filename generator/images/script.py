"""A shell script that copies or builds every image to the name that the cluster pulls."""

import shlex
from collections.abc import Iterable, Iterator, Sequence
from typing import Literal

from generator.facts import image_reference
from generator.facts.image_reference import ImageReference
from generator.images.images import Image
from generator.solution import custom_nodes

Tool = Literal["crane", "skopeo", "docker"]
TOOLS: tuple[Tool, ...] = ("crane", "skopeo", "docker")

# The architecture of the GPU nodes. A copied image keeps all of its architectures.
PLATFORM = "linux/amd64"


def script(images: Sequence[Image], tool: Tool, build: str = "build") -> str:
    """The script: log in, make the repositories, copy, build. `build`: the folder of the solution's build."""
    selected = [image for image in images if image.how in ("copied", "built")]
    registries = sorted({_registry(image) for image in selected})
    lines = [
        "#!/usr/bin/env bash",
        "# Made by `generator images --script`. Run it in the project's folder; it must reach both sides.",
        "# It needs " + ", ".join(_needs(selected, registries, tool)) + ". Running it again does no harm.",
        "set -euo pipefail",
    ]
    if any(image.custom_nodes_of for image in selected):
        lines += ["# The folder that `generator build` wrote.", f"build={shlex.quote(build)}"]
    for registry in registries:
        lines += _prepare(registry, selected, tool)
    lines += [line for image in selected for line in _provide(image, tool)]
    return "\n".join([*lines, f'echo "{len(selected)} images are in place"']) + "\n"


def _needs(selected: Iterable[Image], registries: Iterable[str], tool: Tool) -> list[str]:
    how = {image.how for image in selected}
    tools = [tool] if "copied" in how else []
    tools += ["docker"] if "built" in how and "docker" not in tools else []
    return tools + (["aws"] if any(_ecr_region(registry) for registry in registries) else [])


def _prepare(registry: str, selected: Iterable[Image], tool: Tool) -> Iterator[str]:
    """Logs in to an ECR registry and creates its repositories."""
    region = _ecr_region(registry)
    if region is None:
        yield f"# Log in to {registry} first."
        return
    images = [image for image in selected if _registry(image) == registry]
    logins = {tool} if any(image.how == "copied" for image in images) else set()
    logins |= {"docker"} if any(image.how == "built" for image in images) else set()
    for login in sorted(logins):
        yield f"aws ecr get-login-password --region {region} | {_login(login, registry)}"
    for repository in sorted({image_reference.parse(image.name).path for image in images}):
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


def _provide(image: Image, tool: Tool) -> Iterator[str]:
    source, name = shlex.quote(image.source), shlex.quote(image.tagged)
    yield f"echo {shlex.quote(f'{image.part}: {image.name}')}"
    if image.how == "built":
        context = " --build-context files=charts/sd-runtimes/files" if source != "agent" else ""
        if image.custom_nodes_of:
            folder = f'"$build"/{custom_nodes.image_folder(image.custom_nodes_of)}'
            context += f" --build-context {custom_nodes.CONTEXT}={folder}"
            context += f" --file {folder}/{custom_nodes.DOCKERFILE}"
        yield f"docker buildx build --platform {PLATFORM}{context} --tag {name} --push {source}"
        return
    yield {
        "crane": f"crane copy {source} {name}",
        "skopeo": f"skopeo copy --all docker://{source} docker://{name}",
        "docker": f"docker buildx imagetools create --tag {name} {source}",
    }[tool]


def _registry(image: Image) -> str:
    return image_reference.parse(image.name).registry


def _ecr_region(registry: str) -> str | None:
    """The region of an ECR registry; None for another registry."""
    ecr = ImageReference(registry, "").ecr
    return ecr.region if ecr else None
