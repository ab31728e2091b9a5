"""What is wrong with the repository, commit or folder of a custom node, and how to fix it."""

import re
from urllib.parse import SplitResult, urlsplit

from generator.solution import custom_nodes

# The characters of a URL that mean nothing to a shell, and of which no host, path or folder needs another.
_URL_PATH = re.compile(r"(/[A-Za-z0-9_~.+-]+)+")
_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?")
_SSH = re.compile(r"(?:ssh://)?git@([A-Za-z0-9.-]+)[:/](.+)")
_PAGES = ("/tree/", "/blob/", "/commit/", "/-/")
_FOLDER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]*")
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
_VERSION = re.compile(r"[0-9]+(\.[0-9]+)*([-+.]?[A-Za-z0-9.]+)?")
_SHORT = re.compile(r"[0-9a-f]{4,39}")
_REFERENCE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._/-]*")
# What is in custom_nodes/ of every ComfyUI, and what Python or ComfyUI would not load as a node.
_TAKEN = frozenset({"__pycache__", "example_node.py.example", "websocket_image_save.py"})
_EXAMPLE = "write it as in https://github.com/OWNER/REPOSITORY"

# What is wrong, and how to fix it.
Fault = tuple[str, str]


def of_repository(url: str) -> Fault | None:
    """The fault of the URL of a repository; None if anyone can clone it."""
    if ssh := _SSH.fullmatch(url):
        return f"{url!r} needs an SSH key, which a build does not have", f"write https://{ssh[1]}/{ssh[2]}"
    try:
        parts = urlsplit(url)
        valid_port = parts.port != 0
    except ValueError:
        return f"{url!r} is not a URL", _EXAMPLE
    if parts.scheme == "http":
        return (
            f"{url!r} is not encrypted: anyone on the way could change the code",
            f"write https://{url[7:]}",
        )
    if parts.scheme != "https":
        return f"{url!r} is not an https:// URL", _EXAMPLE
    return _of_parts(url, parts, valid_port)


def _of_parts(url: str, parts: SplitResult, valid_port: bool) -> Fault | None:
    if "@" in parts.netloc:
        return "the URL has credentials, which would be in the image", "name a repository that is public"
    if "?" in url or "#" in url:
        return f"{url!r} has a query or a fragment", "write the URL of the repository alone"
    if any(part in parts.path for part in _PAGES):
        return f"{url!r} is a page of a repository", "write the URL of the repository alone, and its commit"
    path = parts.path.rstrip("/")
    plain = _HOST.fullmatch(parts.hostname or "") and valid_port and _URL_PATH.fullmatch(path)
    if not plain or ".." in path.split("/"):
        return f"{url!r} is not the URL of a repository", _EXAMPLE
    return None


def of_commit(url: str, commit: str) -> Fault | None:
    """The fault of a commit of the repository at `url`; None if it is a full hash."""
    if custom_nodes.is_commit(commit):
        return None
    if custom_nodes.is_commit(commit.lower()):
        return f"{commit!r} has uppercase letters: Git writes commits in lowercase", f"write {commit.lower()}"
    if _SHORT.fullmatch(commit):
        message = f"{commit!r} is the beginning of a commit, of {len(commit)} characters instead of 40"
        return message, f"set all 40, which `git rev-parse {commit}` in a clone prints"
    repository = "URL" if of_repository(url) else url
    if not commit:
        return "the commit is missing", f"set the hash that `git ls-remote {repository} HEAD` prints"
    name = commit if _REFERENCE.fullmatch(commit) else "NAME"
    help = f"set the hash that `git ls-remote {repository} {name}` prints (of a tag with ^{{}}, that line's)"
    return f"{commit!r} is a branch or a tag, not a commit: it may move", help


def of_folder(folder: str) -> Fault | None:
    """The fault of a folder in custom_nodes/."""
    if not _FOLDER.fullmatch(folder) or folder.lower() in _TAKEN or folder.endswith(".disabled"):
        return f"{folder!r} cannot be the folder of a custom node", "use a fork with another name"
    if custom_nodes.MANAGER in folder.lower():
        message = "ComfyUI-Manager changes the nodes of a running ComfyUI, which must not happen in a pod"
        return message, "remove it, and list the nodes themselves"
    return None


def same_folder(url: str, other: str, folder: str) -> Fault:
    """The fault of a repository whose folder is that of another."""
    if _bare(url) == _bare(other):
        return f"{url} is listed twice", "keep one commit of it"
    message = f"{url} and {other} would both be in custom_nodes/{folder}"
    return message, "keep one, or use a fork with another name"


def _bare(url: str) -> str:
    return url.rstrip("/").removesuffix(".git").lower()


def of_version(name: str, version: str) -> Fault | None:
    """The fault of a node in the Comfy Registry; None for an ID with a version that stays."""
    if not _ID.fullmatch(name):
        return f"{name!r} is not the ID of a node in the Comfy Registry", "save the snapshot again"
    if not _VERSION.fullmatch(version):
        help = f"set one that https://api.comfy.org/nodes/{name}/versions lists, or list its repository"
        return f"{version!r} is not a fixed version of {name}", help
    return None
