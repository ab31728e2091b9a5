"""The cost of a plan: what is idle, what a task costs, and what is unknown."""

import json
from datetime import date
from typing import Any

import pytest

from generator import paths, yaml_loader
from generator.build import stack, stack_layout
from generator.plan import cost
from generator.plan.model import CostLine
from tests.plan.plans import PRICES, TERMS, nodes, planned, runtime, solve


def test_what_aws_bills_beyond_the_plan_is_named() -> None:
    rated = {"snapshotID": "snap-0123456789abcdef0", "volumeInitializationRate": 300}
    cached = {"nodeTemplate": {"dataVolume": {"volumeSize": "100Gi", **rated}}}
    notes = planned(solve(runtime("a", karpenter=TERMS), runtime("b", karpenter=cached), runtime("c"))).notes

    assert any("Nodes of a use capacity reservations" in note for note in notes)
    assert any("new node of b loads its snapshot" in note for note in notes)
    assert not any("reserv" in note or "snapshot" in note for note in planned(solve(runtime())).notes)


def test_idle_cost_is_the_sum_of_its_lines_and_holds_no_gpu() -> None:
    plan = planned(solve(runtime(), eksVersion="1.34"))

    assert plan.cost.unknown == ()
    # 730 h × (0.10 + 2 × 0.0816 + 3 × 0.045 + 3 × 0.005) + 160 GB × 0.08, 0.10 for each alarm, 0.53 for logs,
    # 0.40 for the secret of webhooks, 657,000 polls of their queue at 0.40 a million.
    alarms = stack_layout.resource_counts(solve(runtime()))["AWS::CloudWatch::Alarm"]
    assert plan.cost.idle_total == pytest.approx(730 * 0.4132 + 12.8 + 0.1 * alarms + 0.53 + 0.4 + 0.2628)
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
    assert [row.count for row in on.resources if row.kind == "AWS::Logs::LogGroup"] == [5]
    assert [row.count for row in off.resources if row.kind == "AWS::Logs::LogGroup"] == [4]
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


def test_the_function_costs_what_the_template_gives_it() -> None:
    template = yaml_loader.load(stack.files(solve(runtime()))["stack.yaml"])

    assert template["Resources"]["ApiFunction"]["Properties"]["MemorySize"] == cost.API_GIB * 1024


def test_every_price_names_its_source_and_date() -> None:
    data = json.loads((paths.data() / "prices.json").read_text("utf-8"))

    for row in data["instances"].values():
        assert date.fromisoformat(row["date"])
        assert row["source"]
    for row in data["services"].values():
        assert date.fromisoformat(row["date"])
        assert all(item["source"] and item["unit"] for item in row["prices"].values())


WARM_DAY = {"start": "0 8 * * 1-5", "end": "0 18 * * 1-5"}


def warm_line(*entries: dict[str, Any], types: tuple[str, ...] = ("g5.xlarge",), **scaling: Any) -> CostLine:
    """The line of what a runtime keeps warm."""
    values = {"scaling": {"warm": list(entries), **scaling}}
    plan = planned(solve(runtime(karpenter=nodes(list(types)), runtime=values)))
    [line] = [line for line in plan.cost.idle if "warm" in line.what]
    return line


@pytest.mark.parametrize(
    ("entries", "minimum", "hours"),
    [
        ([{"pods": 1, **WARM_DAY}], 0, 50),
        ([{"pods": 3, **WARM_DAY}], 0, 150),
        ([{"nodes": 2}], 0, 336),
        ([{"pods": 1, "nodes": 1, **WARM_DAY}], 0, 100),
        # What the minimum keeps is another line.
        ([{"pods": 3, **WARM_DAY}], 2, 50),
        ([{"pods": 1, "nodes": 1, **WARM_DAY}], 2, 50),
        # Overlapping hours: the larger number.
        ([{"pods": 1, **WARM_DAY}, {"pods": 2, "start": "0 12 * * 1-5", "end": "0 13 * * 1-5"}], 0, 55),
    ],
)
def test_what_is_kept_warm_costs_its_hours(entries: list[dict[str, Any]], minimum: int, hours: int) -> None:
    line = warm_line(*entries, minReplicaCount=minimum)

    assert line.what == f"GPU: one keeps g5.xlarge warm, {hours} node hours a week"
    assert line.amount == pytest.approx(round(hours * 730 / 168) * 1.006)


def test_pods_that_share_a_node_share_its_warm_hours() -> None:
    line = warm_line({"pods": 4, **WARM_DAY}, {"nodes": 1, **WARM_DAY}, types=("g5.12xlarge",))

    assert "100 node hours" in line.what
