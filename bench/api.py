"""How long the HTTP API takes, next to a function that only echoes. `python -m bench.api`

Both functions are behind the same gateway, with the same authorizer and key, in the same run: at the rate of
the config, requests go to both in turn, each at its time, whether or not earlier ones were answered. On this
machine gateway, functions, S3 and SNS are the emulator's, so that only the ratio says something. Fails when
the 95th percentile of accepting a task, or of asking for its state, is above twice that of the echo.
"""

import argparse
import io
import json
import statistics
import sys
import time
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from generator.build import stack, stack_layout
from generator.config import document
from generator.solution.context import Context
from local.cloud import Cloud
from local.emulator import Emulator
from sd_on_eks import Client
from testing import solving

ACCOUNT, REGION = "123456789012", "us-east-1"
MAX_RATIO = 2.0
WARM = 8
ECHO = """
def handler(event, context):
    headers = {"Content-Type": "application/json"}
    return {"statusCode": 200, "headers": headers, "body": event.get("body") or "{}"}
"""
TASK = {"prompt": "a lighthouse at dawn", "steps": 20, "width": 512, "height": 512}


@dataclass(frozen=True)
class Sample:
    """Milliseconds of each request of one kind."""

    name: str
    milliseconds: tuple[float, ...]

    @property
    def p95(self) -> float:
        """The 95th percentile."""
        return statistics.quantiles(self.milliseconds, n=20)[-1]

    def __str__(self) -> str:
        middle = statistics.median(self.milliseconds)
        return f"{self.name:<16} p50 {middle:7.1f} ms   p95 {self.p95:7.1f} ms   ({len(self.milliseconds)})"


def main(words: Sequence[str] | None = None) -> int:
    """Measure and print; 1 when a route is above the ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--seconds", type=float, default=20.0, help="length of the run (default: 20)")
    parser.add_argument("--rate", type=float, help="requests in a second (default: APIGW.throttle.rateLimit)")
    args = parser.parse_args(words)
    with Emulator(account=ACCOUNT) as emulator:
        client, echo, rate = _deploy(emulator)
        samples = _measure(client, echo, args.rate or rate, args.seconds)
    baseline, *routes = samples
    print(f"{args.rate or rate:g} requests a second for {args.seconds:g} s")
    print(baseline)
    for route in routes:
        print(f"{route}   {route.p95 / baseline.p95:.2f} × echo")
    slow = [route.name for route in routes if route.p95 > MAX_RATIO * baseline.p95]
    print(f"above {MAX_RATIO:g} ×: {', '.join(slow)}" if slow else f"within {MAX_RATIO:g} ×")
    return 1 if slow else 0


def _deploy(emulator: Emulator) -> tuple[Client, str, float]:
    """A client of the API, the URL of the echo, and the rate of the config."""
    data = document.load(Path("examples/minimal.yaml").read_text("utf-8"), "minimal").data
    solution = solving.solution(data, Context(REGION, ACCOUNT, date(2026, 1, 1)))
    cloud = Cloud(emulator, solution)
    texts = stack.files(solution)
    files = [part.file for part in stack_layout.parts(solution)]
    outputs = cloud.create({stack_layout.stack_name(solution, file): texts[file] for file in files})
    client = cloud.api_client(outputs)
    return client, _add_echo(cloud, client), float(solution.api.rate_limit)


def _add_echo(cloud: Cloud, client: Client) -> str:
    """The URL of a function that echoes, behind the gateway of the API."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("index.py", ECHO)
    functions, gateway = cloud.client("lambda"), cloud.client("apigateway")
    own = functions.get_function(FunctionName=f"{cloud.solution.stack}-api")["Configuration"]
    settings = {name: own[name] for name in ("Runtime", "Role", "Handler", "MemorySize", "Timeout")}
    arn = functions.create_function(
        FunctionName="echo", Code={"ZipFile": packed.getvalue()}, Publish=True, **settings
    )["FunctionArn"]
    api = client.url.split("/restapis/")[1].split("/")[0]
    resources = {entry["path"]: entry for entry in gateway.get_resources(restApiId=api)["items"]}
    there = gateway.get_method(restApiId=api, resourceId=resources["/health"]["id"], httpMethod="ANY")
    made = gateway.create_resource(restApiId=api, parentId=resources["/"]["id"], pathPart="echo")
    place: dict[str, Any] = {"restApiId": api, "resourceId": made["id"], "httpMethod": "ANY"}
    gateway.put_method(
        **place, authorizationType="CUSTOM", authorizerId=there["authorizerId"], apiKeyRequired=True
    )
    uri = f"arn:aws:apigateway:{REGION}:lambda:path/2015-03-31/functions/{arn}/invocations"
    gateway.put_integration(**place, type="AWS_PROXY", integrationHttpMethod="POST", uri=uri)
    gateway.create_deployment(restApiId=api, stageName=cloud.solution.api.stage)
    return f"{client.url}/echo"


def _measure(client: Client, echo: str, rate: float, seconds: float) -> tuple[Sample, Sample, Sample]:
    """The echo, the acceptance of tasks, and the state of tasks."""
    [runtime] = client.runtimes()
    first = client.submit(runtime.name, TASK)
    url = f"{client.url}/v1alpha2"
    calls: dict[str, Callable[[int], float]] = {
        "echo": lambda n: _timed(client, echo, _body(runtime.name, f"echo-{n}")),
        "POST task": lambda n: _timed(client, url, _body(runtime.name, f"bench-{n}")),
        "GET task": lambda _: _timed(client, f"{url}/{runtime.name}/{first.id}", None),
    }
    for call in calls.values():  # so many instances of the functions have started
        with ThreadPoolExecutor(WARM) as pool:
            list(pool.map(call, range(-4 * WARM, 0)))
    samples: dict[str, list[float]] = {name: [] for name in calls}
    names, count, began = list(calls), int(rate * seconds), time.monotonic()
    with ThreadPoolExecutor(64) as pool:
        running = []
        for n in range(count):
            name = names[n % len(names)]
            time.sleep(max(0.0, began + n / rate - time.monotonic()))
            running.append((name, pool.submit(calls[name], n)))
        for name, future in running:
            samples[name].append(future.result())
    echoes, posts, gets = (Sample(name, tuple(values)) for name, values in samples.items())
    return echoes, posts, gets


def _body(runtime: str, task_id: str) -> bytes:
    metadata = {"id": task_id, "runtime": runtime, "tasktype": "text-to-image"}
    return json.dumps({"task": {"metadata": metadata, "content": TASK}}).encode()


def _timed(client: Client, url: str, body: bytes | None) -> float:
    """Milliseconds of one request on a new connection; it must succeed."""
    headers = {"x-api-key": client.key, "content-type": "application/json"}
    request = urllib.request.Request(url, body, headers)
    began = time.monotonic()
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            answer.read()
    except urllib.error.HTTPError as error:
        raise RuntimeError(f"{url} answered {error.code}: {error.read()[:300]!r}") from error
    return 1000 * (time.monotonic() - began)


if __name__ == "__main__":
    sys.exit(main())
