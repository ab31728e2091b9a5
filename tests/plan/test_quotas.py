"""The quotas of a plan: which ones it needs, and how many nodes count against each."""

import pytest

from generator.facts import quotas
from tests.plan.plans import TERMS, need, nodes, planned, runtime, solve


def test_the_seven_quotas_are_named_with_the_numbers_that_the_plan_needs() -> None:
    plan = planned(solve(runtime("one"), runtime("two"), eksVersion="1.34"))

    needed = {item.quota.code: (item.least, item.most) for item in plan.needs}
    # 2 runtimes × 20 pods, each on a node of 4 vCPUs (xlarge) or 8 (2xlarge).
    assert needed["L-DB2E81BA"] == (160, 320)
    assert needed["L-3819A6DF"] == (160, 320)
    assert needed["L-0263D0A3"] == (3, 3)
    assert needed["L-F678F1CE"] == (1, 1)
    assert needed["L-FE5A380F"] == (1, 1)
    assert needed["L-F8E2BA85"] == (60, 100)
    assert needed["L-DC2B2D3D"] == (2, 2)


def test_a_gpu_limit_of_karpenter_bounds_the_nodes() -> None:
    limited = nodes(["g5.xlarge"], resourceLimits={"nvidia.com/gpu": 3})

    plan = planned(solve(runtime(karpenter=limited)))

    assert plan.runtimes[0].pods == 3
    assert need(plan, "L-DB2E81BA").most == 12


def test_a_limit_of_cpu_or_memory_bounds_the_nodes_too() -> None:
    plan = planned(solve(runtime(karpenter=nodes(["g5.xlarge"], resourceLimits={"cpu": 21}))))

    assert (plan.runtimes[0].pods, plan.runtimes[0].options[0].nodes) == (5, 5)
    assert need(plan, "L-DB2E81BA").most == 20


def test_a_limit_counts_whole_nodes() -> None:
    plan = planned(solve(runtime(karpenter=nodes(["g5.12xlarge"], resourceLimits={"nvidia.com/gpu": 7}))))

    option = plan.runtimes[0].options[0]
    assert (plan.runtimes[0].pods, option.nodes, option.vcpus) == (4, 1, 48)


def test_only_types_that_the_requirements_leave_are_counted() -> None:
    family = {"key": "karpenter.k8s.aws/instance-family", "operator": "In", "values": ["g6"]}
    spot = {"key": "karpenter.sh/capacity-type", "operator": "In", "values": ["spot"]}

    plan = planned(solve(runtime(karpenter={"provisioner": {"extraRequirements": [family, spot]}})))

    assert [option.instance_type for option in plan.runtimes[0].options] == ["g6.xlarge", "g6.2xlarge"]
    assert plan.runtimes[0].markets == ("spot",)
    assert {line.what for line in plan.cost.per_1000} == {"g6.xlarge (l4)", "g6.2xlarge (l4)"}
    assert "L-DB2E81BA" not in {item.quota.code for item in plan.needs}


def test_an_empty_list_of_types_is_planned_with_all_that_the_requirements_leave() -> None:
    families = {"key": "karpenter.k8s.aws/instance-family", "operator": "In", "values": ["g6e"]}

    plan = planned(
        solve(
            runtime(
                karpenter=nodes([], extraRequirements=[families]), runtime={"scaling": {"minReplicaCount": 1}}
            )
        )
    )

    assert plan.runtimes[0].options[0].instance_type == "g6e.xlarge"
    assert any("g6e.xlarge" in line.what for line in plan.cost.idle)


def test_a_gpu_of_the_agent_counts_for_each_pod() -> None:
    agent = {
        "queueAgent": {"resources": {"requests": {"nvidia.com/gpu": 1}, "limits": {"nvidia.com/gpu": 1}}}
    }

    plan = planned(solve(runtime(karpenter=nodes(["g5.12xlarge"]), runtime=agent)))

    option = plan.runtimes[0].options[0]
    assert (option.pods_per_node, option.nodes) == (2, 10)


def test_memory_decides_how_many_pods_share_a_node() -> None:
    large = {"inferenceApi": {"resources": {"requests": {"memory": "80Gi"}}}}

    plan = planned(solve(runtime(karpenter=nodes(["g5.12xlarge"]), runtime=large)))

    assert plan.runtimes[0].options[0].pods_per_node == 2


def test_pods_share_a_node_with_several_gpus() -> None:
    plan = planned(solve(runtime(karpenter=nodes(["g5.12xlarge"]))))

    option = plan.runtimes[0].options[0]
    assert (option.pods_per_node, option.nodes, option.vcpus) == (4, 5, 240)


def test_p_types_count_against_the_quotas_of_their_own_family() -> None:
    plan = planned(
        solve(runtime(karpenter=nodes(["p4d.24xlarge"])), runtime("two", karpenter=nodes(["p5.48xlarge"])))
    )

    codes = {item.quota.code for item in plan.needs}
    assert {"L-417A185B", "L-7212CCBC", "L-C4BD4855"} <= codes
    assert "L-DB2E81BA" not in codes


def test_a_runtime_with_types_of_two_families_may_do_without_either_quota() -> None:
    plan = planned(solve(runtime(karpenter=nodes(["g5.xlarge", "p4d.24xlarge"]))))

    assert need(plan, "L-DB2E81BA").least == 0
    assert need(plan, "L-DB2E81BA").most == 80


def test_spot_and_on_demand_name_each_other_when_either_may_serve() -> None:
    either = planned(solve(runtime()))
    spot = planned(
        solve(runtime(karpenter={"provisioner": {"capacityType": {"onDemand": False, "spot": True}}}))
    )

    assert need(either, "L-3819A6DF").other_market == "L-DB2E81BA"
    assert need(spot, "L-3819A6DF").other_market is None
    assert "L-DB2E81BA" not in {item.quota.code for item in spot.needs}


def test_reserved_capacity_alone_needs_no_quota_of_gpus() -> None:
    off = {"provisioner": {"capacityType": {"onDemand": False, "spot": False}}}
    plan = planned(solve(runtime(karpenter={**off, **TERMS})))

    assert not {"L-DB2E81BA", "L-3819A6DF"} & {item.quota.code for item in plan.needs}
    assert plan.runtimes[0].markets == ()
    assert [option.nodes for option in plan.runtimes[0].options] == [20] * 4


def test_an_upgrade_of_the_controllers_has_room_for_one_node_more() -> None:
    needed = need(planned(solve(runtime())), "L-1216C47A")

    # 2 × m7g.large of 2 vCPUs each
    assert (needed.least, needed.most) == (4, 6)


@pytest.mark.parametrize(
    ("name", "market", "code"),
    [
        ("g5.xlarge", "spot", "L-3819A6DF"),
        ("gr6.4xlarge", "on-demand", "L-DB2E81BA"),
        ("p3dn.24xlarge", "spot", "L-7212CCBC"),
        ("p5en.48xlarge", "spot", "L-C4BD4855"),
        ("p6-b200.48xlarge", "on-demand", "L-417A185B"),
        ("m7g.large", "on-demand", "L-1216C47A"),
        ("t4g.medium", "on-demand", "L-1216C47A"),
    ],
)
def test_the_quota_code_follows_from_the_family(name: str, market: quotas.Market, code: str) -> None:
    quota = quotas.of_instance(name, market)

    assert quota is not None
    assert quota.code == code


@pytest.mark.parametrize("name", ["p6-b200.48xlarge", "inf2.xlarge", "hpc7g.4xlarge"])
def test_a_quota_that_is_not_known_is_none(name: str) -> None:
    assert quotas.of_instance(name, "spot") is None


HOURS = {"start": "0 8 * * 1-5", "end": "0 18 * * 1-5"}


def test_placeholders_count_as_nodes_in_addition_to_all_pods() -> None:
    warm = {"scaling": {"maxReplicaCount": 3, "warm": [{"nodes": 2, "pods": 1, **HOURS}, {"nodes": 1}]}}
    [planned_runtime] = planned(solve(runtime(karpenter=nodes(["g5.xlarge"]), runtime=warm))).runtimes

    assert (planned_runtime.pods, planned_runtime.placeholders) == (3, 2)
    assert [option.nodes for option in planned_runtime.options] == [5]


def test_the_limits_of_the_pool_bound_placeholders_too() -> None:
    warm = {"scaling": {"maxReplicaCount": 3, "warm": [{"nodes": 2}]}}
    limited = nodes(["g5.xlarge"], resourceLimits={"nvidia.com/gpu": 4})
    [planned_runtime] = planned(solve(runtime(karpenter=limited, runtime=warm))).runtimes

    assert [option.nodes for option in planned_runtime.options] == [4]
