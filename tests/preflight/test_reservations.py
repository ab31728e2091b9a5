"""Capacity that was paid for: the reservations that a runtime selects exist and suit its nodes."""

from datetime import date
from typing import Any

import pytest

from generator.preflight import reservations
from generator.preflight.reservations import Place, Reservation
from generator.preflight.result import CheckStatus, Result
from generator.solution.context import Context
from testing import solving
from tests.preflight.conftest import RUNTIME, Sandbox

ID = "cr-0123456789abcdef0"
GROUP = "arn:aws:ec2:us-east-1:123456789012:placement-group/close"
OUTPOST = "arn:aws:outposts:us-east-1:123456789012:outpost/op-0123456789abcdef0"
ZONES = ("us-east-1a", "us-east-1b", "us-east-1c")


def config(*terms: dict[str, Any], other_capacity: bool = True, pods: int = 4) -> dict[str, Any]:
    """A config whose runtime selects these reservations."""
    capacity_type = {"spot": other_capacity, "onDemand": other_capacity}
    values = {
        "karpenter": {
            "provisioner": {"instanceType": ["g6.xlarge"], "capacityType": capacity_type},
            "nodeTemplate": {"capacityReservationSelectorTerms": list(terms)},
        },
        "runtime": {"scaling": {"maxReplicaCount": pods}},
    }
    return {"modelsRuntime": [{**RUNTIME, "extraValues": values}]}


def row(**fields: str) -> dict[str, str]:
    """A reservation in the names of EC2's XML."""
    return {
        "capacityReservationId": ID,
        "ownerId": "123456789012",
        "instanceMatchCriteria": "targeted",
        "instanceType": "g6.xlarge",
        "instancePlatform": "Linux/UNIX",
        "availabilityZone": "us-east-1a",
        "state": "active",
        "totalInstanceCount": "4",
        "availableInstanceCount": "3",
        **fields,
    }


def result(sandbox: Sandbox, config: dict[str, Any]) -> Result:
    return sandbox.one("reserved capacity", "reservations of turbo", config=config)


@pytest.mark.thorough
def test_a_runtime_without_reservations_is_not_asked_about(sandbox: Sandbox) -> None:
    assert not [one for one in sandbox.run().results if one.theme == "reserved capacity"]


def test_a_reservation_that_suits_passes_with_what_is_free(sandbox: Sandbox) -> None:
    sandbox.more_ec2.reservations = [(row(), {})]

    passed = result(sandbox, config({"id": ID}))

    assert (passed.status, passed.message) == (
        CheckStatus.PASSED,
        f"{ID}: 4 × g6.xlarge in us-east-1a, 3 free",
    )


def test_the_end_of_a_capacity_block_is_named(sandbox: Sandbox) -> None:
    sandbox.more_ec2.reservations = [(row(endDate="2026-12-03T11:30:00.000Z"), {})]

    assert result(sandbox, config({"id": ID})).message.endswith("3 free, ends 2026-12-03 11:30:00+00:00")


def test_an_id_of_another_region_or_account_fails(sandbox: Sandbox) -> None:
    failed = result(sandbox, config({"id": "cr-404"}))

    assert failed.status is CheckStatus.FAILED
    assert failed.message == "none of this account and region is selected"


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("term", "matches"),
    [
        ({"tags": {"team": "art"}}, True),
        ({"tags": {"team": "*"}}, True),
        ({"tags": {"team": "*"}, "ownerID": "123456789012"}, True),
        ({"instanceMatchCriteria": "targeted"}, True),
        ({"tags": {"team": "music"}}, False),
        ({"tags": {"group": "*"}}, False),
        ({"tags": {"team": "art"}, "ownerID": "210987654321"}, False),
        ({"instanceMatchCriteria": "open"}, False),
    ],
)
def test_terms_select_as_karpenter_does(sandbox: Sandbox, term: dict[str, Any], matches: bool) -> None:
    sandbox.more_ec2.reservations = [(row(), {"team": "art"})]

    status = result(sandbox, config(term)).status

    assert status is (CheckStatus.PASSED if matches else CheckStatus.FAILED)


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"instanceType": "g5.xlarge"}, "holds g5.xlarge, which the runtime does not use"),
        ({"availabilityZone": "us-east-1f"}, "is in us-east-1f; the nodes are in"),
        ({"state": "expired"}, "is expired"),
        ({"state": "cancelled"}, "is cancelled"),
        ({"instancePlatform": "Windows"}, "is for Windows"),
        ({"tenancy": "dedicated"}, "has dedicated tenancy; the nodes have default tenancy"),
        ({"placementGroupArn": GROUP}, f"is in {GROUP}; the nodes are not"),
        ({"outpostArn": OUTPOST}, f"is in {OUTPOST}; the nodes are not"),
    ],
)
def test_a_reservation_that_no_node_can_use_fails(
    sandbox: Sandbox, fields: dict[str, str], message: str
) -> None:
    sandbox.more_ec2.reservations = [(row(**fields), {})]

    failed = result(sandbox, config({"id": ID}))

    assert failed.status is CheckStatus.FAILED
    assert message in failed.message


@pytest.mark.parametrize(
    ("zone", "status"), [("us-east-1a", CheckStatus.PASSED), ("us-east-1b", CheckStatus.FAILED)]
)
def test_a_requirement_on_the_zone_excludes_reservations_elsewhere(
    sandbox: Sandbox, zone: str, status: CheckStatus
) -> None:
    sandbox.more_ec2.reservations = [(row(), {})]
    asked = config({"id": ID})
    provisioner = asked["modelsRuntime"][0]["extraValues"]["karpenter"]["provisioner"]
    provisioner["extraRequirements"] = [
        {"key": "topology.kubernetes.io/zone", "operator": "In", "values": [zone]}
    ]

    assert result(sandbox, asked).status is status


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("operator", "values", "of_reservation", "status"),
    [
        ("In", ["dedicated"], "dedicated", CheckStatus.PASSED),
        ("In", ["dedicated"], "default", CheckStatus.FAILED),
        ("NotIn", ["default"], "dedicated", CheckStatus.PASSED),
        ("In", ["default", "dedicated"], "dedicated", CheckStatus.FAILED),
        ("In", ["default", "dedicated"], "default", CheckStatus.PASSED),
    ],
)
def test_nodes_are_dedicated_only_where_a_requirement_excludes_the_default(
    sandbox: Sandbox, operator: str, values: list[str], of_reservation: str, status: CheckStatus
) -> None:
    sandbox.more_ec2.reservations = [(row(tenancy=of_reservation), {})]
    asked = {"eksVersion": "1.36", **config({"id": ID})}
    provisioner = asked["modelsRuntime"][0]["extraValues"]["karpenter"]["provisioner"]
    provisioner["extraRequirements"] = [
        {"key": "karpenter.k8s.aws/instance-tenancy", "operator": operator, "values": values}
    ]

    assert result(sandbox, asked).status is status


def judged(*found: Reservation, **options: Any) -> Result:
    """What the reservations of a runtime mean."""
    solution = solving.solution(
        {
            "stackName": "demo",
            "modelBucketArn": "arn:aws:s3:::models",
            **config({"id": ID}, **options),
        },
        Context("us-east-1", "123456789012", date(2026, 11, 22)),
    )
    plan = solving.plan(solution)
    place = Place(ZONES, "default")
    [result] = reservations.judge("one", plan.node_pools[0].pods, plan.runtimes, place, found)
    return result


def reservation(name: str = ID, **fields: Any) -> Reservation:
    values = {"instance_type": "g6.xlarge", "zone": "us-east-1a", "state": "active"}
    values |= {"platform": "Linux/UNIX", "tenancy": "default", "placement": ""}
    return Reservation(**{"id": name, "total": 4, "available": 4, **values, **fields})


def test_one_unusable_reservation_among_others_is_a_warning() -> None:
    warning = judged(reservation(), reservation("cr-2", instance_type="g5.xlarge"))

    assert warning.status is CheckStatus.WARNING
    assert "not usable: cr-2 holds g5.xlarge" in warning.message


def test_a_capacity_block_that_starts_later_is_a_warning_where_nothing_else_can_start() -> None:
    block = reservation(state="scheduled", starts="2026-12-01 11:30:00+00:00")

    assert judged(block, other_capacity=False).status is CheckStatus.WARNING
    assert "starts 2026-12-01" in judged(block, other_capacity=False).message
    assert judged(block).status is CheckStatus.PASSED


def test_reserved_capacity_alone_must_hold_all_pods() -> None:
    short = judged(reservation(total=3), other_capacity=False)

    assert short.status is CheckStatus.WARNING
    assert "4 pods at the maximum, room for 3" in short.message
    assert judged(reservation(total=3)).status is CheckStatus.PASSED
    assert judged(reservation(total=4), other_capacity=False).status is CheckStatus.PASSED


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("limit", "reserved", "status"),
    [(100, 7, CheckStatus.WARNING), (100, 8, CheckStatus.PASSED), (5, 5, CheckStatus.PASSED)],
    ids=["too few", "for all pods", "for all that the limits allow"],
)
def test_reservations_of_a_shared_pool_hold_the_pods_of_all_its_runtimes(
    sandbox: Sandbox, limit: int, reserved: int, status: CheckStatus
) -> None:
    sandbox.more_ec2.reservations = [(row(totalInstanceCount=str(reserved)), {})]
    [runtime] = config({"id": ID}, other_capacity=False)["modelsRuntime"]
    runtime["extraValues"]["karpenter"]["nodePool"] = "shared"
    runtime["extraValues"]["karpenter"]["provisioner"]["resourceLimits"] = {"nvidia.com/gpu": limit}

    report = sandbox.run(config={"modelsRuntime": [runtime, {**runtime, "name": "flow"}]})

    [answer] = [one for one in report.results if one.theme == "reserved capacity"]
    assert (answer.name, answer.status) == ("reservations of turbo, flow", status)
