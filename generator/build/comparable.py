"""Brings a build into the form in which AWS and Helm return what is deployed, so that both compare. Pure."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from generator import yaml_loader
from generator.build import cluster, yaml_text
from generator.build.files import without_header
from generator.solution.merge import merged

# Names of the documents that are not files of a build.
CLUSTER, VALUES = "cluster", "values"
_VALUES_FOLDER = "values/"


def documents(files: Mapping[str, str]) -> dict[str, str]:
    """The templates, the cluster and the values of a build, by name; plan and policies are not deployed."""
    found = {path: without_header(text) for path, text in files.items() if is_template(path)}
    if cluster.FILE in files:
        found[CLUSTER] = cluster_text(cluster_of(parsed(files[cluster.FILE])))
    if values := values_of(files):
        found[VALUES] = values_text(values)
    return found


def is_template(path: str) -> bool:
    """Whether a file of a build is a CloudFormation template."""
    return "/" not in path and path.endswith(".yaml") and path != cluster.FILE


def parsed(text: str) -> Any:
    """The data of a YAML text."""
    return yaml_loader.load(text)


def values_of(files: Mapping[str, str]) -> dict[str, Any]:
    """The values that a release gets: all values files of a build, merged in their order."""
    values: dict[str, Any] = {}
    for path, text in files.items():
        if path.startswith(_VALUES_FOLDER):
            values = merged(values, parsed(text))
    return values


def values_text(values: Mapping[str, Any]) -> str:
    """Values with sorted keys: Helm does not keep the order of the files."""
    return yaml_text.dump(_sorted(values))


def cluster_text(described: Mapping[str, Any]) -> str:
    """A cluster with sorted keys."""
    return yaml_text.dump(_sorted(described))


def cluster_of(config: Mapping[str, Any]) -> dict[str, Any]:
    """What EKS and IAM return of the cluster that a ClusterConfig describes."""
    endpoints = config["vpc"]["clusterEndpoints"]
    return {
        "version": config["metadata"]["version"],
        "availabilityZones": sorted(config["availabilityZones"]),
        "publicEndpoint": endpoints["publicAccess"],
        "privateEndpoint": endpoints["privateAccess"],
        "logs": sorted(config["cloudWatch"]["clusterLogging"]["enableTypes"]),
        "addons": sorted(addon["name"] for addon in config["addons"]),
        "nodeGroups": {
            group["name"]: node_group(
                group["instanceTypes"], group["minSize"], group["desiredCapacity"], group["maxSize"]
            )
            for group in config["managedNodeGroups"]
        },
        "roles": {
            account["roleName"]: statements([account["attachPolicy"]])
            for account in config["iam"].get("serviceAccounts", ())
        },
    }


def node_group(types: Iterable[str], smallest: int, desired: int, largest: int) -> dict[str, Any]:
    """One managed node group."""
    return {
        "instanceTypes": sorted(types),
        "minSize": smallest,
        "desiredCapacity": desired,
        "maxSize": largest,
    }


def statements(policies: Iterable[Mapping[str, Any]]) -> list[Any]:
    """The statements of the inline policies of a role, in an order of their own."""
    rows = [row for policy in policies for row in policy["Statement"]]
    return sorted(rows, key=lambda row: json.dumps(row, sort_keys=True))


def _sorted(value: Any) -> Any:
    """The same data with sorted keys, and whole numbers as integers: JSON of Go has no integers."""
    if isinstance(value, Mapping):
        return {key: _sorted(value[key]) for key in sorted(value, key=str)}
    if isinstance(value, list):
        return [_sorted(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value
