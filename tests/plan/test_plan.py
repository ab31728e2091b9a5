"""The plan as a page and as JSON: resources, licenses, encryption and the age of its data."""

import json
import re
from datetime import date

import pytest

from generator.plan import text as plan_text
from generator.plan.model import Plan
from tests.plan.plans import planned, runtime, solve


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


def test_every_runtime_type_names_its_license() -> None:
    text = plan_text.markdown(planned(solve(runtime("a", "sdwebui"), runtime("b"), runtime("c", "invokeai"))))

    for license in ("AGPL-3.0", "GPL-3.0", "Apache-2.0"):
        assert license in text


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
