"""CloudFormation in the emulator: change sets, diff, questions, resumption."""

import pytest

from generator.deploy import stacks, templates
from generator.deploy.job import RefusedError
from generator.errors import AwsError
from testing.account import Account
from tests.deploy.conftest import MakeBench


def queues(account: Account) -> set[str]:
    urls = account.client("sqs").list_queues(QueueNamePrefix="demo-").get("QueueUrls", [])
    return {url.rpartition("/")[2] for url in urls}


def test_a_fresh_account_gets_the_stack_and_the_changes_are_listed(
    account: Account, bench: MakeBench
) -> None:
    one = bench("one")

    stacks.apply(one.job, "stack.yaml", {})

    assert {"demo-one", "demo-one-dead-letter"} <= queues(account)
    assert any(line.startswith("  + AWS::SQS::Queue oneQueue") for line in one.messages)
    assert one.messages[-1] == "stack demo: CREATE_COMPLETE"


def test_a_large_template_goes_through_a_private_bucket(account: Account, bench: MakeBench) -> None:
    one = bench("one")
    assert templates.large(one.job.files["stack.yaml"])

    stacks.apply(one.job, "stack.yaml", {})

    bucket = templates.bucket(one.job.solution)
    listed = account.client("s3").list_objects_v2(Bucket=bucket)["Contents"]
    assert [row["Key"] for row in listed] == ["demo.yaml"]
    blocked = account.client("s3").get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"]
    assert all(blocked.values())


def test_the_second_run_changes_nothing_and_reports_it(bench: MakeBench) -> None:
    stacks.apply(bench("one").job, "stack.yaml", {})
    repeated = bench("one")

    stacks.apply(repeated.job, "stack.yaml", {})

    assert repeated.messages == ["stack demo: nothing to change"]


@pytest.mark.thorough
def test_another_runtime_is_added_without_a_question(account: Account, bench: MakeBench) -> None:
    stacks.apply(bench("one").job, "stack.yaml", {})
    larger = bench("one", "two", answer=False)

    stacks.apply(larger.job, "stack.yaml", {})

    assert "demo-two" in queues(account)


@pytest.mark.thorough
def test_a_removed_runtime_asks_before_anything_is_deleted(account: Account, bench: MakeBench) -> None:
    stacks.apply(bench("one", "two").job, "stack.yaml", {})
    fewer = bench("one", answer=False)

    with pytest.raises(RefusedError):
        stacks.apply(fewer.job, "stack.yaml", {})

    subscriptions = account.client("sns").list_subscriptions()["Subscriptions"]
    assert any(row["Endpoint"].endswith(":demo-two") for row in subscriptions)


def test_the_diff_says_that_queues_and_buckets_are_kept(bench: MakeBench) -> None:
    stacks.apply(bench("one", "two").job, "stack.yaml", {})
    fewer = bench("one")

    stacks.apply(fewer.job, "stack.yaml", {})

    gone = [line for line in fewer.messages if line.startswith("  - AWS::")]
    kept = [line for line in gone if "kept in the account" in line]
    assert {line.split()[1] for line in kept} == {"AWS::SQS::Queue", "AWS::S3::Bucket"}
    assert any("AWS::SNS::Subscription" in line and "deleted" in line for line in gone)


def test_the_data_of_a_removed_runtime_is_kept(account: Account, bench: MakeBench) -> None:
    two = bench("one", "two")
    stacks.apply(two.job, "stack.yaml", {})
    bucket = two.job.solution.runtimes[1].output_bucket
    account.client("s3").put_object(Bucket=bucket, Key="a/a-1.png", Body=b"picture")

    stacks.apply(bench("one").job, "stack.yaml", {})

    assert account.client("s3").get_object(Bucket=bucket, Key="a/a-1.png")["Body"].read() == b"picture"
    assert "demo-two" in queues(account)


def test_a_failure_names_its_first_reason(bench: MakeBench) -> None:
    one = bench("one")
    one = one.with_(files={"stack.yaml": BROKEN})

    with pytest.raises(AwsError, match="Slow"):
        stacks.apply(one.job, "stack.yaml", {})


def test_a_name_that_is_taken_is_reported_with_the_flag_that_adopts_it(
    account: Account, bench: MakeBench
) -> None:
    one = bench("one")
    account.client("s3").create_bucket(Bucket=one.job.solution.runtimes[0].output_bucket)

    with pytest.raises(AwsError, match=r"oneBucket: .* already exists.*--adopt"):
        stacks.apply(one.job, "stack.yaml", {})


def test_what_an_uninstall_kept_is_imported_with_the_adopt_flag(account: Account, bench: MakeBench) -> None:
    one = bench("one").with_(adopt=True)
    bucket = one.job.solution.runtimes[0].output_bucket
    account.client("s3").create_bucket(Bucket=bucket)

    # The emulator plans an import, and cannot carry it out.
    with pytest.raises(AwsError):
        stacks.apply(one.job, "stack.yaml", {})

    assert f"  > AWS::S3::Bucket {bucket}" in one.messages


def test_a_stack_that_never_worked_is_created_again(bench: MakeBench) -> None:
    one = bench("one")
    with pytest.raises(AwsError):
        stacks.apply(one.with_(files={"stack.yaml": BROKEN}).job, "stack.yaml", {})

    stacks.apply(one.job, "stack.yaml", {})

    assert any("it never worked, and is created again" in line for line in one.messages)
    assert one.messages[-1] == "stack demo: CREATE_COMPLETE"


@pytest.mark.thorough
def test_a_change_set_that_a_stopped_run_left_does_no_harm(account: Account, bench: MakeBench) -> None:
    stacks.apply(bench("one", "two").job, "stack.yaml", {})
    one = bench("one", answer=False)
    for _ in range(2):
        with pytest.raises(RefusedError):
            stacks.apply(one.job, "stack.yaml", {})


def test_a_dry_run_prints_the_command_and_touches_nothing(account: Account, bench: MakeBench) -> None:
    dry = bench("one", dry_run=True)

    stacks.apply(dry.job, "stack.yaml", {"VpcId": "vpc-1"})

    assert dry.messages[-1].startswith("$ aws cloudformation deploy --stack-name demo ")
    assert "--parameter-overrides VpcId=vpc-1" in dry.messages[-1]
    assert account.client("cloudformation").describe_stacks()["Stacks"] == []


def test_deleting_a_missing_stack_is_not_an_error(bench: MakeBench) -> None:
    one = bench("one")

    stacks.delete(one.job, "demo")

    assert one.messages == ["stack demo: does not exist"]


# SQS refuses the queue: the create fails, and is rolled back.
BROKEN = """\
Resources:
  Topic:
    Type: AWS::SNS::Topic
  Slow:
    Type: AWS::SQS::Queue
    Properties: {VisibilityTimeout: 999999}
"""
