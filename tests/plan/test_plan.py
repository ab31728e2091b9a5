"""The plan: nodes, quotas, cost and licenses follow from the config."""

import json
import re
from datetime import date
from typing import Any

import pytest
import yaml

from generator import paths
from generator.build import stack, stack_layout
from generator.facts import prices, quotas
from generator.facts.facts import Facts
from generator.plan import cost
from generator.plan import text as plan_text
from generator.plan.model import Plan, QuotaNeed
from generator.solution.context import Context
from generator.solution.model import Solution
from testing import solving

FACTS = Facts(paths.data())
PRICES = prices.load(paths.data())


def solve(*runtimes: dict[str, Any], region: str = "us-east-1", **top: Any) -> Solution:
    """A solution of these runtimes."""
    partition = FACTS.partition(region).name
    data = {
        "stackName": "demo",
        "modelBucketArn": f"arn:{partition}:s3:::models",
        "modelsRuntime": list(runtimes),
    }
    context = Context(region, "111122223333", date(2026, 11, 22))
    return solving.solution({**data, **top}, context)


def runtime(name: str = "one", kind: str = "comfyui", **extra: Any) -> dict[str, Any]:
    """A runtime of the config."""
    return {"name": name, "type": kind, "extraValues": extra}


def nodes(types: list[str], **more: Any) -> dict[str, Any]:
    """`extraValues.karpenter` with these instance types."""
    return {"provisioner": {"instanceType": types, **more}}


def planned(solution: Solution, seconds: dict[str, float] | None = None, day: date | None = None) -> Plan:
    return solving.plan(solution, seconds, day)


def need(plan: Plan, quota_code: str) -> QuotaNeed:
    return next(item for item in plan.needs if item.quota.code == quota_code)


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


TERMS = {"nodeTemplate": {"capacityReservationSelectorTerms": [{"id": "cr-1"}]}}


def test_reserved_capacity_alone_needs_no_quota_of_gpus() -> None:
    off = {"provisioner": {"capacityType": {"onDemand": False, "spot": False}}}
    plan = planned(solve(runtime(karpenter={**off, **TERMS})))

    assert not {"L-DB2E81BA", "L-3819A6DF"} & {item.quota.code for item in plan.needs}
    assert plan.runtimes[0].markets == ()
    assert [option.nodes for option in plan.runtimes[0].options] == [20] * 4


def test_what_aws_bills_beyond_the_plan_is_named() -> None:
    rated = {"snapshotID": "snap-0123456789abcdef0", "volumeInitializationRate": 300}
    cached = {"nodeTemplate": {"dataVolume": {"volumeSize": "100Gi", **rated}}}
    notes = planned(solve(runtime("a", karpenter=TERMS), runtime("b", karpenter=cached), runtime("c"))).notes

    assert any("Nodes of a use capacity reservations" in note for note in notes)
    assert any("new node of b loads its snapshot" in note for note in notes)
    assert not any("reserv" in note or "snapshot" in note for note in planned(solve(runtime())).notes)


def test_the_plan_names_what_encrypts_each_kind_of_data() -> None:
    key = "arn:aws:kms:us-east-1:111122223333:key/1"
    keys = {"models": [key], "messages": key}
    reader = runtime(runtime={"queueAgent": {"inputBuckets": ["inputs"]}})
    plain, encrypted = planned(solve(runtime())), planned(solve(reader, kmsKeys=keys))

    assert {row.data: row.key for row in encrypted.encryption} == {
        "models": key,
        "inputs": "as the buckets are",
        "output buckets": "keys of S3 (SSE-S3)",
        "queues": key,
        "topics": key,
        "volumes of nodes": "the account's default key for EBS",
        "Secrets of Kubernetes": "a key that AWS owns",
    }
    assert "inputs" not in {row.data for row in plain.encryption}
    assert f"| topics | {key} |" in plan_text.markdown(encrypted)


def test_idle_cost_is_the_sum_of_its_lines_and_holds_no_gpu() -> None:
    plan = planned(solve(runtime(), eksVersion="1.34"))

    assert plan.cost.unknown == ()
    # 730 h × (0.10 + 2 × 0.0816 + 3 × 0.045 + 3 × 0.005) + 160 GB × 0.08, 0.10 for each alarm, 0.53 for logs.
    alarms = stack_layout.resource_counts(solve(runtime()))["AWS::CloudWatch::Alarm"]
    assert plan.cost.idle_total == pytest.approx(730 * 0.4132 + 12.8 + 0.1 * alarms + 0.53)
    assert not any("GPU" in line.what for line in plan.cost.idle)


@pytest.mark.parametrize(("days", "amount"), [(1, 0.501), (30, 0.53), (365, 0.865)])
def test_logs_cost_what_is_collected_and_then_stored(days: int, amount: float) -> None:
    plan = planned(solve(runtime(), observability={"logs": {"retentionDays": days}}))

    [line] = [line for line in plan.cost.idle if "logs" in line.what]
    assert line.amount == pytest.approx(amount)
    assert "10 KB of logs" in plan.cost.requests.formula


def test_logs_that_are_off_cost_nothing_and_make_nothing() -> None:
    on, off = (planned(solve(runtime(), observability={"logs": {"enabled": on}})) for on in (True, False))

    assert on.cost.idle_total - off.cost.idle_total == pytest.approx(0.53)
    assert "KB of logs" not in off.cost.requests.formula
    assert [row.count for row in on.resources if row.kind == "AWS::Logs::LogGroup"] == [3]
    assert [row.count for row in off.resources if row.kind == "AWS::Logs::LogGroup"] == [2]
    assert not [row for row in off.resources if row.kind == "DaemonSet"]


def test_pods_that_are_kept_without_tasks_cost_when_idle() -> None:
    plan = planned(solve(runtime(runtime={"scaling": {"minReplicaCount": 2}})))

    kept = next(line for line in plan.cost.idle if "GPU" in line.what)
    assert kept.amount == pytest.approx(2 * 730 * 1.006)


def test_a_version_past_its_standard_support_costs_the_extended_price() -> None:
    plan = planned(solve(runtime(), eksVersion="1.33"))

    assert plan.cost.idle[0].amount == pytest.approx(730 * 0.6)
    assert plan.notes[0] == (
        "EKS 1.33 is in extended support until 2027-07-29: the control plane costs 0.60 USD an hour instead"
        " of 0.10 (438 instead of 73 a month). Its standard support ended on 2026-07-29."
    )


@pytest.mark.parametrize(("day", "price"), [(date(2026, 12, 2), 0.1), (date(2026, 12, 3), 0.6)])
def test_the_extended_price_begins_on_the_day_after_standard_support(day: date, price: float) -> None:
    plan = planned(solve(runtime(), eksVersion="1.34"), day=day)

    assert plan.cost.idle[0].amount == pytest.approx(730 * price)


def test_a_version_that_is_not_created_any_more_says_so() -> None:
    [support, *_] = planned(solve(runtime(), eksVersion="1.28")).notes

    assert support.startswith("AWS creates no new clusters with EKS 1.28")


@pytest.mark.parametrize(
    ("day", "old"),
    [
        (date(2026, 7, 1), []),
        (date(2026, 9, 29), ["prices of us-east-1"]),
        (date(2027, 2, 25), ["instance types", "regions", "EKS versions", "prices of us-east-1"]),
    ],
)
def test_data_older_than_90_days_is_named_in_the_plan(day: date, old: list[str]) -> None:
    [_, *notes] = planned(solve(runtime(), eksVersion="1.36"), day=day).notes

    assert [name for note in notes for name in re.findall(r"[:,] ([\w -]+) \(20", note)] == old


def test_what_a_plan_says_about_its_data_is_on_its_page() -> None:
    plan = planned(solve(runtime(), eksVersion="1.36"))

    assert all(note in plan_text.markdown(plan) for note in plan.notes)
    assert json.loads(plan_text.as_json(plan))["notes"] == list(plan.notes)


def test_a_users_own_seconds_replace_the_starting_points() -> None:
    plan = planned(solve(runtime(karpenter=nodes(["g5.xlarge"]))), {"a10g": 8.0})

    line = plan.cost.per_1000[0]
    assert line.amount == pytest.approx(1000 * 8 / 3600 * 1.006)
    assert line.formula == "1000 × 8 s ÷ 3600 × 1.006"


def test_pods_that_share_a_node_share_its_price() -> None:
    solution = solve(runtime(karpenter=nodes(["g5.12xlarge"])))
    gpu = planned(solution).runtimes[0].options[0].gpu_name
    plan = planned(solution, {gpu: 3.6})

    [line] = plan.cost.per_1000
    hourly = PRICES.lists["us-east-1"].instance("g5.12xlarge")
    assert hourly is not None
    # 1,000 pictures of 3.6 s are one hour; four pods share four GPUs.
    assert line.amount == pytest.approx(hourly / 4)


def test_an_upgrade_of_the_controllers_has_room_for_one_node_more() -> None:
    needed = need(planned(solve(runtime())), "L-1216C47A")

    # 2 × m7g.large of 2 vCPUs each
    assert (needed.least, needed.most) == (4, 6)


def test_a_gpu_without_a_measured_time_is_unknown_and_not_guessed() -> None:
    plan = planned(solve(runtime(karpenter=nodes(["g7e.2xlarge"]))))

    assert plan.cost.per_1000[0].amount is None
    assert "unknown s" in plan.cost.per_1000[0].formula


def test_another_region_names_the_region_of_its_prices() -> None:
    plan = planned(solve(runtime(), region="us-west-2"))

    assert "us-west-2 has other prices" in plan.cost.note
    assert plan.cost.priced_as.startswith("us-east-1, 20")


def test_china_is_shown_in_its_own_currency_and_what_is_unknown_is_named() -> None:
    plan = planned(solve(runtime(karpenter=nodes(["g5.xlarge"])), region="cn-north-1"))

    assert plan.cost.currency == "CNY"
    assert "3 NAT gateways" in plan.cost.unknown


def test_a_region_without_any_list_has_no_amounts() -> None:
    plan = planned(solve(runtime(karpenter=nodes(["g4dn.xlarge"])), region="cn-northwest-1"))

    assert plan.cost.idle_total == 0
    assert all(line.amount is None for line in plan.cost.idle)


def test_every_runtime_type_names_its_license() -> None:
    text = plan_text.markdown(planned(solve(runtime("a", "sdwebui"), runtime("b"), runtime("c", "invokeai"))))

    for license in ("AGPL-3.0", "GPL-3.0", "Apache-2.0"):
        assert license in text


def test_the_function_costs_what_the_template_gives_it() -> None:
    template = yaml.safe_load(stack.files(solve(runtime()))["stack.yaml"])

    assert template["Resources"]["ApiFunction"]["Properties"]["MemorySize"] == cost.API_GIB * 1024


def test_resources_of_the_stack_are_counted_from_its_template() -> None:
    one, two = planned(solve(runtime("a"))), planned(solve(runtime("a"), runtime("b")))

    def queues(plan: Plan) -> int:
        return next(r.count for r in plan.resources if r.kind == "AWS::SQS::Queue")

    assert queues(two) - queues(one) == 2  # a queue and its dead-letter queue


def test_the_json_matches_the_page() -> None:
    plan = planned(solve(runtime()))

    data = json.loads(plan_text.files(plan)["plan.json"])
    assert data["cost"]["idle_total"] == round(plan.cost.idle_total, 2)
    assert {row["quota"]["code"] for row in data["needs"]} == {item.quota.code for item in plan.needs}


def test_the_same_config_gives_the_same_bytes() -> None:
    assert plan_text.files(planned(solve(runtime()))) == plan_text.files(planned(solve(runtime())))


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


def test_every_price_names_its_source_and_date() -> None:
    data = json.loads((paths.data() / "prices.json").read_text("utf-8"))

    for row in data["instances"].values():
        assert date.fromisoformat(row["date"])
        assert row["source"]
    for row in data["services"].values():
        assert date.fromisoformat(row["date"])
        assert all(item["source"] and item["unit"] for item in row["prices"].values())
