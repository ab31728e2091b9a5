"""The Dockerfile of a ComfyUI with custom nodes: this project's own, and a layer with the nodes."""

import re
import shlex
from collections.abc import Iterator

from generator import paths
from generator.solution.custom_nodes import (
    CONTEXT,
    DOCKERFILE,
    LOCK_FILE,
    Archive,
    CustomNodes,
    GitNode,
    Lock,
    image_folder,
)
from generator.solution.model import Runtime, Solution

# Not among ComfyUI's own packages, so that the layer holds only what the nodes add.
PACKAGES = "/opt/custom-nodes"
NODES = "/opt/ml/code/custom_nodes"
_PYTHON = re.compile(r"^ARG BASE=\S*python:(3\.\d+)", re.MULTILINE)


def base() -> str:
    """The Dockerfile of ComfyUI without custom nodes."""
    return (paths.root() / "images" / "comfyui" / DOCKERFILE).read_text("utf-8")


def files(solution: Solution) -> dict[str, str]:
    """Dockerfile and lock of each runtime with custom nodes that are locked."""
    return {path: text for runtime in solution.runtimes for path, text in _of_runtime(runtime).items()}


def _of_runtime(runtime: Runtime) -> dict[str, str]:
    nodes = runtime.custom_nodes
    if nodes is None or nodes.locked is None:
        return {}
    at = image_folder(runtime.name)
    return {
        f"{at}/{DOCKERFILE}": dockerfile(base(), nodes, nodes.locked),
        f"{at}/{LOCK_FILE}": nodes.locked.text,
    }


def dockerfile(base: str, nodes: CustomNodes, lock: Lock) -> str:
    """The Dockerfile `base` with two more stages: one that fetches the nodes, and the result.

    Raises ValueError for a Dockerfile that is not that of images/comfyui, and for a lock without an archive
    of a registry node.
    """
    python = _PYTHON.search(base)
    if python is None:
        raise ValueError("the Dockerfile of ComfyUI has no `ARG BASE=` with a version of Python")
    return f"{base.rstrip()}\n\n{chr(10).join(_stages(nodes, lock, python[1]))}\n"


def _stages(nodes: CustomNodes, lock: Lock, python: str) -> Iterator[str]:
    yield "# The custom nodes. Packages without a wheel are compiled, with ComfyUI's own setuptools."
    yield "FROM build AS nodes"
    yield from (
        "RUN apt-get update \\",
        " && apt-get install --yes --no-install-recommends build-essential \\",
        " && rm -rf /var/lib/apt/lists/*",
        f"COPY --from={CONTEXT} {LOCK_FILE} /build/",
        f"RUN mkdir -p {PACKAGES} \\",
        f" && echo {PACKAGES} > /build/custom-nodes.pth \\",
        " && pip --python /opt/venv/bin/python install --no-cache-dir --disable-pip-version-check \\",
        f"    --require-hashes --no-deps --no-build-isolation --target {PACKAGES} \\",
        f"    --requirement /build/{LOCK_FILE}",
        f"WORKDIR {NODES}",
    )
    for node in nodes.git:
        yield from _cloned(node)
    archives = {(archive.id, archive.version): archive for archive in lock.archives}
    for registered in nodes.registry:
        if (archive := archives.get((registered.id, registered.version))) is None:
            raise ValueError(f"the lock has no archive of {registered.id} {registered.version}")
        yield from _unpacked(archive)
    yield from (
        "",
        "FROM comfyui",
        f"COPY --from=nodes {PACKAGES} {PACKAGES}",
        f"COPY --from=nodes /build/custom-nodes.pth /opt/venv/lib/python{python}/site-packages/",
        f"COPY --from=nodes --chown=1000:1000 {NODES} {NODES}",
    )


def _cloned(node: GitNode) -> Iterator[str]:
    folder, url = shlex.quote(node.folder), shlex.quote(node.repository)
    yield f"RUN git init --quiet {folder} \\"
    yield f" && git -C {folder} fetch --quiet --depth 1 {url} {node.commit} \\"
    yield f" && git -C {folder} checkout --quiet FETCH_HEAD \\"
    yield f" && git -C {folder} submodule --quiet update --init --recursive --depth 1 \\"
    yield f" && find {folder} -name .git -prune -exec rm -rf {{}} +"


def _unpacked(archive: Archive) -> Iterator[str]:
    file = f"/build/{archive.id}.zip"
    yield f"ADD --checksum={archive.checksum} {archive.url} {file}"
    yield f"RUN python -m zipfile -e {file} {shlex.quote(archive.id)}"
