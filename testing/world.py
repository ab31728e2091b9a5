"""A small AWS with one runtime's queue, bucket and topics, and agents as processes: for benches and tests."""

import json
import os
import sys
import time
import urllib.request
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3

from local import processes
from local.processes import Child

REGION = "us-east-1"
MAX_ATTEMPTS = 3


@dataclass(frozen=True)
class Runtime:
    """A simulated runtime as a process."""

    url: str
    child: Child
    command: tuple[str, ...]

    def report(self) -> dict[str, Any]:
        """What its GPU did."""
        return dict(json.loads(self._ask("GET", "/_simulation/gpu")))

    def runs(self, outcome: str = "done") -> list[str]:
        """The tasks that it ran and that ended so, in order; its own warm-up is none."""
        return [
            run["id"] for run in self.report()["runs"] if run["outcome"] == outcome and run["id"] != "task"
        ]

    def fault(self, kind: str, **rule: object) -> None:
        """Arm a fault."""
        self._ask("POST", "/_simulation/faults", {"kind": kind, **rule})

    def mend(self) -> None:
        """Disarm all faults."""
        self._ask("DELETE", "/_simulation/faults")

    def _ask(self, method: str, path: str, body: object = None) -> bytes:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(
            self.url + path, data, {"Content-Type": "application/json"}, method=method
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            return bytes(answer.read())


class World:
    """One account of the emulator with what one runtime has on AWS. `endpoint` is what the agents talk to."""

    def __init__(
        self, environment: Mapping[str, str], endpoint: str, folder: Path, attempts: int = MAX_ATTEMPTS
    ) -> None:
        self._environment = dict(environment)
        self._folder = folder
        self._children: list[Child] = []
        self.endpoint = endpoint
        self.last_sent = ""
        sqs, s3, sns = self.sqs, self.s3, self.sns = [self._client(each) for each in ("sqs", "s3", "sns")]
        self.bucket = (
            f"pictures-{self._environment['AWS_ACCESS_KEY_ID']}"  # as on AWS, the name is nobody else's
        )
        s3.create_bucket(Bucket=self.bucket)
        self.dead_letters = sqs.create_queue(QueueName="tasks-dead-letter")["QueueUrl"]
        self.callbacks = sqs.create_queue(QueueName="callbacks")["QueueUrl"]
        redrive = {"deadLetterTargetArn": self._arn(self.dead_letters), "maxReceiveCount": attempts + 3}
        self.queue = sqs.create_queue(
            QueueName="tasks", Attributes={"VisibilityTimeout": "120", "RedrivePolicy": json.dumps(redrive)}
        )["QueueUrl"]
        self.topic = sns.create_topic(Name="results")["TopicArn"]
        sns.subscribe(TopicArn=self.topic, Protocol="sqs", Endpoint=self._arn(self.callbacks))

    def __enter__(self) -> "World":
        return self

    def __exit__(self, *_: object) -> None:
        processes.stop(self._children, 0.05)

    def runtime(self, *options: str, port: int = 0) -> Runtime:
        """Start a simulated SD WebUI that draws plain pictures, and wait until it listens."""
        command = (sys.executable, "-m", "local.runtimes.sdwebui", "--plain", *options)
        child = self._start("runtime", [*command, "--port", str(port)], os.environ)
        line = wait_for(lambda: _first_line(child), 20)
        return Runtime(json.loads(line)["url"], child, command)

    def restart(self, runtime: Runtime, *options: str) -> Runtime:
        """Start it again where it was, as the kubelet does; with `--start-delay` it listens later."""
        port = runtime.url.rpartition(":")[2]
        child = self._start("runtime", [*runtime.command, *options, "--port", port], os.environ)
        if not options:
            wait_for(lambda: _first_line(child))
        return Runtime(runtime.url, child, runtime.command)

    def agent(self, runtime: str, *module: str, **changes: object) -> Child:
        """Start an agent for the runtime at this URL, with times that suit a test."""
        environment = self.environment(runtime) | {name: str(value) for name, value in changes.items()}
        return self._start("agent", [sys.executable, "-m", *(module or ("queue_agent",))], environment)

    def environment(self, runtime: str) -> dict[str, str]:
        """What such an agent is told."""
        return {
            **self._environment,
            "AWS_ENDPOINT_URL": self.endpoint,
            "RUNTIME_NAME": "painter",
            "RUNTIME_TYPE": "sdwebui",
            "RUNTIME_URL": runtime,
            "MODEL_FILENAME": "sd_xl_turbo_1.0.safetensors",
            "SQS_QUEUE_URL": self.queue,
            "DEAD_LETTER_QUEUE_URL": self.dead_letters,
            "S3_BUCKET": self.bucket,
            "SNS_TOPIC_ARN": self.topic,
            "AGENT_HOST": "127.0.0.1",
            "AGENT_PORT": "0",
            "MAX_ATTEMPTS": str(MAX_ATTEMPTS),
            "RECEIVE_WAIT_SECONDS": "1",
        }

    def send(self, ids: Iterable[str], content: Mapping[str, Any] | None = None, **metadata: object) -> None:
        """Send tasks."""
        for each in ids:
            told = {"id": each, "runtime": "painter", "tasktype": "text-to-image", **metadata}
            self.send_body(json.dumps({"metadata": told, "content": {"prompt": each, **(content or {})}}))

    def send_body(self, body: str) -> None:
        """Send a message as it is."""
        self.sqs.send_message(QueueUrl=self.queue, MessageBody=body)
        self.last_sent = body

    def hear(
        self, until: Callable[[list[dict[str, Any]]], bool], seconds: float = 20
    ) -> list[dict[str, Any]]:
        """Callbacks as they come, until they are as wanted. Raises TimeoutError with those that came."""
        heard: list[dict[str, Any]] = []
        end = time.monotonic() + seconds
        while not until(heard):
            if time.monotonic() > end:
                raise TimeoutError(f"heard only {heard}")
            heard += self.callbacks_now(wait=1)
        return heard

    def callbacks_now(self, wait: int = 0) -> list[dict[str, Any]]:
        """Callbacks that have come, at most ten; waits so many seconds for the first."""
        return [json.loads(json.loads(body)["Message"]) for body in self._take(self.callbacks, wait)]

    def hear_of(self, ids: Iterable[str], seconds: float = 20) -> dict[str, dict[str, Any]]:
        """The last callback for each of these tasks."""
        wanted = set(ids)
        heard = self.hear(lambda all_: wanted <= {each["id"] for each in all_}, seconds)
        return {each["id"]: each for each in heard}

    def set_aside(self) -> list[str]:
        """The bodies in the dead-letter queue, which are taken out."""
        bodies: list[str] = []
        while found := self._take(self.dead_letters, wait=0):
            bodies += found
        return bodies

    def left(self) -> int:
        """Messages in the queue, hidden ones too."""
        return self._count("ApproximateNumberOfMessages") + self.taken()

    def taken(self) -> int:
        """Messages that some agent has."""
        return self._count("ApproximateNumberOfMessagesNotVisible")

    def object(self, key: str) -> dict[str, Any]:
        """A JSON object in the bucket."""
        return dict(json.loads(self.s3.get_object(Bucket=self.bucket, Key=key)["Body"].read()))

    def outputs(self) -> list[str]:
        """Everything in the bucket but the claims."""
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=self.bucket)
        found = [each["Key"] for page in pages for each in page.get("Contents", [])]
        return [key for key in found if not key.startswith(".tasks/")]

    def _count(self, name: str) -> int:
        told = self.sqs.get_queue_attributes(QueueUrl=self.queue, AttributeNames=[name])
        return int(told["Attributes"][name])

    def _take(self, url: str, wait: int = 1) -> list[str]:
        answer = self.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=wait)
        messages = answer.get("Messages", [])
        for message in messages:
            self.sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return [message["Body"] for message in messages]

    def _start(self, name: str, command: list[str], environment: Mapping[str, str]) -> Child:
        name = f"{name}-{len(self._children)}"
        child = processes.start(name, command, environment, self._folder)
        self._children.append(child)
        return child

    def _client(self, service: str) -> Any:
        return boto3.client(
            service,
            endpoint_url=self._environment["AWS_ENDPOINT_URL"],
            region_name=REGION,
            aws_access_key_id=self._environment["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=self._environment["AWS_SECRET_ACCESS_KEY"],
        )

    def _arn(self, url: str) -> str:
        told = self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
        return str(told["Attributes"]["QueueArn"])


def wait_for(true: Callable[[], Any], seconds: float = 15, pause: float = 0.02) -> Any:
    """What `true` returns once that counts as true. Raises TimeoutError."""
    end = time.monotonic() + seconds
    while not (found := true()):
        if time.monotonic() > end:
            raise TimeoutError(f"not within {seconds} s")
        time.sleep(pause)
    return found


def lines(child: Child) -> list[dict[str, Any]]:
    """The log of an agent."""
    return [json.loads(line) for line in child.log.read_text().splitlines() if line.startswith("{")]


def port_of(agent: Child) -> int:
    """Where its endpoints are, once it listens."""
    found = wait_for(lambda: [line["port"] for line in lines(agent) if line["event"] == "the agent listens"])
    return int(found[0])


def _first_line(child: Child) -> str:
    text = child.log.read_text()
    return text.partition("\n")[0] if text.startswith("{") and "\n" in text else ""
