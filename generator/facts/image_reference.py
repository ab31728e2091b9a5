"""Names of container images, split into their parts: registry, path, tag, digest.

The grammar is that of container engines: https://github.com/distribution/reference/blob/v0.6.0/reference.go
"""

import re
from dataclasses import dataclass, replace

_ECR = re.compile(r"(?P<account>\d{12})\.dkr\.ecr\.(?P<region>[a-z0-9-]+)\.amazonaws\.com(\.cn)?")


@dataclass(frozen=True)
class EcrRegistry:
    """The private ECR registry of one account in one region."""

    account: str
    region: str


@dataclass(frozen=True)
class ImageReference:
    """The name of an image or of a repository. A part that the name lacks is empty."""

    registry: str
    path: str
    tag: str = ""
    digest: str = ""

    @property
    def repository(self) -> str:
        """Registry and path, without tag and digest."""
        return f"{self.registry}/{self.path}" if self.registry else self.path

    @property
    def ecr(self) -> EcrRegistry | None:
        """Account and region of a private ECR registry; None for any other registry."""
        match = _ECR.fullmatch(self.registry)
        return EcrRegistry(match["account"], match["region"]) if match else None

    def in_registry(self, registry: str) -> "ImageReference":
        """The same image in another registry (a host, or a host and a path below it)."""
        return replace(self, registry=registry)

    def __str__(self) -> str:
        tag = f":{self.tag}" if self.tag else ""
        digest = f"@{self.digest}" if self.digest else ""
        return f"{self.repository}{tag}{digest}"


def parse(name: str) -> ImageReference:
    """The parts of `registry/path:tag@digest`; all but the path are optional."""
    tagged, _, digest = name.partition("@")
    host, slash, path = tagged.partition("/")
    # A first part with a dot or a port is a registry; any other is the first folder of the path.
    if not (slash and ("." in host or ":" in host or host == "localhost")):
        host, path = "", tagged
    path, _, tag = path.partition(":")
    return ImageReference(host, path, tag, digest)


def ecr_host(account: str, region: str, dns_suffix: str) -> str:
    """The host of the private ECR registry that every account has in every region."""
    return f"{account}.dkr.ecr.{region}.{dns_suffix}"
