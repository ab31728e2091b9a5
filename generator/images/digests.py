"""Looks up the digests of images. Public registries are asked without credentials.

https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#checking-if-content-exists-in-the-registry
"""

import json
import re
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from http.client import HTTPException
from urllib.parse import urlencode

from generator.facts import image_reference
from generator.images.images import Image

TIMEOUT_SECONDS = 20
# Registries limit the rate of anonymous callers; a config has some dozens of images.
WORKERS = 8
HEADER = "Docker-Content-Digest"
# The index of all architectures where there is one, else the image's own manifest.
MANIFEST_TYPES = ", ".join(
    (
        "application/vnd.oci.image.index.v1+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.docker.distribution.manifest.v2+json",
    )
)
# An image that is to be built has no digest yet, and EKS chooses its own.
PUBLISHED = ("copied", "pulled", "yours")
_CHALLENGE = re.compile(r'(\w+)="([^"]*)"')


@dataclass(frozen=True)
class DigestResult:
    """The digest of an image, or the reason why it is not known."""

    digest: str | None
    reason: str = ""


Lookup = Callable[[str], DigestResult]


def digests(images: Iterable[Image], lookup: Lookup) -> dict[str, DigestResult]:
    """The digest of each image by its name: of its source, for one that is copied."""
    by_name = {image.name: image for image in images}
    with ThreadPoolExecutor(WORKERS) as pool:
        return dict(zip(by_name, pool.map(lambda image: _of(image, lookup), by_name.values()), strict=True))


def _of(image: Image, lookup: Lookup) -> DigestResult:
    if image.how == "eks":
        return DigestResult(None, "EKS chooses it with the add-on's version")
    name = image.source if image.how == "copied" else image.name
    digest = image_reference.parse(name).digest
    return DigestResult(digest) if digest else lookup(name)


def missing(images: Iterable[Image], results: Mapping[str, DigestResult]) -> list[str]:
    """The names of published images whose digest could not be looked up."""
    return [image.name for image in images if image.how in PUBLISHED and results[image.name].digest is None]


def pinned(images: Iterable[Image], results: Mapping[str, DigestResult]) -> list[Image]:
    """The images; the source of one that is copied is named by digest, where it is known."""
    return [_pinned(image, results.get(image.name)) for image in images]


def _pinned(image: Image, result: DigestResult | None) -> Image:
    if image.how != "copied" or result is None or not result.digest:
        return image
    repository = image_reference.parse(image.source).repository
    return replace(image, source=f"{repository}@{result.digest}")


def of_registry(name: str) -> DigestResult:
    """The digest of an image that its registry gives to anonymous callers."""
    image = image_reference.parse(name)
    host = image.registry
    if not host:
        return DigestResult(None, "its name has no registry: it is not published")
    # As Docker does: a registry on this machine needs no certificate.
    scheme = "http" if host.partition(":")[0] in ("localhost", "127.0.0.1") else "https"
    url = f"{scheme}://{host}/v2/{image.path}/manifests/{image.tag or 'latest'}"
    try:
        digest = _head(url, {})
    except urllib.error.HTTPError as refusal:
        return DigestResult(None, f"{host} answers {refusal.code}")
    except (OSError, HTTPException) as error:
        return DigestResult(None, f"{host} does not answer: {getattr(error, 'reason', error)}")
    except (KeyError, ValueError, AttributeError):
        return DigestResult(None, f"{host} asks for a login")
    return DigestResult(digest) if digest else DigestResult(None, f"{host} gives no digest")


def _head(url: str, headers: Mapping[str, str]) -> str | None:
    """The digest; a registry that requires a token says where anonymous callers get one."""
    request = urllib.request.Request(url, method="HEAD", headers={"Accept": MANIFEST_TYPES, **headers})  # noqa: S310 - ours
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as response:  # noqa: S310
            digest: str | None = response.headers.get(HEADER)
            return digest
    except urllib.error.HTTPError as refusal:
        challenge = refusal.headers.get("WWW-Authenticate", "")
        if refusal.code != 401 or headers or not challenge.startswith("Bearer "):
            raise
    return _head(url, {"Authorization": f"Bearer {_token(dict(_CHALLENGE.findall(challenge)))}"})


def _token(challenge: Mapping[str, str]) -> str:
    """A token for reading, from the address in the registry's challenge."""
    if not challenge["realm"].startswith(("https://", "http://127.0.0.1")):
        raise ValueError(challenge["realm"])
    query = urlencode({key: challenge[key] for key in ("service", "scope") if key in challenge})
    with urllib.request.urlopen(f"{challenge['realm']}?{query}", timeout=TIMEOUT_SECONDS) as response:  # noqa: S310
        content = json.load(response)
    return str(content.get("token") or content["access_token"])
