"""Custom nodes of ComfyUI: from public repositories, at fixed commits, each in a folder of its own."""

import re
from collections.abc import Iterator
from pathlib import PurePosixPath

from generator.config import node_sources
from generator.config.node import ConfigNode
from generator.config.rules.base import WARNING, Case, Finding, inference, rule
from generator.facts import image_reference
from generator.solution import custom_nodes, node_snapshot
from generator.solution.custom_nodes import CustomNodes, GitNode, RegistryNode
from generator.solution.node_snapshot import Snapshot, SnapshotError

# A name with extras, version specifiers and a marker, as in a requirements file, without URLs and options.
_REQUIREMENT = re.compile(
    r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?"
    r"(\s*\[[A-Za-z0-9._,\s-]*\])?"
    r"(\s*(===?|~=|!=|<=?|>=?)\s*[A-Za-z0-9.*+!_-]+(\s*,\s*(===?|~=|!=|<=?|>=?)\s*[A-Za-z0-9.*+!_-]+)*)?"
    r"(\s*;[^#\\\x00-\x1f`$]*)?"
)


def _uses(runtime: ConfigNode) -> bool:
    """Whether a runtime has custom nodes."""
    return bool(runtime.at("customNodes").items()) or runtime.at("customNodesFile").text() is not None


def _with_nodes(case: Case) -> list[ConfigNode]:
    return [runtime for runtime in case.runtimes if _uses(runtime)]


def _snapshot(case: Case, runtime: ConfigNode) -> Snapshot | None:
    """What the file of a runtime lists; None without a file, or where SD355 refuses it."""
    text = case.context.files.get(runtime.at("customNodesFile").text() or "")
    try:
        return None if text is None else node_snapshot.parse(text)
    except SnapshotError:
        return None


def _nodes(case: Case, runtime: ConfigNode) -> CustomNodes | None:
    """The declared nodes with their lock; None where another rule refuses them."""
    snapshot = _snapshot(case, runtime)
    entries = [entry for entry in runtime.at("customNodes").items() if isinstance(entry.value, dict)]
    if not snapshot and any(
        entry.at(key).text() is None for entry in entries for key in ("repository", "commit")
    ):
        return None
    nodes = snapshot.custom_nodes() if snapshot else custom_nodes.declared([entry.value for entry in entries])
    return nodes.with_lock(case.context.files.get(custom_nodes.lock_name(runtime.at("name").text() or "")))


@rule("SD351")
def custom_nodes_are_for_comfyui(case: Case) -> Iterator[Finding]:
    """Only ComfyUI has custom nodes, and they come from one place: customNodes or customNodesFile."""
    for runtime in _with_nodes(case):
        listed, file = runtime.at("customNodes"), runtime.at("customNodesFile")
        kind = runtime.at("type").text()
        if kind in ("sdwebui", "invokeai", "custom"):
            node = listed if listed.items() else file
            yield Finding(
                node,
                f"a runtime of type {kind} has no custom nodes",
                "remove the key, or set type: comfyui",
                True,
            )
        elif listed.items() and file.text():
            message = "customNodes is set too: two lists cannot be merged without guessing"
            yield Finding(file, message, "keep one of them")


@rule("SD352")
def custom_nodes_have_a_commit(case: Case) -> Iterator[Finding]:
    """A custom node is named by the full hash of a commit: a branch or a tag may move."""
    for runtime in _with_nodes(case):
        for entry in runtime.at("customNodes").items():
            node, url = entry.at("commit"), entry.at("repository").text() or "URL"
            if (commit := node.text()) and (fault := node_sources.of_commit(url, commit)):
                yield Finding(node, *fault)


@rule("SD353")
def custom_nodes_have_plain_urls(case: Case) -> Iterator[Finding]:
    """The repository of a custom node is an https:// URL without credentials or query."""
    for runtime in _with_nodes(case):
        for entry in runtime.at("customNodes").items():
            node = entry.at("repository")
            if (url := node.text()) and (fault := node_sources.of_repository(url)):
                yield Finding(node, *fault)


@rule("SD354")
def custom_nodes_have_their_own_folders(case: Case) -> Iterator[Finding]:
    """Each custom node has a folder of its own in custom_nodes/, named after its repository."""
    for runtime in _with_nodes(case):
        folders: dict[str, str] = {}
        for entry in runtime.at("customNodes").items():
            node, url = entry.at("repository"), entry.at("repository").text() or ""
            if not url or node_sources.of_repository(url):
                continue
            folder = custom_nodes.folder_of(url)
            if fault := node_sources.of_folder(folder):
                yield Finding(node, *fault)
            elif (other := folders.get(folder.lower())) is not None:
                yield Finding(node, *node_sources.same_folder(url, other, folder))
            folders.setdefault(folder.lower(), url)


@rule("SD355")
def custom_nodes_files_can_be_used(case: Case) -> Iterator[Finding]:
    """customNodesFile is next to the config, in a known format, and names commits and versions that stay."""
    for runtime in _with_nodes(case):
        node = runtime.at("customNodesFile")
        if not (name := node.text()):
            continue
        path = PurePosixPath(name)
        if path.is_absolute() or ".." in path.parts or "\\" in name or "\x00" in name:
            message = f"{name!r} is not in the folder of the config, or below it"
            yield Finding(node, message, "copy the file there, and write its path relative to the config")
        elif (text := case.context.files.get(name)) is None:
            help = "copy it, as UTF-8 text, to the folder of the config, and write its path relative to that"
            yield Finding(node, f"{name} is not there, or is no text", help)
        else:
            yield from (Finding(node, f"{name}: {fault}", help) for fault, help in _file_faults(text))


def _file_faults(text: str) -> Iterator[tuple[str, str]]:
    try:
        snapshot = node_snapshot.parse(text)
    except SnapshotError as error:
        yield str(error), "save a snapshot again: `cm-cli.py save-snapshot` or the menu of ComfyUI-Manager"
        return
    for file, line in snapshot.files:
        help = "put it into a Git repository and list that, or set disabled: true"
        yield f"line {line}: of {file!r} the file has only the name", help
    folders: dict[str, str] = {}
    for item in snapshot.nodes:
        if fault := _snapshot_node_fault(item.node):
            yield f"line {item.line}: {fault[0]}", fault[1]
            continue
        folder, label = item.node.folder, getattr(item.node, "repository", item.node.folder)
        if other := folders.get(folder.lower()):
            message, help = node_sources.same_folder(label, other, folder)
            yield f"line {item.line}: {message}", help
        folders.setdefault(folder.lower(), label)
    if not snapshot.nodes:
        yield (
            "it lists no custom nodes",
            "remove customNodesFile, or save a snapshot with nodes that are not disabled",
        )


def _snapshot_node_fault(node: GitNode | RegistryNode) -> node_sources.Fault | None:
    if isinstance(node, RegistryNode):
        return node_sources.of_version(node.id, node.version)
    return (
        node_sources.of_repository(node.repository)
        or node_sources.of_folder(node.folder)
        or node_sources.of_commit(node.repository, node.commit)
    )


@rule("SD356")
def custom_node_requirements_are_packages(case: Case) -> Iterator[Finding]:
    """requirements of a custom node are packages of PyPI with versions: no options, URLs or paths."""
    for runtime in _with_nodes(case):
        for entry in runtime.at("customNodes").items():
            for node in entry.at("requirements").items():
                text = node.text()
                if text and not _REQUIREMENT.fullmatch(text):
                    message = f"{text!r} is not a package with versions"
                    yield Finding(node, message, "write it as in opencv-python-headless>=4.10,<5")


@rule("SD357")
def custom_nodes_have_the_projects_image(case: Case) -> Iterator[Finding]:
    """Custom nodes are added to this project's image of ComfyUI, whose tag says which nodes are in it."""
    for runtime in _with_nodes(case):
        image = inference(runtime).at("image")
        repository, tag = image.at("repository"), image.at("tag")
        own = repository.text() if repository.given else None
        if own and image_reference.parse(own).path.split("/")[-2:] != ["sd-on-eks", "comfyui"]:
            help = "remove customNodes and install the nodes in your image, or remove image.repository"
            yield Finding(repository, "custom nodes cannot be added to an image of yours", help)
            continue
        nodes = _nodes(case, runtime)
        if nodes is None or not (written := tag.text() if tag.given else None):
            continue
        base = written.rpartition("-nodes-")[0]
        if not base or written != nodes.tag(base):
            help = "remove tag and digest; lock and build with `generator images`, and set what it prints"
            yield Finding(tag, f"{written!r} is not the image of these custom nodes", help)


@rule("SD358")
def digests_name_their_nodes(case: Case) -> Iterator[Finding]:
    """With customNodes, a digest needs the tag of the same image, which says what it holds."""
    for runtime in _with_nodes(case):
        image = inference(runtime).at("image")
        if image.at("digest").text() and not (image.at("tag").given and image.at("tag").text()):
            help = "set image.tag too: `generator images --codebuild` prints both"
            yield Finding(
                image.at("digest"), "nobody can tell whether this image has these custom nodes", help
            )


@rule("SD359", WARNING)
def custom_nodes_are_locked(case: Case) -> Iterator[Finding]:
    """The packages of custom nodes are locked, and the image is named by the digest of what was built."""
    for runtime in _with_nodes(case):
        nodes = _nodes(case, runtime)
        if nodes is None or runtime.at("type").text() != "comfyui":
            continue
        node = (
            runtime.at("customNodes") if runtime.at("customNodes").items() else runtime.at("customNodesFile")
        )
        lock = custom_nodes.lock_name(runtime.at("name").text() or "")
        if nodes.locked is None:
            state = "is not of these nodes" if nodes.lock else "is missing"
            help = "run `generator images --lock`, and keep the file with the config"
            yield Finding(node, f"{lock} {state}: the image cannot be built", help, True)
        elif not inference(runtime).at("image", "digest").text():
            message = "the image is named by a tag, which a later build may move"
            help = "run `generator images --codebuild`, and set the tag and digest that it prints"
            yield Finding(node, message, help, True)
