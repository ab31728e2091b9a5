"""Runtimes that share a node pool: its limits hold for all of them, in quotas, plan and page."""

from typing import Any

import pytest

from generator.plan import text as plan_text
from tests.plan.plans import need, nodes, planned, runtime, solve

SPOT = "L-3819A6DF"


def shared(*names: str, pool: str = "shared", **provisioner: Any) -> list[dict[str, Any]]:
    """Runtimes with at most 20 pods each, on nodes of 4 vCPUs and one GPU."""
    karpenter = {"nodePool": pool, **nodes(["g5.xlarge"], **provisioner)}
    return [runtime(name, karpenter=karpenter) for name in names]


@pytest.mark.parametrize(
    ("limit", "vcpus", "pods"), [(100, 240, 60), (30, 120, 30), (5, 20, 5)], ids=["wide", "of all", "of each"]
)
def test_the_limits_of_a_shared_pool_hold_for_its_runtimes_together(
    limit: int, vcpus: int, pods: int
) -> None:
    plan = planned(solve(*shared("a", "b", "c", resourceLimits={"nvidia.com/gpu": limit})))

    assert (need(plan, SPOT).least, need(plan, SPOT).most) == (vcpus, vcpus)
    [pool] = plan.node_pools
    assert (pool.name, pool.runtimes, pool.pods) == ("demo-shared", ("a", "b", "c"), pods)


def test_the_limits_of_pools_that_are_not_shared_add_up() -> None:
    plan = planned(solve(*shared("a", "b", "c", pool="own", resourceLimits={"nvidia.com/gpu": 15})))

    assert need(plan, SPOT).most == 3 * 15 * 4
    assert [pool.name for pool in plan.node_pools] == ["demo-a", "demo-b", "demo-c"]


def test_runtimes_with_a_pool_of_their_own_are_added_to_those_that_share() -> None:
    limit = {"nvidia.com/gpu": 15}
    plan = planned(
        solve(*shared("a", "b", resourceLimits=limit), *shared("c", pool="own", resourceLimits=limit))
    )

    assert need(plan, SPOT).most == 2 * 15 * 4


def test_a_shared_pool_is_one_object_of_each_kind() -> None:
    plan = planned(solve(*shared("a", "b"), *shared("c", pool="own")))

    counts = {row.kind: row.count for row in plan.resources if row.made_by == "charts"}
    assert {kind: counts[kind] for kind in ("NodePool", "EC2NodeClass", "Deployment")} == {
        "NodePool": 2,
        "EC2NodeClass": 2,
        "Deployment": 3,
    }


def test_the_page_says_who_shares_a_pool() -> None:
    page = plan_text.markdown(planned(solve(*shared("a", "b", resourceLimits={"nvidia.com/gpu": 7}))))

    assert "a, b share the node pool demo-shared: at most 7 pods of all of them together" in page
    assert "share the node pool" not in plan_text.markdown(planned(solve(*shared("a", "b", pool="own"))))
