"""One runtime's queue, bucket and topics in the emulator, with runtimes and agents as processes."""

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
from queue_agent.task.protocol import CONTEXT_MAX_BYTES, RECORDS_FOLDER

from local import processes
from local.processes import Child

REGION = "us-east-1"
MAX_ATTEMPTS = 3
PATIENCE = 150.0
"""Seconds that a test waits for what must happen: far more than a busy machine needs."""
# Text of which each character has six bytes in JSON.
LARGEST_CONTEXT = "\u00e9" * ((CONTEXT_MAX_BYTES - 2) // 6)


@dataclass(frozen=True)
class Runtime:
    """A simulated runtime as a process."""

    url: str
    child: Child
    command: tuple[str, ...]

    def report(self) -> dict[str, Any]:
        """The record of its GPU, from `/_simulation/gpu`."""
        return dict(json.loads(self._ask("GET", "/_simulation/gpu")))

    def runs(self, outcome: str = "done") -> list[str]:
        """The ids of the tasks that ended with `outcome`, in order, without the agent's warm-up."""
        return [
            run["id"] for run in self.report()["runs"] if run["outcome"] == outcome and run["id"] != "task"
        ]

    def occurred(self) -> dict[str, int]:
        """How often each fault has occurred since its process was started."""
        return dict(json.loads(self._ask("GET", "/_simulation/faults"))["occurred"])

    def fault(self, kind: str, **rule: object) -> None:
        """Inject a fault (see local/runtimes/shared/faults.py)."""
        self._ask("POST", "/_simulation/faults", {"kind": kind, **rule})

    def clear_faults(self) -> None:
        """Remove all faults."""
        self._ask("DELETE", "/_simulation/faults")

    def _ask(self, method: str, path: str, body: object = None) -> bytes:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(
            self.url + path, data, {"Content-Type": "application/json"}, method=method
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            return bytes(answer.read())


class World:
    """The AWS resources of one runtime in an account of the emulator. The agents call AWS at `endpoint`."""

    def __init__(self, environment: Mapping[str, str], endpoint: str, folder: Path) -> None:
        self._environment = dict(environment)
        self._folder = folder
        self._children: list[Child] = []
        self.endpoint = endpoint
        self.last_sent = ""
        # The message attributes of the last callback of each task.
        self.attributes: dict[str, dict[str, str]] = {}
        sqs, s3, sns = self.sqs, self.s3, self.sns = [self._client(name) for name in ("sqs", "s3", "sns")]
        # As on AWS, bucket names are unique across accounts.
        self.bucket = f"pictures-{self._environment['AWS_ACCESS_KEY_ID']}"
        s3.create_bucket(Bucket=self.bucket)
        self.dead_letter_queue = sqs.create_queue(QueueName="tasks-dead-letter")["QueueUrl"]
        self.callback_queue = sqs.create_queue(QueueName="callbacks")["QueueUrl"]
        redrive = {"deadLetterTargetArn": self._arn(self.dead_letter_queue), "maxReceiveCount": 1000}
        self.queue = sqs.create_queue(
            QueueName="tasks", Attributes={"VisibilityTimeout": "120", "RedrivePolicy": json.dumps(redrive)}
        )["QueueUrl"]
        self.topic = sns.create_topic(Name="results")["TopicArn"]
        sns.subscribe(TopicArn=self.topic, Protocol="sqs", Endpoint=self._arn(self.callback_queue))

    def __enter__(self) -> "World":
        return self

    def __exit__(self, *_: object) -> None:
        processes.stop(self._children, 0.05)

    def runtime(self, *options: str, port: int = 0, kind: str = "sdwebui") -> Runtime:
        """Start a simulated runtime that draws plain pictures, and wait until it listens."""
        command = (sys.executable, "-m", f"local.runtimes.{kind}", "--plain", *options)
        child = self._start("runtime", [*command, "--port", str(port)], os.environ)
        line = wait_for(lambda: _first_line(child))
        return Runtime(json.loads(line)["url"], child, command)

    def restart(self, runtime: Runtime, *options: str) -> Runtime:
        """Start a runtime again on its old port, as a kubelet does; with `--start-delay` it listens later."""
        port = runtime.url.rpartition(":")[2]
        child = self._start("runtime", [*runtime.command, *options, "--port", port], os.environ)
        if not options:
            wait_for(lambda: _first_line(child))
        return Runtime(runtime.url, child, runtime.command)

    def agent(self, runtime: str, *module: str, **changes: object) -> Child:
        """Start an agent for the runtime at this URL; `changes` are environment variables."""
        environment = self.environment(runtime) | {name: str(value) for name, value in changes.items()}
        return self._start("agent", [sys.executable, "-m", *(module or ("queue_agent",))], environment)

    def environment(self, runtime: str) -> dict[str, str]:
        """The environment variables of an agent for the runtime at this URL."""
        return {
            **self._environment,
            "AWS_ENDPOINT_URL": self.endpoint,
            "RUNTIME_NAME": "painter",
            "RUNTIME_TYPE": "sdwebui",
            "RUNTIME_URL": runtime,
            "MODEL_FILENAME": "sd_xl_turbo_1.0.safetensors",
            "SQS_QUEUE_URL": self.queue,
            "DEAD_LETTER_QUEUE_URL": self.dead_letter_queue,
            "S3_BUCKET": self.bucket,
            "SNS_TOPIC_ARN": self.topic,
            "AGENT_HOST": "127.0.0.1",
            "AGENT_PORT": "0",
            "MAX_ATTEMPTS": str(MAX_ATTEMPTS),
            "RECEIVE_WAIT_SECONDS": "1",
        }

    def send(self, ids: Iterable[str], content: Mapping[str, Any] | None = None, **metadata: object) -> None:
        """Send one task for each id; the prompt is the id unless `content` has one."""
        for task_id in ids:
            task = {"id": task_id, "runtime": "painter", "tasktype": "text-to-image", **metadata}
            self.send_body(json.dumps({"metadata": task, "content": {"prompt": task_id, **(content or {})}}))

    def send_body(self, body: str) -> None:
        """Send a message body unchanged."""
        self.sqs.send_message(QueueUrl=self.queue, MessageBody=body)
        self.last_sent = body

    def wait_for_callbacks(
        self, complete: Callable[[list[dict[str, Any]]], bool], seconds: float = PATIENCE
    ) -> list[dict[str, Any]]:
        """Receive callbacks until `complete` holds for all of them. Raises TimeoutError, which lists them."""
        callbacks: list[dict[str, Any]] = []
        end = time.monotonic() + seconds
        while not complete(callbacks):
            if time.monotonic() > end:
                raise TimeoutError(f"received only {callbacks}")
            callbacks += self.receive_callbacks(wait=1)
        return callbacks

    def receive_callbacks(self, wait: int = 0) -> list[dict[str, Any]]:
        """At most ten callbacks; waits `wait` seconds for the first."""
        received = [json.loads(body) for body in self._receive(self.callback_queue, wait)]
        for envelope in received:
            message = json.loads(envelope["Message"])
            attributes = envelope.get("MessageAttributes", {})
            self.attributes[message["id"]] = {name: value["Value"] for name, value in attributes.items()}
        return [json.loads(envelope["Message"]) for envelope in received]

    def callbacks_for(self, ids: Iterable[str], seconds: float = PATIENCE) -> dict[str, dict[str, Any]]:
        """The last callback of each of these tasks, once all have one."""
        expected = set(ids)
        callbacks = self.wait_for_callbacks(
            lambda received: expected <= {callback["id"] for callback in received}, seconds
        )
        return {callback["id"]: callback for callback in callbacks}

    def take_dead_letters(self) -> list[str]:
        """The bodies of all messages in the dead-letter queue, which is empty afterwards."""
        bodies: list[str] = []
        while batch := self._receive(self.dead_letter_queue, wait=0):
            bodies += batch
        return bodies

    def messages_left(self) -> int:
        """How many messages are in the queue, visible or in flight."""
        return self._count("ApproximateNumberOfMessages") + self.messages_in_flight()

    def messages_in_flight(self) -> int:
        """How many messages an agent has received and not deleted."""
        return self._count("ApproximateNumberOfMessagesNotVisible")

    def object(self, key: str) -> dict[str, Any]:
        """A JSON object in the bucket."""
        return dict(json.loads(self.s3.get_object(Bucket=self.bucket, Key=key)["Body"].read()))

    def outputs(self) -> list[str]:
        """All keys in the bucket except the claims."""
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=self.bucket)
        keys = [item["Key"] for page in pages for item in page.get("Contents", [])]
        return [key for key in keys if not key.startswith(f"{RECORDS_FOLDER}/")]

    def _count(self, name: str) -> int:
        attributes = self.sqs.get_queue_attributes(QueueUrl=self.queue, AttributeNames=[name])["Attributes"]
        return int(attributes[name])

    def _receive(self, url: str, wait: int = 1) -> list[str]:
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
        attributes = self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]
        return str(attributes["QueueArn"])


def wait_for(condition: Callable[[], Any], seconds: float = PATIENCE, pause: float = 0.02) -> Any:
    """Call `condition` until its result is true; that result. Raises TimeoutError."""
    end = time.monotonic() + seconds
    while not (result := condition()):
        if time.monotonic() > end:
            raise TimeoutError(f"not within {seconds} s")
        time.sleep(pause)
    return result


def log_records(child: Child) -> list[dict[str, Any]]:
    """The log records of an agent."""
    return [json.loads(line) for line in child.log.read_text().splitlines() if line.startswith("{")]


def port_of(agent: Child, seconds: float = PATIENCE) -> int:
    """The port of the agent's own endpoints, once it listens: the one record that has a `port`.

    Raises TimeoutError when it does not within `seconds`.
    """
    ports = wait_for(lambda: [record["port"] for record in log_records(agent) if "port" in record], seconds)
    return int(ports[0])


def _first_line(child: Child) -> str:
    text = child.log.read_text()
    return text.partition("\n")[0] if text.startswith("{") and "\n" in text else ""
