"""EKS: the cluster of a solution, and the versions that AWS supports."""

from dataclasses import dataclass
from typing import Any

from generator.aws import errors
from generator.solution import names


@dataclass(frozen=True)
class Cluster:
    """A cluster as EKS describes it."""

    version: str
    status: str
    subnets: tuple[str, ...]
    # The solution that created it, by its tag; None for a cluster that was created in another way.
    owner: str | None

    def belongs_to(self, stack: str) -> bool:
        """Whether it was created for this solution."""
        return self.owner == stack


def cluster(client: Any, name: str) -> Cluster | None:
    """The cluster of that name; None if it does not exist. Raises what boto3 raises."""
    try:
        row = client.describe_cluster(name=name)["cluster"]
    except errors.refusals() as error:
        if errors.code(error) != "ResourceNotFoundException":
            raise
        return None
    subnets = tuple(row.get("resourcesVpcConfig", {}).get("subnetIds", ()))
    return Cluster(str(row["version"]), str(row["status"]), subnets, row.get("tags", {}).get(names.STACK_TAG))


def version_status(client: Any, eks: str) -> str | None:
    """`STANDARD_SUPPORT`, `EXTENDED_SUPPORT` or `UNSUPPORTED`; None for a version that AWS does not list."""
    versions = client.describe_cluster_versions(clusterVersions=[eks], includeAll=True)["clusterVersions"]
    row = next((row for row in versions if row["clusterVersion"] == eks), None)
    return str(row.get("versionStatus") or row.get("status", "")).upper().replace("-", "_") if row else None
