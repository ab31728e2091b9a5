"""The custom nodes of a ComfyUI runtime: what the config declares, and the lock of what they need."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

# ComfyUI-Manager installs itself; its node is of no use in an image that is never changed.
MANAGER = "comfyui-manager"
_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_NODES_LINE = re.compile(r"^# nodes: (sha256:[0-9a-f]{64})$", re.MULTILINE)
_ARCHIVE_LINE = re.compile(
    r"^# archive: (\S+) (\S+) (https://[A-Za-z0-9._~:/%+-]+) (sha256:[0-9a-f]{64})$", re.MULTILINE
)
_TAG_HASH_LENGTH = 12
# In the folder of the build for the image of one runtime, which is the build context of that name.
DOCKERFILE, LOCK_FILE, CONTEXT = "Dockerfile", "custom-nodes.lock", "custom-nodes"


@dataclass(frozen=True)
class GitNode:
    """A custom node in a Git repository, at one commit; `folder` is its folder in custom_nodes/.

    `requirements`: what it needs of Python, in place of its own requirements.txt; None for that file.
    """

    repository: str
    commit: str
    folder: str
    requirements: tuple[str, ...] | None = None


@dataclass(frozen=True)
class RegistryNode:
    """A version of a custom node in the Comfy Registry, which has a folder named after its ID."""

    id: str
    version: str

    @property
    def folder(self) -> str:
        """Its folder in custom_nodes/."""
        return self.id


@dataclass(frozen=True)
class Archive:
    """Where the archive of a registry node is, and the SHA-256 of its bytes as `sha256:` and hex digits."""

    id: str
    version: str
    url: str
    checksum: str


@dataclass(frozen=True)
class Lock:
    """The file that `generator images --lock` writes: a requirements file with the hash of every package.

    `nodes`: the fingerprint of the declared nodes that it was made for.
    """

    text: str
    nodes: str
    archives: tuple[Archive, ...]


@dataclass(frozen=True)
class CustomNodes:
    """All custom nodes of a runtime. `pins`: versions of Python packages that a snapshot had, by name."""

    git: tuple[GitNode, ...] = ()
    registry: tuple[RegistryNode, ...] = ()
    pins: tuple[tuple[str, str], ...] = ()
    lock: Lock | None = None

    @property
    def fingerprint(self) -> str:
        """`sha256:` and the hash of what is declared, in any order."""
        lines = [
            f"git {node.repository} {node.commit} {node.folder} {node.requirements}" for node in self.git
        ]
        lines += [f"registry {node.id} {node.version}" for node in self.registry]
        lines += [f"pin {name} {version}" for name, version in self.pins]
        return f"sha256:{hashlib.sha256(chr(10).join(sorted(lines)).encode()).hexdigest()}"

    @property
    def locked(self) -> Lock | None:
        """The lock, if it was made for these nodes."""
        return self.lock if self.lock and self.lock.nodes == self.fingerprint else None

    def with_lock(self, text: str | None) -> "CustomNodes":
        """The same with the text of a lock, if there is one."""
        return self if text is None else replace(self, lock=parse_lock(text))

    def tag(self, base: str) -> str:
        """The tag of the image that adds them to the image with the tag `base`: it changes with them."""
        locked = self.locked
        content = f"{self.fingerprint} {locked.text if locked else ''}"
        return f"{base}-nodes-{hashlib.sha256(content.encode()).hexdigest()[:_TAG_HASH_LENGTH]}"


def lock_name(runtime: str) -> str:
    """The name of a runtime's lock, next to the config."""
    return f"{runtime}.nodes.lock"


def image_folder(runtime: str) -> str:
    """The folder of the build with the Dockerfile and the lock of a runtime's image."""
    return f"images/{runtime}"


def is_commit(text: str) -> bool:
    """Whether a text is the full hash of a commit."""
    return bool(_COMMIT.fullmatch(text))


def folder_of(repository: str) -> str:
    """The folder that a repository is cloned into: the last part of its URL."""
    return repository.rstrip("/").rpartition("/")[2].removesuffix(".git")


def parse_lock(text: str) -> Lock:
    """The lock that a text is; one that `generator images --lock` did not write has no fingerprint."""
    nodes = _NODES_LINE.search(text)
    archives = tuple(Archive(*match.groups()) for match in _ARCHIVE_LINE.finditer(text))
    return Lock(text, nodes[1] if nodes else "", archives)


def lock_text(runtime: str, nodes: CustomNodes, archives: tuple[Archive, ...], requirements: str) -> str:
    """The text of a lock: what it is for, then the packages, as pip reads them with --require-hashes."""
    head = [
        f"# What the custom nodes of {runtime} need. Written by `generator images --lock`: do not edit.",
        f"# nodes: {nodes.fingerprint}",
        *(f"# archive: {item.id} {item.version} {item.url} {item.checksum}" for item in archives),
    ]
    return "\n".join([*head, requirements.strip(), ""]) if requirements.strip() else "\n".join([*head, ""])


def declared(entries: list[Mapping[str, object]]) -> CustomNodes:
    """The nodes of the key `customNodes`, which has validated."""
    return CustomNodes(git=tuple(_git(entry) for entry in entries))


def _git(entry: Mapping[str, object]) -> GitNode:
    repository, requirements = str(entry["repository"]).rstrip("/"), entry.get("requirements")
    lines = tuple(str(line) for line in requirements) if isinstance(requirements, list) else None
    return GitNode(repository, str(entry["commit"]), folder_of(repository), lines)
