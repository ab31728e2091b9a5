"""The source of one build of an image: an archive with the folders that its Dockerfile copies from."""

import io
import re
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from generator.images.images import Image
from generator.solution.custom_nodes import CONTEXT, DOCKERFILE, LOCK_FILE, image_folder

# What the Dockerfiles call `files` (docker-bake.hcl).
FILES = "charts/sd-runtimes/files"
# Docker Hub limits anonymous pulls by address, and builds share theirs with others: AWS has the same images
# with the same digests. https://docs.aws.amazon.com/AmazonECR/latest/public/docker-library-images.html
_OFFICIAL = re.compile(r"^(ARG \w+=)(python:)", re.MULTILINE)
_MIRROR = "public.ecr.aws/docker/library/"
_EPOCH = (1980, 1, 1, 0, 0, 0)
_LEFT_OUT = frozenset({"__pycache__", "Dockerfile"})


def archive(image: Image, root: Path, built: Mapping[str, str]) -> bytes:
    """A ZIP file: `Dockerfile`, `context/`, `files/`, `custom-nodes/`. The same files give the same bytes.

    `root` has the folders of this project, `built` the files of the build. Raises OSError.
    """
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, data in sorted(_entries(image, root, built)):
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.external_attr = 0o644 << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            packed.writestr(entry, data)
    return content.getvalue()


def _entries(image: Image, root: Path, built: Mapping[str, str]) -> Iterator[tuple[str, bytes]]:
    lock = ""
    dockerfile = (root / image.source / DOCKERFILE).read_text("utf-8")
    if image.custom_nodes_of:
        folder = image_folder(image.custom_nodes_of)
        dockerfile, lock = built[f"{folder}/{DOCKERFILE}"], built[f"{folder}/{LOCK_FILE}"]
    yield DOCKERFILE, _OFFICIAL.sub(rf"\1{_MIRROR}\2", dockerfile).encode()
    yield f"{CONTEXT}/{LOCK_FILE}", lock.encode()
    yield from _folder("context", root / image.source)
    yield from _folder("files", root / FILES)


def _folder(name: str, folder: Path) -> Iterator[tuple[str, bytes]]:
    for file in folder.rglob("*"):
        parts = file.relative_to(folder).parts
        if file.is_file() and not _LEFT_OUT & set(parts):
            yield "/".join((name, *parts)), file.read_bytes()
