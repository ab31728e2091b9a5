"""The stack of an example in the emulator, and its HTTP API as a client meets it."""

import json
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from generator.build import stack, stack_layout
from generator.config import document
from generator.solution.context import Context
from generator.solution.model import Solution
from local.cloud import Cloud
from local.emulator import Emulator
from sd_on_eks import Client
from testing import solving

ROOT = Path(__file__).resolve().parents[2]
ACCOUNT, REGION = "123456789012", "us-east-1"
Solve = Callable[..., Solution]


@dataclass(frozen=True)
class Reply:
    """What the API answered."""

    status: int
    headers: dict[str, str]
    body: Any

    @property
    def fields(self) -> list[str]:
        """The fields that a problem document names."""
        return [error["field"] for error in self.body["errors"]]


@dataclass(frozen=True)
class Deployed:
    """A solution's stacks in the emulator."""

    solution: Solution
    cloud: Cloud
    outputs: dict[str, str]
    door: Client

    def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        key: str | None = "",
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        """One request; a body of bytes is sent as it is, an empty key is the right one."""
        data = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        named = {"content-type": "application/json", "x-api-key": self.door.key if key == "" else key}
        sent = {name: value for name, value in {**named, **(headers or {})}.items() if value is not None}
        request = urllib.request.Request(self.door.url + path, data=data, method=method, headers=sent)
        try:
            answer = urllib.request.urlopen(request, timeout=30)
        except urllib.error.HTTPError as refusal:
            answer = refusal
        with answer:
            named = {name.lower(): value for name, value in answer.headers.items()}
            return Reply(answer.status, named, json.loads(answer.read()))

    def submit(self, task: str, runtime: str = "sdxl-turbo", **content: Any) -> Reply:
        """Send a text-to-image task that is right."""
        metadata = {"id": task, "runtime": runtime, "tasktype": "text-to-image", "prefix": "out"}
        return self.call(
            "POST", "/v1alpha2", {"task": {"metadata": metadata, "content": content or {"prompt": "x"}}}
        )

    def messages(self, runtime: str) -> list[dict[str, Any]]:
        """Takes what is in a runtime's queue: all that tests before left too."""
        sqs = self.cloud.client("sqs")
        name = next(entry.queue.name for entry in self.solution.runtimes if entry.name == runtime)
        url, messages = sqs.get_queue_url(QueueName=name)["QueueUrl"], []
        while batch := sqs.receive_message(
            QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=0, MessageAttributeNames=["All"]
        ).get("Messages"):
            for message in batch:
                sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
                messages.append(
                    {"attributes": message.get("MessageAttributes", {}), **json.loads(message["Body"])}
                )
        return messages

    def read(self, runtime: str, key: str) -> Any:
        """The JSON object that an agent would read."""
        bucket = next(entry.output_bucket for entry in self.solution.runtimes if entry.name == runtime)
        return json.loads(self.cloud.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read())

    def write(self, runtime: str, key: str, value: Any) -> None:
        """Put an object where an agent would put it."""
        bucket = next(entry.output_bucket for entry in self.solution.runtimes if entry.name == runtime)
        self.cloud.client("s3").put_object(Bucket=bucket, Key=key, Body=json.dumps(value).encode())


@pytest.fixture(scope="session")
def solve() -> Solve:
    """`solve("three-runtimes", tags=…)`: an example with changes, in the emulator's account."""

    def solve(example: str, **changes: Any) -> Solution:
        text = (ROOT / "examples" / f"{example}.yaml").read_text("utf-8")
        data = {**document.load(text, example).data, **changes}
        return solving.solution(data, Context(REGION, ACCOUNT, date(2026, 1, 1)))

    return solve


@pytest.fixture(scope="session")
def api_emulator() -> Iterator[Emulator]:
    """An emulator whose unsigned calls, as those to an HTTP API are, belong to our account."""
    with Emulator(account=ACCOUNT) as running:
        yield running


def deploy(emulator: Emulator, solution: Solution) -> Deployed:
    """Create a solution's stacks."""
    cloud = Cloud(emulator, solution)
    texts = stack.files(solution)
    files = [part.file for part in stack_layout.parts(solution)]
    outputs = cloud.create({stack_layout.stack_name(solution, file): texts[file] for file in files})
    return Deployed(solution, cloud, outputs, cloud.api_client(outputs))


@pytest.fixture(scope="session")
def api(api_emulator: Emulator, solve: Solve) -> Deployed:
    """The API of an example with one runtime of each kind, and room for as many requests as tests send."""
    gateway = {"stageName": "prod", "throttle": {"rateLimit": 10_000, "burstLimit": 5_000}}
    return deploy(api_emulator, solve("three-runtimes", APIGW=gateway))
