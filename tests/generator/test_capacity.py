"""Which instance types Karpenter can start: requirements, place, size and limits, as Karpenter reads them."""

from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from generator import app, paths
from generator.config import document
from generator.config.node import top
from generator.config.rules.base import Case
from generator.facts.facts import Facts
from generator.facts.instance_types import Resources
from generator.facts.quantity import GIB
from generator.solution import capacity, node_pool
from generator.solution.capacity import Place
from generator.solution.context import Context
from generator.solution.merge import merged
from generator.solution.nodes import Nodes, Requirement
from testing import solving

ROOT = Path(__file__).resolve().parents[2]
FACTS = Facts(paths.data())
PLACE = Place(FACTS.region("us-east-1"), ("us-east-1a", "us-east-1b", "us-east-1c"))
POD = Resources(Decimal(3), Decimal(6 * GIB), gpus=1)
PREFIX = "karpenter.k8s.aws/"


def nodes(provisioner: dict[str, Any] | None = None, template: dict[str, Any] | None = None) -> Nodes:
    """The nodes of a runtime that sets this, with the defaults of the schema."""
    karpenter = solving.DEFAULTS.runtime["extraValues"]["karpenter"]
    return node_pool.nodes(
        merged(karpenter["provisioner"], provisioner or {}), merged(karpenter["nodeTemplate"], template or {})
    )


def requiring(*requirements: tuple[str, str, list[str]], types: tuple[str, ...] = ()) -> list[str]:
    """The types that are left of `types` (or of all) with these requirements."""
    entries = [{"key": key, "operator": operator, "values": values} for key, operator, values in requirements]
    pool = nodes({"instanceType": list(types), "extraRequirements": entries})
    return [kind.name for kind in capacity.select(pool, POD, PLACE, FACTS).left]


TYPES = ("g4dn.2xlarge", "g5.2xlarge", "g5.12xlarge", "g6.2xlarge", "g6e.2xlarge", "p4d.24xlarge")


@pytest.mark.parametrize(
    ("key", "operator", "values", "left"),
    [
        ("node.kubernetes.io/instance-type", "In", ["g5.2xlarge", "m7g.large"], ["g5.2xlarge"]),
        ("beta.kubernetes.io/instance-type", "NotIn", ["g5.2xlarge", *TYPES[2:]], ["g4dn.2xlarge"]),
        (PREFIX + "instance-family", "In", ["g6e"], ["g6e.2xlarge"]),
        (PREFIX + "instance-category", "In", ["p"], ["p4d.24xlarge"]),
        (PREFIX + "instance-generation", "Gt", ["5"], ["g6.2xlarge", "g6e.2xlarge"]),
        (PREFIX + "instance-generation", "Gte", ["6"], ["g6.2xlarge", "g6e.2xlarge"]),
        (PREFIX + "instance-generation", "Lt", ["5"], ["g4dn.2xlarge", "p4d.24xlarge"]),
        (PREFIX + "instance-generation", "Lte", ["4"], ["g4dn.2xlarge", "p4d.24xlarge"]),
        (PREFIX + "instance-size", "NotIn", ["2xlarge"], ["g5.12xlarge", "p4d.24xlarge"]),
        (PREFIX + "instance-cpu", "Lt", ["9"], ["g4dn.2xlarge", "g5.2xlarge", "g6.2xlarge", "g6e.2xlarge"]),
        (PREFIX + "instance-cpu-manufacturer", "In", ["intel"], ["g4dn.2xlarge", "p4d.24xlarge"]),
        (PREFIX + "instance-memory", "Gt", ["65536"], ["g5.12xlarge", "p4d.24xlarge"]),
        (PREFIX + "instance-gpu-count", "In", ["4"], ["g5.12xlarge"]),
        (PREFIX + "instance-gpu-name", "In", ["l4", "l40s"], ["g6.2xlarge", "g6e.2xlarge"]),
        (PREFIX + "instance-gpu-manufacturer", "In", ["amd"], []),
        (PREFIX + "instance-gpu-memory", "Gt", ["22888"], ["g6e.2xlarge", "p4d.24xlarge"]),
        (PREFIX + "instance-local-nvme", "Lt", ["300"], ["g4dn.2xlarge"]),
        (PREFIX + "instance-hypervisor", "In", ["xen"], []),
        (PREFIX + "instance-encryption-in-transit-supported", "In", ["false"], []),
        (PREFIX + "instance-ebs-bandwidth", "Gt", ["18000"], ["p4d.24xlarge"]),
        (PREFIX + "instance-accelerator-name", "Exists", [], []),
        (PREFIX + "instance-accelerator-name", "DoesNotExist", [], list(TYPES)),
        (PREFIX + "instance-accelerator-name", "NotIn", ["inferentia"], list(TYPES)),
        (PREFIX + "instance-gpu-name", "DoesNotExist", [], []),
        (PREFIX + "instance-capability-flex", "In", ["true"], []),
        (PREFIX + "capacity-reservation-id", "In", ["cr-1"], []),
        (PREFIX + "capacity-reservation-id", "DoesNotExist", [], list(TYPES)),
        (PREFIX + "placement-group-id", "In", ["pg-1"], []),
        (PREFIX + "instance-tenancy", "In", ["dedicated"], list(TYPES)),
        (PREFIX + "instance-tenancy", "In", ["dedicatd"], []),
        ("kubernetes.io/os", "In", ["windows"], []),
        ("beta.kubernetes.io/arch", "In", ["arm64"], []),
        ("karpenter.sh/capacity-type", "In", ["reserved"], []),
        ("karpenter.sh/capacity-type", "NotIn", ["spot"], list(TYPES)),
        ("topology.kubernetes.io/region", "In", ["us-west-2"], []),
        ("topology.kubernetes.io/zone", "In", ["us-east-1c", "us-east-1f"], list(TYPES)),
        ("topology.kubernetes.io/zone", "In", ["us-east-1f"], []),
        ("topology.kubernetes.io/zone", "In", ["eu-west-1a"], []),
        # No zone offers the type g6e in use1-az3 or use1-az5.
        ("topology.k8s.aws/zone-id", "In", ["use1-az5"], list(TYPES[:4])),
        ("topology.k8s.aws/zone-id", "In", ["euw1-az1"], []),
        # What the facts cannot decide excludes nothing: Karpenter gives the nodes the label.
        ("example.com/team", "In", ["studio"], list(TYPES)),
        (PREFIX + "instance-network-bandwidth", "Gt", ["1000000"], list(TYPES)),
    ],
)  # fmt: skip
def test_a_requirement_excludes_types_as_in_karpenter(
    key: str, operator: str, values: list[str], left: list[str]
) -> None:
    assert requiring((key, operator, values), types=TYPES) == left


def test_requirements_hold_together() -> None:
    spot = ("karpenter.sh/capacity-type", "In", ["spot"])
    no_spot = ("karpenter.sh/capacity-type", "NotIn", ["spot"])

    assert requiring(spot, types=TYPES) == list(TYPES)
    assert requiring(spot, no_spot, types=TYPES) == []


def test_a_capacity_type_that_is_off_cannot_be_required() -> None:
    pool = nodes(
        {
            "capacityType": {"spot": False},
            "extraRequirements": [
                {"key": "karpenter.sh/capacity-type", "operator": "In", "values": ["spot"]}
            ],
        }
    )

    selection = capacity.select(pool, POD, PLACE, FACTS)

    assert selection.left == ()
    assert "allow only on-demand" in selection.exclusions[0].reason


def test_an_empty_list_means_every_x86_type_with_gpus_that_the_region_offers() -> None:
    every = requiring()

    assert {"g4dn.xlarge", "g6e.xlarge", "p5.48xlarge"} <= set(every)
    assert not {name for name in every if name.startswith(("g5g", "g6f", "m", "p3."))}
    # Without NVMe disks, and with RAID0.
    assert not {name for name in every if FACTS.instance_type(name).nvme_gb == 0}  # type: ignore[union-attr]


def test_without_local_disks_any_gpu_type_will_do() -> None:
    pool = nodes({"instanceType": ["p5.4xlarge", "g4dn.xlarge"]}, {"instanceStorePolicy": "None"})

    assert [kind.name for kind in capacity.select(pool, POD, PLACE, FACTS).left] == list(pool.instance_types)


@pytest.mark.parametrize(
    ("limits", "left"),
    [
        ({"cpu": 4}, ["g5.xlarge", "g6.xlarge"]),
        ({"cpu": "3999m"}, []),
        ({"cpu": 8}, ["g5.xlarge", "g5.2xlarge", "g6.xlarge", "g6.2xlarge"]),
        # Karpenter compares memory without the hypervisor's 7.5 %: 15155 MiB of 16384.
        ({"memory": "15155Mi"}, ["g5.xlarge", "g6.xlarge"]),
        ({"memory": "15154Mi"}, []),
        ({"memory": 64}, []),
        ({"nvidia.com/gpu": "1"}, ["g5.xlarge", "g5.2xlarge", "g6.xlarge", "g6.2xlarge"]),
    ],
)
def test_a_limit_must_hold_a_whole_node(limits: dict[str, Any], left: list[str]) -> None:
    pool = nodes({"resourceLimits": limits})

    assert [kind.name for kind in capacity.select(pool, POD, PLACE, FACTS).left] == left


def test_storage_is_that_of_the_disk_which_holds_the_images() -> None:
    hungry = replace(POD, storage=Decimal(300 * 10**9))

    on_nvme = capacity.select(nodes(), hungry, PLACE, FACTS)
    on_volume = capacity.select(nodes(template={"instanceStorePolicy": "None"}), hungry, PLACE, FACTS)

    assert [kind.name for kind in on_nvme.left] == ["g5.2xlarge", "g6.2xlarge"]
    assert on_volume.left == ()


@pytest.mark.parametrize(
    ("key", "most"),
    [
        (PREFIX + "instance-family", 2),
        ("node.kubernetes.io/instance-type", 4),
        ("topology.kubernetes.io/zone", 3),
        ("karpenter.sh/capacity-type", 2),
        ("kubernetes.io/arch", 1),
        ("example.com/team", 0),
    ],
)
def test_min_values_count_the_values_of_the_types_that_are_left(key: str, most: int) -> None:
    def left(count: int) -> int:
        entry = {"key": key, "operator": "Exists", "minValues": count}
        return len(capacity.select(nodes({"extraRequirements": [entry]}), POD, PLACE, FACTS).left)

    assert (left(most), left(most + 1)) == (4, 0)


def test_min_values_of_a_label_that_the_facts_do_not_know_exclude_nothing() -> None:
    entry = {"key": PREFIX + "instance-network-bandwidth", "operator": "Exists", "minValues": 9}

    assert len(capacity.select(nodes({"extraRequirements": [entry]}), POD, PLACE, FACTS).left) == 4


def test_labels_of_the_nodes_are_requirements() -> None:
    pool = nodes({"labels": {PREFIX + "instance-family": "g6", "example.com/team": "studio"}})

    assert [kind.name for kind in capacity.select(pool, POD, PLACE, FACTS).left] == [
        "g6.xlarge",
        "g6.2xlarge",
    ]


def test_every_exclusion_names_its_types_and_its_reason() -> None:
    pool = nodes(
        {"instanceType": ["g4dn.xlarge", "g5.xlarge", "m7i.large"], "resourceLimits": {"cpu": 2}},
    )
    family = Requirement(PREFIX + "instance-family", "NotIn", ("g5",), None, ("x",))

    exclusions = capacity.select(replace(pool, requirements=(family,)), POD, PLACE, FACTS).exclusions

    assert [(one.cause, one.instance_types) for one in exclusions] == [
        ("limit", ("g4dn.xlarge",)),
        ("requirement", ("g5.xlarge",)),
        ("type", ("m7i.large",)),
    ]  # fmt: skip
    assert exclusions[1].reason == "instance-family NotIn [g5]"


@pytest.mark.parametrize(
    ("pod", "count"),
    [
        (POD, 4),
        (replace(POD, gpus=2), 2),
        (replace(POD, gpus=3), 1),
        (replace(POD, cores=Decimal(20)), 2),
        (replace(POD, memory=Decimal(60 * GIB)), 2),
        (replace(POD, storage=Decimal(2000 * 10**9)), 1),
    ],
)
def test_the_scarcest_resource_decides_how_many_pods_a_node_runs(pod: Resources, count: int) -> None:
    kind = FACTS.instance_type("g5.12xlarge")
    assert kind is not None

    assert capacity.pods_per_node(kind, nodes(), pod) == count


@pytest.mark.parametrize("path", sorted((ROOT / "examples").glob("*.yaml")), ids=lambda path: path.stem)
def test_validate_and_plan_see_the_same_nodes_and_pods(path: Path) -> None:
    config = document.load(path.read_text("utf-8"), path.name)
    context = Context(config.data["region"], config.data["accountId"], date(2026, 11, 26))

    pools = Case(top(config, app.schema()), FACTS, context, deriving=True).pools
    runtimes = solving.solution(config.data, context).runtimes

    assert [(pool.nodes, pool.pod) for pool in pools] == [(one.nodes, one.pod) for one in runtimes]


RESERVED = {"capacityReservationSelectorTerms": [{"id": "cr-1"}]}
OFF = {"capacityType": {"spot": False, "onDemand": False}}


@pytest.mark.parametrize(
    ("key", "operator", "values", "left"),
    [
        (PREFIX + "capacity-reservation-id", "In", ["cr-1"], ("reserved",)),
        (PREFIX + "capacity-reservation-type", "Exists", [], ("reserved",)),
        (PREFIX + "capacity-reservation-type", "NotIn", ["default"], ("reserved", "spot", "on-demand")),
        (PREFIX + "capacity-reservation-interruptible", "DoesNotExist", [], ("spot", "on-demand")),
        ("karpenter.sh/capacity-type", "In", ["reserved"], ("reserved",)),
        ("karpenter.sh/capacity-type", "NotIn", ["spot"], ("reserved", "on-demand")),
    ],
)
def test_requirements_choose_between_reserved_and_other_capacity(
    key: str, operator: str, values: list[str], left: tuple[str, ...]
) -> None:
    entry = {"key": key, "operator": operator, "values": values}
    pool = nodes({"extraRequirements": [entry]}, RESERVED)

    assert capacity.capacity_types(pool, PLACE) == left
    assert capacity.select(pool, POD, PLACE, FACTS).left


def test_reserved_capacity_alone_needs_no_spot_market() -> None:
    pool = nodes({**OFF, "instanceType": ["p5.48xlarge"]}, {**RESERVED, "instanceStorePolicy": "RAID0"})

    assert capacity.capacity_types(pool, PLACE) == ("reserved",)
    assert [kind.name for kind in capacity.select(pool, POD, PLACE, FACTS).left] == ["p5.48xlarge"]
