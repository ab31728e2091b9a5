"""What a registry says is behind an image's name now: its digest. Public ones are asked without credentials.

https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#checking-if-content-exists-in-the-registry
"""

import json
import re
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from urllib.parse import urlencode

from generator.images.images import Image, repository_of
from generator.solution import names

ANSWER_SECONDS = 20
# Registries ask little of anonymous callers; a config has some dozens of images.
WORKERS = 8
HEADER = "Docker-Content-Digest"
# The list of all architectures where there is one, else the image itself.
KINDS = ", ".join(
    (
        "application/vnd.oci.image.index.v1+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.docker.distribution.manifest.v2+json",
    )
)
# What is to be built has none yet, and EKS chooses its own.
EXIST = ("copied", "pulled", "yours")
_CHALLENGE = re.compile(r'(\w+)="([^"]*)"')


@dataclass(frozen=True)
class Found:
    """The digest of an image, or the reason why it is not known."""

    digest: str | None
    reason: str = ""


Ask = Callable[[str], Found]


def digests(images: Iterable[Image], ask: Ask) -> dict[str, Found]:
    """The digest of each image by its name: of its source, for one that is copied."""
    wanted = {image.name: image for image in images}
    with ThreadPoolExecutor(WORKERS) as pool:
        return dict(zip(wanted, pool.map(lambda image: _of(image, ask), wanted.values()), strict=True))


def _of(image: Image, ask: Ask) -> Found:
    if image.how == "eks":
        return Found(None, "EKS picks it with the add-on's version")
    name = image.source if image.how == "copied" else image.name
    _, _, digest = name.partition("@")
    return Found(digest) if digest else ask(name)


def missing(images: Iterable[Image], found: Mapping[str, Found]) -> list[str]:
    """The names of images that exist, and whose digest is not known all the same."""
    return [image.name for image in images if image.how in EXIST and found[image.name].digest is None]


def pinned(images: Iterable[Image], found: Mapping[str, Found]) -> list[Image]:
    """The images with the sources of those to copy named by digest, where it is known."""
    return [
        replace(image, source=f"{repository_of(image.source)}@{found[image.name].digest}")
        if image.how == "copied" and image.name in found and found[image.name].digest
        else image
        for image in images
    ]


def of_registry(name: str) -> Found:
    """What the registry of an image answers to anybody."""
    host = names.registry_of(name)
    if not host:
        return Found(None, "its name holds no registry: nobody publishes it")
    repository, _, tag = name.removeprefix(f"{host}/").partition(":")
    # As Docker does: a registry on this machine needs no certificate.
    scheme = "http" if host.partition(":")[0] in ("localhost", "127.0.0.1") else "https"
    url = f"{scheme}://{host}/v2/{repository}/manifests/{tag or 'latest'}"
    try:
        found = _head(url, {})
    except urllib.error.HTTPError as refusal:
        return Found(None, f"{host} answers {refusal.code}")
    except OSError as error:
        return Found(None, f"{host} does not answer: {getattr(error, 'reason', error)}")
    except (KeyError, ValueError):
        return Found(None, f"{host} asks for a login")
    return Found(found) if found else Found(None, f"{host} names no digest")


def _head(url: str, headers: Mapping[str, str]) -> str | None:
    """The digest; a registry that wants a token says where anybody gets one."""
    request = urllib.request.Request(url, method="HEAD", headers={"Accept": KINDS, **headers})  # noqa: S310 - ours
    try:
        with urllib.request.urlopen(request, timeout=ANSWER_SECONDS) as answer:  # noqa: S310
            found: str | None = answer.headers.get(HEADER)
            return found
    except urllib.error.HTTPError as refusal:
        challenge = refusal.headers.get("WWW-Authenticate", "")
        if refusal.code != 401 or headers or not challenge.startswith("Bearer "):
            raise
    return _head(url, {"Authorization": f"Bearer {_token(dict(_CHALLENGE.findall(challenge)))}"})


def _token(challenge: Mapping[str, str]) -> str:
    """A token for reading, from where the registry says."""
    if not challenge["realm"].startswith(("https://", "http://127.0.0.1")):
        raise ValueError(challenge["realm"])
    asked = urlencode({key: challenge[key] for key in ("service", "scope") if key in challenge})
    with urllib.request.urlopen(f"{challenge['realm']}?{asked}", timeout=ANSWER_SECONDS) as answer:  # noqa: S310
        given = json.load(answer)
    return str(given.get("token") or given["access_token"])
