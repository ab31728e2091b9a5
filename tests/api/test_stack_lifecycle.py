"""The stack as CloudFormation of the emulator makes, keeps and removes it, and what its policies let pass."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from generator.build import stack
from generator.iam import roles
from local.cloud import Cloud, for_emulator
from local.emulator import Emulator
from local.processes import LocalError
from tests.api.conftest import ACCOUNT, REGION, Solve, deploy

MESSAGE = {"StringValue": "sdxl-turbo", "DataType": "String"}


@pytest.fixture(scope="module")
def strict(solve: Solve) -> Iterator[Cloud]:
    """The stack where IAM, topic and queue policies are enforced."""
    solution = solve("three-runtimes")
    with Emulator(account=ACCOUNT, enforce_iam=True) as emulator:
        cloud = Cloud(emulator, solution)
        cloud.create({solution.stack: on_plain_http(stack.files(solution)["stack.yaml"])})
        yield cloud


def on_plain_http(text: str) -> str:
    """The template with its refusal of http turned round: the emulator speaks nothing else."""
    return text.replace('{"aws:SecureTransport": "false"}', '{"aws:SecureTransport": "true"}')


def as_role(cloud: Cloud, name: str, document: dict[str, Any]) -> boto3.Session:
    """A session of a user who may do what a policy says and nothing else."""
    client = cloud.client("iam")
    client.create_user(UserName=name)
    client.put_user_policy(UserName=name, PolicyName="all", PolicyDocument=json.dumps(document))
    key = client.create_access_key(UserName=name)["AccessKey"]
    return boto3.Session(key["AccessKeyId"], key["SecretAccessKey"], region_name=REGION)


def refused(act: Callable[[], Any]) -> bool:
    """Whether IAM forbids it."""
    try:
        act()
    except ClientError as error:
        return error.response["ResponseMetadata"]["HTTPStatusCode"] == 403
    return False


def test_nothing_is_updated_when_nothing_changed(api_emulator: Emulator, solve: Solve) -> None:
    same = deploy(api_emulator, solve("minimal", stackName="same"))
    formation = same.cloud.client("cloudformation")
    text = for_emulator(stack.files(solve("minimal", stackName="same"))["stack.yaml"])
    same.cloud.client("s3").put_object(Bucket="same-template", Key="again", Body=text.encode())

    with pytest.raises(formation.exceptions.ClientError, match="No updates are to be performed"):
        formation.update_stack(
            StackName="same",
            TemplateURL=f"{api_emulator.url}/same-template/again",
            Capabilities=["CAPABILITY_NAMED_IAM"],
        )


def test_queues_and_buckets_are_still_there_when_the_stack_is_gone(
    api_emulator: Emulator, solve: Solve
) -> None:
    deployed = deploy(api_emulator, solve("minimal", stackName="gone"))
    formation, [runtime] = deployed.cloud.client("cloudformation"), deployed.solution.runtimes
    url = deployed.cloud.client("sqs").get_queue_url(QueueName=runtime.queue.name)["QueueUrl"]
    deployed.cloud.client("sqs").send_message(QueueUrl=url, MessageBody="work")

    formation.delete_stack(StackName="gone")
    formation.get_waiter("stack_delete_complete").wait(
        StackName="gone", WaiterConfig={"Delay": 0.1, "MaxAttempts": 100}
    )

    assert deployed.cloud.client("sqs").receive_message(QueueUrl=url)["Messages"][0]["Body"] == "work"
    deployed.cloud.client("s3").head_bucket(Bucket=runtime.output_bucket)
    topics = [item["TopicArn"] for item in deployed.cloud.client("sns").list_topics()["Topics"]]
    assert deployed.solution.requests_topic_arn not in topics


def test_a_stack_that_failed_to_come_up_can_be_made_anew(api_emulator: Emulator, solve: Solve) -> None:
    solution = solve("minimal", stackName="broken")
    cloud, template = Cloud(api_emulator, solution), stack.files(solution)["stack.yaml"]
    beyond = template.replace("VisibilityTimeout: 1860", "VisibilityTimeout: 99999")
    with pytest.raises(LocalError):
        cloud.create({"broken": beyond})
    cloud.client("cloudformation").delete_stack(StackName="broken")
    cloud.client("s3").delete_object(Bucket="broken-template", Key="broken")
    cloud.client("s3").delete_bucket(Bucket="broken-template")

    assert "ApiUrl" in cloud.create({"broken": template})


def depth(cloud: Cloud, name: str) -> int:
    runtime = next(item for item in cloud.solution.runtimes if item.name == name)
    return cloud.depth(runtime).waiting


def test_the_requests_topic_may_fill_the_queue(strict: Cloud) -> None:
    before = depth(strict, "sdxl-turbo")

    strict.client("sns").publish(
        TopicArn=strict.solution.requests_topic_arn, Message="{}", MessageAttributes={"runtime": MESSAGE}
    )

    assert depth(strict, "sdxl-turbo") == before + 1


def test_another_topic_may_not_fill_the_queue(strict: Cloud) -> None:
    sns, [runtime, *_] = strict.client("sns"), strict.solution.runtimes
    other_topic = sns.create_topic(Name="other")["TopicArn"]
    sns.subscribe(TopicArn=other_topic, Protocol="sqs", Endpoint=runtime.queue.arn)
    before = depth(strict, runtime.name)

    sns.publish(TopicArn=other_topic, Message="{}")

    assert depth(strict, runtime.name) == before


def test_another_account_may_not_fill_the_queue(strict: Cloud) -> None:
    stranger = boto3.client(
        "sqs",
        endpoint_url=strict.emulator.url,
        region_name=REGION,
        aws_access_key_id="999999999999",
        aws_secret_access_key="local",
    )
    url = strict.client("sqs").get_queue_url(QueueName=strict.solution.runtimes[0].queue.name)["QueueUrl"]

    with pytest.raises(stranger.exceptions.ClientError, match="AccessDenied"):
        stranger.send_message(QueueUrl=url, MessageBody="{}")


def test_the_pods_of_a_runtime_may_do_their_work_and_nothing_with_another_runtime(strict: Cloud) -> None:
    runtime, other_runtime, *_ = strict.solution.runtimes
    session = as_role(strict, "pod", roles.runtime(strict.solution, runtime))
    sqs, s3, sns = (
        session.client(service, endpoint_url=strict.emulator.url) for service in ("sqs", "s3", "sns")
    )
    urls = {
        name: strict.client("sqs").get_queue_url(QueueName=name)["QueueUrl"]
        for name in (runtime.queue.name, runtime.dead_letter_queue.name, other_runtime.queue.name)
    }

    sqs.receive_message(QueueUrl=urls[runtime.queue.name])
    sqs.get_queue_attributes(QueueUrl=urls[runtime.queue.name], AttributeNames=["All"])
    sqs.send_message(QueueUrl=urls[runtime.dead_letter_queue.name], MessageBody="set aside")
    s3.put_object(Bucket=runtime.output_bucket, Key=".tasks/a/claim.json", Body=b"{}", IfNoneMatch="*")
    etag = s3.get_object(Bucket=runtime.output_bucket, Key=".tasks/a/claim.json")["ETag"]
    s3.put_object(Bucket=runtime.output_bucket, Key=".tasks/a/claim.json", Body=b"{}", IfMatch=etag)
    with pytest.raises(s3.exceptions.NoSuchKey):
        s3.get_object(Bucket=runtime.output_bucket, Key="a/result.json")
    sns.publish(TopicArn=strict.solution.results_topic_arn, Message="{}")

    forbidden: dict[str, Callable[[], Any]] = {
        "take another's tasks": lambda: sqs.receive_message(QueueUrl=urls[other_runtime.queue.name]),
        "make tasks": lambda: sqs.send_message(QueueUrl=urls[runtime.queue.name], MessageBody="{}"),
        "publish tasks": lambda: sns.publish(TopicArn=strict.solution.requests_topic_arn, Message="{}"),
        "read another's results": lambda: s3.get_object(
            Bucket=other_runtime.output_bucket, Key="a/result.json"
        ),
        "delete results": lambda: s3.delete_object(Bucket=runtime.output_bucket, Key="a/result.json"),
    }
    assert [action for action, attempt in forbidden.items() if not refused(attempt)] == []


def test_keda_may_count_tasks_and_not_take_them(strict: Cloud) -> None:
    sqs = as_role(strict, "keda", roles.keda_operator(strict.solution)).client(
        "sqs", endpoint_url=strict.emulator.url
    )
    url = strict.client("sqs").get_queue_url(QueueName=strict.solution.runtimes[0].queue.name)["QueueUrl"]

    sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["ApproximateNumberOfMessages"])

    with pytest.raises(sqs.exceptions.ClientError, match="AccessDenied"):
        sqs.receive_message(QueueUrl=url)


def test_the_csi_driver_may_read_models_and_not_write_them(strict: Cloud) -> None:
    bucket = strict.solution.model_bucket
    strict.client("s3").create_bucket(Bucket=bucket)
    strict.client("s3").put_object(Bucket=bucket, Key="m", Body=b"m")
    s3 = as_role(strict, "csi", roles.s3_csi_driver(strict.solution)).client(
        "s3", endpoint_url=strict.emulator.url
    )

    s3.list_objects_v2(Bucket=bucket)
    s3.get_object(Bucket=bucket, Key="m")

    with pytest.raises(s3.exceptions.ClientError, match="AccessDenied"):
        s3.put_object(Bucket=bucket, Key="m", Body=b"x")


def test_the_function_does_its_work_with_its_own_role(strict: Cloud) -> None:
    answer = strict.client("lambda").invoke(
        FunctionName=f"{strict.solution.stack}-api",
        Payload=json.dumps(
            {
                "resource": "/v1alpha2",
                "path": "/v1alpha2",
                "httpMethod": "POST",
                "requestContext": {"identity": {}},
                "body": json.dumps(
                    {
                        "task": {
                            "metadata": {"runtime": "comfyui", "tasktype": "pipeline"},
                            "content": {"1": {"class_type": "SaveImage", "inputs": {}}},
                        }
                    }
                ),
            }
        ).encode(),
    )

    assert json.loads(answer["Payload"].read())["statusCode"] == 200
    assert depth(strict, "comfyui") == 1
