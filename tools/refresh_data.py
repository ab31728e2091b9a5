"""Make instance_types.json, other_types.json and regions.json of generator/facts/data (`make data`).

Without flags: from Python packages of the test environment (botocore: partitions; moto: instance types, zones
and offerings of the regions that it describes; cfn-lint: offerings of all others, China included). With
`--from-aws`: from the EC2 API of every region that the credentials can use; other regions keep their rows.
versions.json is edited by hand: its facts come from compatibility pages, not from an API.
"""

import argparse
import gzip
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import Any

import boto3
import botocore.session
from moto.ec2.models.availability_zones_and_regions import RegionsAndZonesBackend

DATA = Path(__file__).resolve().parent.parent / "generator" / "facts" / "data"
PARTITIONS = ("aws", "aws-cn", "aws-us-gov")
COLUMNS = [
    "vcpu",
    "memory_mib",
    "arch",
    "pods",
    "cpu_manufacturer",
    "cpu_mhz",
    "hypervisor",
    "spot",
    "encrypts_in_transit",
    "ebs_mbps",
    "network_gbps",
    "gpus",
    "gpu_name",
    "gpu_manufacturer",
    "gpu_memory_mib",
    "nvme_gb",
]

# The packaged table lacks the third zone of Beijing, which newer accounts see as cn-north-1d.
MISSING_ZONES = {"cn-north-1": {"cn-north-1d": "cnn1-az4"}}


@dataclass
class Offerings:
    """What one region offers: GPU types with the zones (by id) that have them, other types by name."""

    partition: str
    zones: dict[str, str]
    types: set[str] = field(default_factory=set)
    by_zone: dict[str, set[str]] = field(default_factory=dict)


def main() -> None:
    """Write both files and print how many rows they have."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--from-aws", action="store_true", help="ask the EC2 API instead of packaged data")
    parser.add_argument(
        "--output", type=Path, default=DATA, help="folder to write to (default: generator/facts/data)"
    )
    parser.add_argument("--region", action="append", help="with --from-aws: this region (may be repeated)")
    args = parser.parse_args()
    source, types, regions = from_aws(args.region) if args.from_aws else packaged()
    write(args.output, source, types, regions)


def packaged() -> tuple[str, dict[str, Any], dict[str, Offerings]]:
    """Source, EC2's description of each type, and offerings, from installed packages."""
    moto, lint = files("moto") / "ec2" / "resources", files("cfnlint") / "data" / "schemas" / "extensions"
    types = unzip(moto / "instance_types.json.gz")
    enums = json.loads((lint / "aws_ec2_instance" / "instancetype_enum.json").read_text())
    regions = {}
    for partition, region in known_regions():
        offers = Offerings(partition, packaged_zones(region))
        by_zone = moto / "instance_type_offerings" / "availability-zone-id" / f"{region}.json.gz"
        if by_zone.is_file():
            add(offers, ((row["InstanceType"], row["Location"]) for row in unzip(by_zone)))
        else:
            offers.types = set(enums[region]["enum"]) & set(types)
        regions[region] = offers
    source = (
        "botocore {} (partitions), moto {} (types, zones, offerings), cfn-lint {} (other regions' offerings)"
    )
    return source.format(*map(version, ("botocore", "moto", "cfn-lint"))), types, regions


def unzip(path: Any) -> Any:
    """The content of a .json.gz file."""
    return json.loads(gzip.decompress(path.read_bytes()))


def known_regions() -> Iterator[tuple[str, str]]:
    """Every (partition, region) that has EKS."""

    session = botocore.session.get_session()
    for partition in PARTITIONS:
        for region in session.get_available_regions("eks", partition):
            yield partition, region


def packaged_zones(region: str) -> dict[str, str]:
    """Zone name -> zone id."""
    zones = {zone.name: zone.zone_id for zone in RegionsAndZonesBackend.zones[region]}
    return dict(sorted((zones | MISSING_ZONES.get(region, {})).items()))


def add(offers: Offerings, pairs: Iterable[tuple[str, str]]) -> None:
    """Add (type, zone id) pairs."""
    for kind, zone in pairs:
        offers.types.add(kind)
        offers.by_zone.setdefault(kind, set()).add(zone)


def from_aws(only: Sequence[str] = ()) -> tuple[str, dict[str, Any], dict[str, Offerings]]:
    """The same, from the EC2 API of the regions in `only`, or of all that the credentials can use."""
    types: dict[str, Any] = {}
    regions: dict[str, Offerings] = {}
    session = boto3.session.Session()
    home = session.client("ec2", region_name=session.region_name or "us-east-1")
    for region in only or sorted(row["RegionName"] for row in home.describe_regions()["Regions"]):
        ec2 = session.client("ec2", region_name=region)
        zones = ec2.describe_availability_zones(
            Filters=[{"Name": "zone-type", "Values": ["availability-zone"]}]
        )
        names = {row["ZoneName"]: row["ZoneId"] for row in zones["AvailabilityZones"]}
        regions[region] = Offerings(session.get_partition_for_region(region), dict(sorted(names.items())))
        rows = pages(
            ec2,
            "describe_instance_type_offerings",
            "InstanceTypeOfferings",
            LocationType="availability-zone-id",
        )
        add(regions[region], ((row["InstanceType"], row["Location"]) for row in rows))
        types |= {row["InstanceType"]: row for row in pages(ec2, "describe_instance_types", "InstanceTypes")}
    return f"EC2 API of {len(regions)} regions", types, regions


def pages(client: Any, call: str, key: str, **arguments: str) -> Iterator[dict[str, Any]]:
    """Every row of a paginated call."""
    for page in client.get_paginator(call).paginate(**arguments):
        yield from page[key]


def row(info: Mapping[str, Any]) -> list[Any]:
    """One instance type in the order of COLUMNS, without empty cells at the end."""
    gpus = info.get("GpuInfo", {}).get("Gpus", [])
    whole = [gpu for gpu in gpus if gpu["Count"] > 0]
    cells = [
        info["VCpuInfo"]["DefaultVCpus"],
        info["MemoryInfo"]["SizeInMiB"],
        arch(info["ProcessorInfo"]["SupportedArchitectures"]),
        pods(info["NetworkInfo"]),
        *processor(info["ProcessorInfo"]),
        info.get("Hypervisor", ""),
        "spot" in info.get("SupportedUsageClasses", ()),
        info["NetworkInfo"].get("EncryptionInTransitSupported", False),
        ebs_mbps(info.get("EbsInfo", {})),
        network_gbps(info["NetworkInfo"]),
        sum(gpu["Count"] for gpu in whole),
    ]
    # Names as Karpenter spells them in its labels karpenter.k8s.aws/instance-gpu-*.
    cells += (
        [label(gpus[0]["Name"]), label(gpus[0]["Manufacturer"]), gpus[0]["MemoryInfo"]["SizeInMiB"]]
        if gpus
        else ["", "", 0]
    )
    cells.append(nvme_gb(info.get("InstanceStorageInfo", {})))
    while cells[-1] in (0, ""):
        cells.pop()
    return cells


def arch(architectures: Sequence[str]) -> str:
    """The architecture as Kubernetes names it; EC2's own name for those that Kubernetes has no name for."""
    names = {"x86_64": "amd64", "arm64": "arm64"}
    return next((names[name] for name in architectures if name in names), architectures[0])


def processor(info: Mapping[str, Any]) -> tuple[str, int]:
    """Manufacturer and sustained clock speed in MHz, as in Karpenter's labels instance-cpu-*."""
    return label(info.get("Manufacturer", "")), round(info.get("SustainedClockSpeedInGhz", 0) * 1000)


def ebs_mbps(info: Mapping[str, Any]) -> int:
    """The maximum bandwidth to EBS; 0 where EBS optimization is not on by default."""
    default = info.get("EbsOptimizedSupport") == "default"
    return int(info["EbsOptimizedInfo"]["MaximumBandwidthInMbps"]) if default else 0


def nvme_gb(storage: Mapping[str, Any]) -> int:
    """The total size of the local disks, if they are NVMe disks."""
    return int(storage["TotalSizeInGB"]) if storage.get("NvmeSupport", "unsupported") != "unsupported" else 0


def pods(network: Mapping[str, Any]) -> int:
    """How many pods a node may run: one address of each interface is the interface's own, two pods need none.

    https://github.com/awslabs/amazon-eks-ami/blob/main/templates/shared/runtime/eni-max-pods.txt
    """
    interfaces: int = default_card(network)["MaximumNetworkInterfaces"]
    addresses: int = network["Ipv4AddressesPerInterface"]
    return interfaces * (addresses - 1) + 2


def network_gbps(network: Mapping[str, Any]) -> float:
    """The peak bandwidth of the default network card, in Gbit/s, or 0: pods use no other card."""
    return float(default_card(network).get("PeakBandwidthInGbps", 0))


def default_card(network: Mapping[str, Any]) -> Mapping[str, Any]:
    """The card of a node's first interface."""
    card: Mapping[str, Any] = network["NetworkCards"][network["DefaultNetworkCardIndex"]]
    return card


def label(name: str) -> str:
    """A name as a Kubernetes label value."""
    return "-".join(name.lower().split())


def region_row(offers: Offerings, gpu_types: set[str]) -> dict[str, Any]:
    """One region: GPU types by zone, all others by family, to keep the file small."""
    gpus = sorted(offers.types & gpu_types)
    families = sorted({kind.split(".")[0] for kind in offers.types - gpu_types})
    return {
        "partition": offers.partition,
        "zones": offers.zones,
        "gpu": {kind: " ".join(sorted(offers.by_zone.get(kind, ()))) for kind in gpus},
        "families": " ".join(families),
    }


def others(types: Iterable[str]) -> dict[str, list[str]]:
    """The types that EC2's API names and the table lacks, by family."""
    service = botocore.session.get_session().get_service_model("ec2")
    families: dict[str, list[str]] = {}
    for name in sorted(set(service.shape_for("InstanceType").enum) - set(types)):
        kind, _, size = name.partition(".")
        families.setdefault(kind, []).append(size)
    return families


def partitions() -> dict[str, Any]:
    """Name, DNS suffix and principal of EC2 of each partition."""

    endpoints = botocore.session.get_session().get_data("endpoints")["partitions"]
    suffixes = {row["partition"]: row["dnsSuffix"] for row in endpoints}
    rows = {}
    for name in PARTITIONS:
        suffix = suffixes[name]
        # Of all services, only the principal of EC2 has the DNS suffix of its partition.
        rows[name] = {"name": name, "dns_suffix": suffix, "ec2_principal": f"ec2.{suffix}"}
    return rows


def write(folder: Path, source: str, types: Mapping[str, Any], regions: Mapping[str, Offerings]) -> None:
    """Write all files, with one row per line, so that a refresh gives a readable diff."""
    head = {"source": source, "date": datetime.now(UTC).date().isoformat()}
    rows = {name: row(types[name]) for name in sorted(types)}
    gpu_types = {name for name in types if "GpuInfo" in types[name]}
    fresh = {name: region_row(offers, gpu_types) for name, offers in regions.items()}
    old = (
        json.loads((DATA / "regions.json").read_text())
        if (DATA / "regions.json").exists()
        else {"regions": {}}
    )
    merged = dict(sorted({**old["regions"], **fresh}.items()))
    save(folder / "instance_types.json", {**head, "columns": COLUMNS}, "types", rows)
    save(folder / "regions.json", {**head, "partitions": partitions()}, "regions", merged)
    save(
        folder / "other_types.json",
        {**head, "source": f"botocore {version('botocore')} (EC2's InstanceType)"},
        "types",
        others(types),
    )
    print(f"{len(rows)} instance types, {len(fresh)} regions refreshed of {len(merged)} in {folder}")


def save(path: Path, head: Mapping[str, Any], name: str, rows: Mapping[str, Any]) -> None:
    """JSON with a line for each row of its one large map."""
    lines = [
        f"    {json.dumps(key)}: {json.dumps(value, separators=(',', ':'))}" for key, value in rows.items()
    ]
    top = [f"  {json.dumps(key)}: {json.dumps(value)}," for key, value in head.items()]
    body = ",\n".join(lines)
    path.write_text("{\n" + "\n".join(top) + f'\n  "{name}": {{\n{body}\n  }}\n}}\n')


if __name__ == "__main__":
    main()
