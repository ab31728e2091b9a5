"""The emulated AWS account: the generated stacks, the HTTP API, the queues."""

import json
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import urlsplit

import boto3
import yaml
from botocore.config import Config
from botocore.exceptions import ClientError, WaiterError

from generator.solution.model import Runtime, Solution
from local.emulator import SECRET_KEY, Emulator
from local.processes import LocalError
from local.progress import QueueDepth
from sd_on_eks import Client

CALLBACKS = "callbacks"


class Cloud:
    """One account of the emulator, as used by the deployer and by an application that receives callbacks."""

    def __init__(self, emulator: Emulator, solution: Solution) -> None:
        self.emulator, self.solution = emulator, solution
        self._clients: dict[str, Any] = {}

    def client(self, service: str) -> Any:
        """A boto3 client for the emulator."""
        if service not in self._clients:
            self._clients[service] = boto3.client(
                service,
                endpoint_url=self.emulator.url,
                region_name=self.solution.region,
                aws_access_key_id=self.solution.account,
                aws_secret_access_key=SECRET_KEY,
                config=Config(retries={"mode": "standard"}, proxies={}),
            )
        return self._clients[service]

    def create(self, stacks: Mapping[str, str]) -> dict[str, str]:
        """Create CloudFormation stacks (templates by stack name) in this order; all their outputs."""
        outputs: dict[str, str] = {}
        for name, template in stacks.items():
            outputs |= self._create(name, for_emulator(template))
        return outputs

    def _create(self, name: str, template: str) -> dict[str, str]:
        formation, s3, bucket = self.client("cloudformation"), self.client("s3"), f"{name}-template"
        # CloudFormation accepts 51,200 bytes in a call; a larger template is read from a bucket.
        self._create_bucket(bucket)
        s3.put_object(Bucket=bucket, Key=name, Body=template.encode())
        url = f"{self.emulator.url}/{bucket}/{name}"
        try:
            formation.create_stack(StackName=name, TemplateURL=url, Capabilities=["CAPABILITY_NAMED_IAM"])
            polling = {"Delay": 0.1, "MaxAttempts": 300}
            formation.get_waiter("stack_create_complete").wait(StackName=name, WaiterConfig=polling)
        except (ClientError, WaiterError) as error:
            help = "read the emulator's log for the resource that failed"
            raise LocalError(f"the stack {name} was not created: {error}", help, self.emulator.log) from error
        outputs = formation.describe_stacks(StackName=name)["Stacks"][0].get("Outputs", [])
        return {output["OutputKey"]: output["OutputValue"] for output in outputs}

    def api_client(self, outputs: Mapping[str, str]) -> Client:
        """A client of the HTTP API of a stack with these outputs."""
        gateway, url = self.client("apigateway"), api_url(self.emulator.url, outputs["ApiUrl"])
        key = gateway.get_api_key(apiKey=outputs["ApiKeyId"], includeValue=True)["value"]
        # On AWS the path begins with the stage. Links that the API gives must have the emulator's path.
        _, _, api, stage, _ = urlsplit(url).path.split("/")
        prefix = {"op": "replace", "path": "/variables/linkPrefix", "value": urlsplit(url).path}
        gateway.update_stage(restApiId=api, stageName=stage, patchOperations=[prefix])
        return Client(url, key)

    def name_models(self, models: Mapping[str, Iterable[str]]) -> None:
        """Name the models of each runtime in its bucket: the API lists them there, nobody reads them."""
        s3 = self.client("s3")
        for runtime in self.solution.runtimes:
            bucket = runtime.models.bucket
            if bucket not in {entry["Name"] for entry in s3.list_buckets()["Buckets"]}:
                self._create_bucket(bucket)
            for name in models[runtime.name]:
                s3.put_object(Bucket=bucket, Key=runtime.models.prefix + name, Body=b"")

    def _create_bucket(self, bucket: str) -> None:
        region = self.solution.region
        # us-east-1 is not a valid location constraint: it is the default.
        location = {"CreateBucketConfiguration": {"LocationConstraint": region}}
        self.client("s3").create_bucket(Bucket=bucket, **({} if region == "us-east-1" else location))

    def subscribe_to_results(self) -> str:
        """Subscribe a queue to the results topic, as an application does; the URL of the queue."""
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

    def receive_callbacks(self, queue: str, seconds: int) -> list[Mapping[str, Any]]:
        """At most ten callbacks from the queue, which are deleted; waits up to `seconds` for the first."""
        sqs = self.client("sqs")
        messages = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10, WaitTimeSeconds=seconds).get(
            "Messages", []
        )
        for message in messages:
            sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
        return [json.loads(message["Body"]) for message in messages]

    def depth(self, runtime: Runtime) -> QueueDepth:
        """The depth of a runtime's queues of tasks."""
        depths = [self._depth(queue.name) for queue in runtime.task_queues]
        return QueueDepth(sum(one.waiting for one in depths), sum(one.running for one in depths))

    def _depth(self, name: str) -> QueueDepth:
        sqs = self.client("sqs")
        url = sqs.get_queue_url(QueueName=name)["QueueUrl"]
        waiting, running = "ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"
        attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=[waiting, running])["Attributes"]
        return QueueDepth(int(attributes[waiting]), int(attributes[running]))


def api_url(endpoint: str, url: str) -> str:
    """The emulator's URL of the API that AWS serves at `url` (https://{id}.execute-api…/{stage})."""
    parts = urlsplit(url)
    api, stage = (parts.hostname or "").partition(".")[0], parts.path.strip("/")
    return f"{endpoint}/restapis/{api}/{stage}/_user_request_"


def for_emulator(template: str) -> str:
    """The template as JSON, without the resources that the emulator refuses: alarms on metric math.

    Its functions also accept webhooks on this machine, by http.
    """
    document = yaml.load(template, yaml.CSafeLoader)
    resources = document["Resources"].items()
    supported = {
        name: resource for name, resource in resources if "Metrics" not in resource.get("Properties", {})
    }
    for resource in supported.values():
        if resource["Type"] == "AWS::Lambda::Function":
            variables = resource["Properties"].setdefault("Environment", {}).setdefault("Variables", {})
            variables["LOCAL_WEBHOOKS"] = "true"
    return json.dumps({**document, "Resources": supported})
