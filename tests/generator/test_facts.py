"""The facts that ship, and the tool that makes them."""

import importlib.util
import json
from datetime import date
from pathlib import Path
from types import ModuleType

import pytest
from moto import mock_aws

from generator import paths
from generator.facts import karpenter, versions
from generator.facts.facts import Facts, eks_zones
from generator.facts.quantity import MIB

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def refresh() -> ModuleType:
    spec = importlib.util.spec_from_file_location("refresh_data", ROOT / "tools/refresh_data.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_file_names_its_source_and_date(facts: Facts) -> None:
    for source, created in facts.sources().values():
        assert len(source) > 20
        assert date.fromisoformat(created) >= date(2026, 1, 1)


def test_instance_types_have_karpenters_numbers(facts: Facts) -> None:
    g5 = facts.instance_type("g5.2xlarge")

    assert g5 is not None
    assert (g5.vcpu, g5.memory_mib, g5.gpus, g5.gpu_name, g5.gpu_memory_mib) == (8, 32768, 1, "a10g", 22888)
    assert (g5.nvme_gb, g5.arch, g5.pods) == (450, "amd64", 58)


def test_allocatable_matches_karpenters_page_for_g5_2xlarge(facts: Facts) -> None:
    g5 = facts.instance_type("g5.2xlarge")
    assert g5 is not None

    room = g5.allocatable()

    assert (room.cores * 1000, room.memory / MIB) == (7910, 29317)


@pytest.mark.parametrize(
    ("region", "partition", "suffix", "principal"),
    [
        ("us-east-1", "aws", "amazonaws.com", "ec2.amazonaws.com"),
        ("cn-north-1", "aws-cn", "amazonaws.com.cn", "ec2.amazonaws.com.cn"),
    ],
)
def test_partitions_have_their_hosts(
    facts: Facts, region: str, partition: str, suffix: str, principal: str
) -> None:
    attributes = facts.partition(region)

    assert (attributes.name, attributes.dns_suffix, attributes.ec2_principal) == (
        partition,
        suffix,
        principal,
    )


def test_only_two_regions_are_verified(facts: Facts) -> None:
    regions = [facts.region(name) for name in facts.regions()]

    assert [region.name for region in regions if region and region.verified] == ["us-east-1", "us-west-2"]


def test_china_offers_g5_in_beijing_but_not_g6(facts: Facts) -> None:
    region = facts.region("cn-north-1")

    assert region is not None
    assert (region.offers("g5.xlarge"), region.offers("g6.xlarge")) == (True, False)


def test_three_zones_are_chosen_of_those_that_eks_accepts(facts: Facts) -> None:
    region = facts.region("us-east-1")

    assert region is not None
    assert "us-east-1e" not in eks_zones(region)
    assert facts.zones("us-east-1", []) == ("us-east-1a", "us-east-1b", "us-east-1c")


def test_zones_that_offer_the_types_come_first(facts: Facts) -> None:
    region = facts.region("us-east-1")
    assert region is not None

    chosen = facts.zones("us-east-1", ["p5.48xlarge"])

    offered = set(region.gpu_types["p5.48xlarge"])
    best = min(3, sum(region.zones[name] in offered for name in eks_zones(region)))
    assert sum(region.zones[name] in offered for name in chosen) == best


def test_a_region_with_two_zones_has_no_network(facts: Facts) -> None:
    with pytest.raises(ValueError, match="fewer than three zones"):
        facts.zones("us-west-1", [])


def test_eks_1_28_belongs_to_karpenter_1_8_8(facts: Facts) -> None:
    versions = facts.versions("1.28")

    assert (versions.karpenter, versions.keda_chart, versions.keda_app) == ("1.8.8", "2.15.2", "2.15.1")
    assert (versions.s3_csi, versions.bottlerocket) == ("1.15.0", "1.51.0")


@pytest.mark.parametrize(
    ("today", "oldest"),
    [(date(2025, 11, 26), "1.28"), (date(2025, 11, 27), "1.29"), (date(2026, 11, 27), "1.32")],
)
def test_a_version_can_be_created_until_its_extended_support_ends(
    facts: Facts, today: date, oldest: str
) -> None:
    assert facts.creatable(today)[0] == oldest


@pytest.mark.parametrize(
    ("today", "version"),
    [
        # 1.35 has more than six months, and no component that is untested.
        (date(2026, 9, 27), "1.35"),
        # From here on it has less; 1.36 is the only one with six months.
        (date(2026, 9, 28), "1.36"),
        (date(2026, 11, 26), "1.36"),
        # None has six months: the newest that AWS creates.
        (date(2027, 3, 1), "1.36"),
        (date(2028, 8, 2), "1.36"),
        (date(2028, 8, 3), None),
    ],
)
def test_a_version_with_six_months_of_standard_support_is_recommended(
    facts: Facts, today: date, version: str | None
) -> None:
    assert facts.recommended_eks(today) == version


@pytest.mark.parametrize(
    ("day", "months", "later"),
    [
        (date(2026, 11, 26), 6, date(2027, 5, 26)),
        (date(2026, 11, 30), 3, date(2027, 2, 28)),
        (date(2027, 12, 31), 2, date(2028, 2, 29)),
        (date(2026, 12, 1), 0, date(2026, 12, 1)),
    ],
)
def test_months_end_on_the_last_day_of_a_shorter_month(day: date, months: int, later: date) -> None:
    assert versions.months_after(day, months) == later


def test_every_version_has_bottlerocket_releases_that_include_its_default(facts: Facts) -> None:
    for eks in facts.eks_versions():
        first, end = facts.bottlerocket_releases(eks)
        default = versions.parse(facts.versions(eks).bottlerocket)
        assert versions.parse(first) <= default
        assert end is None or default < versions.parse(end)


@pytest.mark.thorough
@mock_aws
def test_the_facts_can_be_refreshed_from_aws(refresh: ModuleType, facts: Facts, tmp_path: Path) -> None:
    refresh.write(tmp_path, *refresh.from_aws(["us-west-2"]))

    fresh = Facts(tmp_path)
    assert fresh.instance_type("g5.2xlarge") == facts.instance_type("g5.2xlarge")
    assert fresh.region("us-west-2") == facts.region("us-west-2")
    assert fresh.region("cn-north-1") == facts.region("cn-north-1")
    assert json.loads((tmp_path / "regions.json").read_text())["source"] == "EC2 API of 1 regions"


@pytest.mark.thorough
def test_a_row_drops_what_it_does_not_have(refresh: ModuleType) -> None:
    info = {
        "VCpuInfo": {"DefaultVCpus": 2},
        "MemoryInfo": {"SizeInMiB": 8192},
        "ProcessorInfo": {"SupportedArchitectures": ["arm64"]},
        "NetworkInfo": {
            "DefaultNetworkCardIndex": 0,
            "NetworkCards": [{"MaximumNetworkInterfaces": 3}],
            "Ipv4AddressesPerInterface": 10,
        },
    }

    assert refresh.row(info) == [2, 8192, "arm64", 29]


def test_files_have_a_line_for_each_row(facts: Facts) -> None:
    text = (paths.data() / "instance_types.json").read_text()

    assert len(text.splitlines()) == len(json.loads(text)["types"]) + 7


@pytest.mark.parametrize(
    ("current", "target", "help"),
    [
        ("1.33", "1.33", None),
        ("1.33", "1.34", None),
        ("1.31", "1.34", 'set eksVersion: "1.32"'),
        ("1.34", "1.33", 'set eksVersion: "1.34"'),
    ],
)
def test_a_cluster_is_upgraded_by_one_version_at_a_time(current: str, target: str, help: str | None) -> None:
    text = versions.upgrade_help(current, target)

    assert text is None if help is None else text and text.endswith(help)


def test_the_rules_for_node_pools_begin_with_the_eks_version_that_brings_their_karpenter(
    facts: Facts,
) -> None:
    rules = karpenter.load(paths.root() / "charts")

    for eks in facts.eks_versions():
        by_eks = [row for row in rules if versions.minor(row.first_eks) <= versions.minor(eks)][-1]
        assert by_eks == facts.node_pool_rules(eks)


@pytest.mark.parametrize(
    ("label", "domain"),
    [
        ("example.com/team", None),
        ("kubernetes.io/arch", None),
        ("node.kubernetes.io/instance-type", None),
        ("app.kubernetes.io/name", "app.kubernetes.io"),
        ("karpenter.sh/capacity-type", None),
        ("karpenter.k8s.aws/instance-colour", "karpenter.k8s.aws"),
    ],
)
def test_karpenter_1_8_reserves_domains_but_not_every_label_of_them(
    facts: Facts, label: str, domain: str | None
) -> None:
    assert facts.node_pool_rules("1.28").reserved_domain(label) == domain


def test_karpenter_1_9_and_later_leave_the_domains_of_kubernetes_free(facts: Facts) -> None:
    rules = facts.node_pool_rules("1.29")

    assert rules.reserved_domain("example.kubernetes.io/team") is None
    assert rules.reserved_domain("karpenter.sh/team") == "karpenter.sh"
    assert "Gte" in rules.operators


# In the CEL rules of the NodePool CRD of v1.12.2 and v1.14.1, and not in those of v1.8.8.
@pytest.mark.parametrize(
    "name",
    [
        "capacity-reservation-interruptible",
        "instance-tenancy",
        "placement-group-id",
        "placement-group-partition",
    ],
)
def test_labels_that_came_after_karpenter_1_8(facts: Facts, name: str) -> None:
    label = f"karpenter.k8s.aws/{name}"

    assert facts.node_pool_rules("1.28").reserved_domain(label) == "karpenter.k8s.aws"
    assert facts.node_pool_rules("1.29").reserved_domain(label) is None
    assert facts.node_pool_rules("1.36").reserved_domain(label) is None


@pytest.mark.parametrize("name", ["p3.2xlarge", "g4ad.xlarge", "p2.xlarge", "dl1.24xlarge", "g3s.xlarge"])
def test_types_that_the_table_lacks_are_known_to_exist(facts: Facts, name: str) -> None:
    assert facts.instance_type(name) is None
    assert facts.lacks(name)


@pytest.mark.parametrize("name", ["g5.xlage", "p3.9xlarge", "quantum.9xlarge", "g5.xlarge"])
def test_other_names_are_not(facts: Facts, name: str) -> None:
    assert not facts.lacks(name)
