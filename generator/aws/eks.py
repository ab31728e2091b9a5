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
    public_endpoint: bool
    private_endpoint: bool
    # The kinds of control plane logs that are on.
    logs: tuple[str, ...]
    # Host and path of the OIDC issuer.
    issuer: str
    auto_mode: bool
    # How principals get access: `API`, `CONFIG_MAP` or `API_AND_CONFIG_MAP`.
    authentication: str
    # `ipv4` or `ipv6`: what pods have.
    ip_family: str = "ipv4"
    # The CIDR block of services; empty where pods have IPv6 addresses.
    services: str = ""

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
    network = row.get("resourcesVpcConfig", {})
    kubernetes = row.get("kubernetesNetworkConfig", {})
    logs = row.get("logging", {}).get("clusterLogging", ())
    return Cluster(
        version=str(row["version"]),
        status=str(row["status"]),
        subnets=tuple(network.get("subnetIds", ())),
        owner=row.get("tags", {}).get(names.STACK_TAG),
        public_endpoint=bool(network.get("endpointPublicAccess")),
        private_endpoint=bool(network.get("endpointPrivateAccess")),
        logs=tuple(sorted(kind for entry in logs if entry["enabled"] for kind in entry["types"])),
        issuer=row.get("identity", {}).get("oidc", {}).get("issuer", "").rpartition("://")[2],
        auto_mode=bool(row.get("computeConfig", {}).get("enabled")),
        authentication=str(row.get("accessConfig", {}).get("authenticationMode", "CONFIG_MAP")),
        ip_family=str(kubernetes.get("ipFamily", "ipv4")),
        services=str(kubernetes.get("serviceIpv4Cidr", "")),
    )


def version_status(client: Any, eks: str) -> str | None:
    """`STANDARD_SUPPORT`, `EXTENDED_SUPPORT` or `UNSUPPORTED`; None for a version that AWS does not list."""
    versions = client.describe_cluster_versions(clusterVersions=[eks], includeAll=True)["clusterVersions"]
    row = next((row for row in versions if row["clusterVersion"] == eks), None)
    return str(row.get("versionStatus") or row.get("status", "")).upper().replace("-", "_") if row else None
