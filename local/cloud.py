"""The emulated AWS account: the generated stack in it, its front door, its queues."""

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import boto3
import yaml
from botocore.config import Config
from botocore.exceptions import ClientError, WaiterError

from generator.client import ApiClient
from generator.solution.model import Runtime, Solution
from local.emulator import Emulator
from local.processes import LocalError
from local.progress import Depth

CALLBACKS = "callbacks"


class Cloud:
    """One account of the emulator, seen as the person who deploys and as the client who is called back."""

    def __init__(self, emulator: Emulator, solution: Solution) -> None:
        self.emulator, self.solution = emulator, solution
        self._clients: dict[str, Any] = {}

    def client(self, service: str) -> Any:
        """A client of the emulator."""
        if service not in self._clients:
            self._clients[service] = boto3.client(
                service,
                endpoint_url=self.emulator.url,
                region_name=self.solution.region,
                aws_access_key_id=self.solution.account,
                aws_secret_access_key="local",  # noqa: S106 (the emulator takes any)
                config=Config(retries={"mode": "standard"}, proxies={}),
            )
        return self._clients[service]

    def create(self, stacks: Mapping[str, str]) -> dict[str, str]:
        """Create CloudFormation stacks, template by name, in their order; the outputs of all."""
        outputs: dict[str, str] = {}
        for name, template in stacks.items():
            outputs |= self._create(name, creatable(template))
        return outputs

    def _create(self, name: str, template: str) -> dict[str, str]:
        formation, s3, bucket = self.client("cloudformation"), self.client("s3"), f"{name}-template"
        place = {"LocationConstraint": self.solution.region}
        where = {} if self.solution.region == "us-east-1" else {"CreateBucketConfiguration": place}
        # CloudFormation takes 51,200 bytes in a call; a larger template comes from a bucket.
        s3.create_bucket(Bucket=bucket, **where)
        s3.put_object(Bucket=bucket, Key=name, Body=template.encode())
        url = f"{self.emulator.url}/{bucket}/{name}"
        try:
            formation.create_stack(StackName=name, TemplateURL=url, Capabilities=["CAPABILITY_NAMED_IAM"])
            pace = {"Delay": 0.1, "MaxAttempts": 300}
            formation.get_waiter("stack_create_complete").wait(StackName=name, WaiterConfig=pace)
        except (ClientError, WaiterError) as error:
            help = "see the emulator's log for what it does not take"
            raise LocalError(f"the stack {name} was not created: {error}", help, self.emulator.log) from error
        outputs = formation.describe_stacks(StackName=name)["Stacks"][0].get("Outputs", [])
        return {each["OutputKey"]: each["OutputValue"] for each in outputs}

    def front_door(self, outputs: Mapping[str, str]) -> ApiClient:
        """The HTTP API: where the emulator serves it, and its key."""
        key = self.client("apigateway").get_api_key(apiKey=outputs["ApiKeyId"], includeValue=True)["value"]
        return ApiClient(api_url(self.emulator.url, outputs["ApiUrl"]), key)

    def hear_callbacks(self) -> str:
        """Subscribe a queue to the results topic, as an application would; the queue's URL."""
        sqs, stack = self.client("sqs"), self.solution.stack
        url: str = sqs.create_queue(QueueName=f"{stack}-{CALLBACKS}")["QueueUrl"]
        arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        allow = {
            "Effect": "Allow",
            "Principal": {"Service": "sns.amazonaws.com"},
            "Action": "sqs:SendMessage",
            "Resource": arn,
            "Condition": {"ArnEquals": {"aws:SourceArn": self.solution.results_topic_arn}},
        }
        policy = json.dumps({"Version": "2012-10-17", "Statement": [allow]})
        sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})
        self.client("sns").subscribe(
            TopicArn=self.solution.results_topic_arn,
            Protocol="sqs",
            Endpoint=arn,
            Attributes={"RawMessageDelivery": "true"},
        )
        return url

    def callbacks(self, queue: str, seconds: int) -> list[Mapping[str, Any]]:
        """What the results topic said since we last asked; waits up to `seconds` for the first."""
        sqs = self.client("sqs")
        messages = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10, WaitTimeSeconds=seconds).get(
            "Messages", []
        )
        for message in messages:
            sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
        return [json.loads(message["Body"]) for message in messages]

    def depth(self, runtime: Runtime) -> Depth:
        """How long a runtime's queue is."""
        sqs = self.client("sqs")
        url = sqs.get_queue_url(QueueName=runtime.queue_name)["QueueUrl"]
        waiting, running = "ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"
        found = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=[waiting, running])["Attributes"]
        return Depth(int(found[waiting]), int(found[running]))


def api_url(endpoint: str, url: str) -> str:
    """Where the emulator serves the API that AWS would serve at `url` (https://{id}.execute-api…/{stage})."""
    place = urlsplit(url)
    api, stage = (place.hostname or "").partition(".")[0], place.path.strip("/")
    return f"{endpoint}/restapis/{api}/{stage}/_user_request_"


def creatable(template: str) -> str:
    """The template without what the emulator refuses: alarms on an expression of several metrics."""
    document = yaml.load(template, yaml.CSafeLoader)
    resources = document["Resources"].items()
    kept = {name: each for name, each in resources if "Metrics" not in each.get("Properties", {})}
    return json.dumps({**document, "Resources": kept})
