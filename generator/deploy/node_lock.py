"""Locks what custom nodes need: requirements from Git, archives of the Comfy Registry, hashes from uv."""

import hashlib
import io
import json
import os
import re
import shutil
import subprocess
import tempfile
import tomllib
import urllib.error
import urllib.request
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from urllib.parse import quote, urlencode

from generator import paths
from generator.deploy.job import RefusedError
from generator.solution import custom_nodes
from generator.solution.custom_nodes import Archive, CustomNodes, GitNode, RegistryNode

# https://docs.comfy.org/api-reference/registry/returns-a-node-version-to-be-installed
REGISTRY = "https://api.comfy.org"
REQUIREMENTS, INSTALLER = "requirements.txt", "install.py"
TIMEOUT_SECONDS = 60
# The archives of nodes are source code; the largest of the registry have some hundred megabytes of examples.
ARCHIVE_MAX_BYTES = 1024 * 1024 * 1024
# Of the image: images/comfyui/Dockerfile, make/images.mk.
PYTHON, PLATFORM = "3.12", "x86_64-manylinux_2_28"
_PINNED = re.compile(r"^([A-Za-z0-9._-]+)==([^ ;\\]+)", re.MULTILINE)
# Each of them is the module cv2, and none knows of the others: their files would be mixed in one folder.
_OPENCV = re.compile(r"opencv-(contrib-)?python(-headless)?")
# Options, addresses and files, which may also be of this machine.
_NOT_A_PACKAGE = re.compile(r"[-./~\\]|.*://|[^;]*\.(whl|zip|tar\.gz)\s*(;|$)")
# What to do where an archive of the Comfy Registry cannot be had.
_INSTEAD = "check the id and the version, or name the node's repository and a commit"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@dataclass(frozen=True)
class Source:
    """What a node says about itself. `installer`: whether it has an install.py, which no image runs."""

    folder: str
    requirements: tuple[str, ...]
    installer: bool


def lock(runtime: str, nodes: CustomNodes, say: Callable[[str], None]) -> str:
    """The text of the lock. Raises RefusedError where a node, a package or a program is missing."""
    _need("git", "install Git")
    sources = []
    for node in nodes.git:
        say(f"{node.folder}: {node.repository} at {node.commit[:12]}")
        sources.append(_of_git(node))
    archives = []
    for registered in nodes.registry:
        say(f"{registered.id}: version {registered.version} of the Comfy Registry")
        archive, source = _of_registry(registered)
        archives.append(archive)
        sources.append(source)
    for source in sources:
        if source.installer:
            say(f"note: {INSTALLER} of {source.folder} is not run: nothing could lock what it fetches")
    requirements = _resolved(sources, nodes.pins, say)
    same = [f"{name} {version}" for name, version in _PINNED.findall(requirements) if _OPENCV.fullmatch(name)]
    if len(same) > 1:
        say(f"note: {', '.join(same)} are all the module cv2: with `requirements` in the config, keep one")
    return custom_nodes.lock_text(runtime, nodes, tuple(archives), requirements)


def _need(program: str, help: str) -> str:
    path = shutil.which(program)
    if path is None:
        raise RefusedError(f"{program} is not on PATH: {help}")
    return path


def _of_git(node: GitNode) -> Source:
    with tempfile.TemporaryDirectory(prefix="sd-on-eks-") as scratch:
        _git(scratch, "init", "--quiet", "--bare", ".")
        fetched = _git(scratch, "fetch", "--quiet", "--depth", "1", node.repository, node.commit, check=False)
        if fetched.returncode:
            reason = fetched.stderr.strip().splitlines() or ["git gave no reason"]
            raise RefusedError(f"{node.commit} cannot be fetched from {node.repository}: {reason[-1]}")
        names = _git(scratch, "ls-tree", "--name-only", "FETCH_HEAD").stdout.splitlines()
        lines = node.requirements
        if lines is None and REQUIREMENTS in names:
            lines = tuple(_lines(_git(scratch, "show", f"FETCH_HEAD:{REQUIREMENTS}").stdout))
    return Source(node.folder, lines or (), INSTALLER in names)


def _git(folder: str, *arguments: str, check: bool = True) -> "subprocess.CompletedProcess[str]":
    # Asks nobody for a password: a repository that needs one cannot be built elsewhere.
    environment = {**os.environ, "GIT_TERMINAL_PROMPT": "0", "GIT_ASKPASS": "true"}
    command = ["git", "-C", folder, *arguments]
    try:
        return subprocess.run(  # noqa: S603 - a URL and a commit that have validated
            command, env=environment, capture_output=True, encoding="utf-8", errors="replace", check=check
        )
    except subprocess.CalledProcessError as error:
        raise RefusedError(f"`{' '.join(command)}` failed: {error.stderr.strip()}") from error


def _of_registry(node: RegistryNode) -> tuple[Archive, Source]:
    query = urlencode({"version": node.version})
    url = f"{REGISTRY}/nodes/{quote(node.id, safe='')}/install?{query}"
    described = _json(_get(url, f"{node.id} {node.version} is not in the Comfy Registry"))
    address = str(described.get("downloadUrl") or "") if isinstance(described, dict) else ""
    if not address.startswith("https://"):
        raise RefusedError(
            f"{node.id}: the Comfy Registry names no https:// archive of version {node.version}: {_INSTEAD}"
        )
    content = _get(address, f"the archive of {node.id} {node.version} cannot be read")
    archive = Archive(node.id, node.version, address, f"sha256:{hashlib.sha256(content).hexdigest()}")
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as packed:
            names = set(packed.namelist())
            text = packed.read(REQUIREMENTS).decode("utf-8", "replace") if REQUIREMENTS in names else ""
            project = (
                packed.read("pyproject.toml").decode("utf-8", "replace") if "pyproject.toml" in names else ""
            )
    # zipfile raises the last two for a way of compression that it does not know, and for a password.
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError) as error:
        raise RefusedError(f"{node.id}: {address} is not a ZIP file that can be read: {_INSTEAD}") from error
    lines = tuple(_lines(text)) if text else tuple(_dependencies(project))
    return archive, Source(node.folder, lines, INSTALLER in names)


def _json(content: bytes) -> object:
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        return None


def _dependencies(project: str) -> Iterator[str]:
    """The dependencies that a pyproject.toml names, as the registry shows them."""
    try:
        listed = tomllib.loads(project)["project"]["dependencies"]
    except (tomllib.TOMLDecodeError, LookupError, TypeError):
        listed = []
    yield from (line for line in listed if isinstance(line, str))


def _get(url: str, problem: str) -> bytes:
    request = urllib.request.Request(url, headers={"User-Agent": "sd-on-eks"})  # noqa: S310 - https, or a test's
    try:
        with urllib.request.build_opener().open(request, timeout=TIMEOUT_SECONDS) as response:
            content: bytes = response.read(ARCHIVE_MAX_BYTES + 1)
            size = response.headers.get("Content-Length", "")
    except urllib.error.HTTPError as error:
        raise RefusedError(f"{problem}: {url} answers {error.code}: {_INSTEAD}") from error
    except (OSError, HTTPException) as error:
        raise RefusedError(f"{problem}: {url}: {getattr(error, 'reason', error)}: run it again") from error
    if size.isdecimal() and len(content) < min(int(size), ARCHIVE_MAX_BYTES):
        raise RefusedError(f"{problem}: {url} ended early: run it again")
    if len(content) > ARCHIVE_MAX_BYTES:
        raise RefusedError(f"{problem}: it is larger than 1 GiB: {_INSTEAD}")
    return content


def _lines(text: str) -> Iterator[str]:
    """The requirements of a file, without comments."""
    for line in text.lstrip("\ufeff").replace("\\\n", " ").splitlines():
        if requirement := re.sub(r"(^|\s)#.*$", "", line).strip():
            yield requirement


def base_versions() -> dict[str, str]:
    """The packages of ComfyUI's own image, by name, which a node cannot change."""
    text = (paths.root() / "images" / "comfyui" / "requirements.lock").read_text("utf-8")
    return dict(_PINNED.findall(text))


def _resolved(sources: Iterable[Source], pins: Iterable[tuple[str, str]], say: Callable[[str], None]) -> str:
    """Every package that the nodes add, with hashes; empty where they need nothing else."""
    lines = [(source.folder, line) for source in sources for line in source.requirements]
    for folder, line in lines:
        if _NOT_A_PACKAGE.match(line):
            reason = f"{folder}: its {REQUIREMENTS} has {line!r}, which cannot be locked by a hash"
            raise RefusedError(f"{reason}: set `requirements` of the node in the config")
    if not lines:
        return ""
    base = base_versions()
    say(f"{len(lines)} requirements: asking PyPI for versions and hashes")
    return _compiled(lines, base, {name: version for name, version in pins if name not in base})


def _compiled(lines: list[tuple[str, str]], base: Mapping[str, str], pins: Mapping[str, str]) -> str:
    uv = _need("uv", "install it with `pip install 'uv>=0.5,<1'`")
    with tempfile.TemporaryDirectory(prefix="sd-on-eks-") as scratch:
        wanted, fixed = Path(scratch) / "requirements.in", Path(scratch) / "constraints.txt"
        wanted.write_text("".join(f"{line}\n" for _, line in lines), "utf-8")
        versions = {**base, **pins}
        fixed.write_text("".join(f"{name}=={version}\n" for name, version in versions.items()), "utf-8")
        command = [uv, "pip", "compile", "--quiet", "--generate-hashes", "--no-annotate", "--no-header"]
        command += ["--python-version", PYTHON, "--python-platform", PLATFORM]
        command += ["--constraint", str(fixed), *(f"--no-emit-package={name}" for name in base), str(wanted)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - see above
    if "Failed to fetch" in done.stderr:
        raise RefusedError(f"the index of Python packages could not be asked:\n{done.stderr.strip()}")
    if done.returncode:
        needs = {_NAME.match(line)[0]: folder for folder, line in lines if _NAME.match(line)}  # type: ignore[index]
        named = sorted({f"{folder} needs {name}" for name, folder in needs.items() if name in done.stderr})
        raise RefusedError(_unsolvable(done.stderr.strip(), named))
    return done.stdout


def _unsolvable(reason: str, named: list[str]) -> str:
    help = "set `requirements` of a node in the config to packages that fit to ComfyUI's own"
    return f"no versions fit to all nodes and to ComfyUI: {help}\n{reason}" + "".join(
        f"\n  {line}" for line in named
    )
