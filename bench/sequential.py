"""The baseline: receive, run, upload, publish and delete in sequence. `python -m bench.sequential`.

With `--bare` it receives all messages first, then only runs the tasks and decodes their pictures: the upper
bound without AWS. It posts each task as soon as the response to the one before begins, on a connection that
is open already.
"""

import base64
import json
import os
import sys
import time
import urllib.request
from http.client import HTTPConnection, HTTPResponse
from typing import Any
from urllib.parse import urlsplit

import boto3

TXT2IMG = "/sdapi/v1/txt2img"
HEADERS = {"Content-Type": "application/json"}


def main() -> None:
    """Process tasks until the process is stopped; configured by the environment variables of the agent."""
    sqs, s3, sns = (boto3.client(service) for service in ("sqs", "s3", "sns"))
    queue, bucket, topic = (os.environ[name] for name in ("SQS_QUEUE_URL", "S3_BUCKET", "SNS_TOPIC_ARN"))
    while True:
        answer = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=1, WaitTimeSeconds=1)
        for message in answer.get("Messages", []):
            task = json.loads(message["Body"])
            name = task["metadata"]["id"]
            response = run({**task["content"], "force_task_id": name})
            urls = []
            for n, image in enumerate(response["images"], 1):
                key = f"{name}/{name}-{n}.png"
                s3.put_object(Bucket=bucket, Key=key, Body=base64.b64decode(image))
                urls.append(f"s3://{bucket}/{key}")
            s3.put_object(Bucket=bucket, Key=f"{name}/{name}.out", Body=json.dumps(response["info"]).encode())
            callback = {"id": name, "result": True, "status": "completed", "image_url": urls}
            sns.publish(TopicArn=topic, Message=json.dumps(callback))
            sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])


def bare() -> None:
    """Receive all messages, then run the tasks one by one."""
    sqs, queue = boto3.client("sqs"), os.environ["SQS_QUEUE_URL"]
    tasks: list[dict[str, object]] = []
    while True:
        answer = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10, WaitTimeSeconds=1)
        messages = [json.loads(message["Body"]) for message in answer.get("Messages", [])]
        tasks += [{**task["content"], "force_task_id": task["metadata"]["id"]} for task in messages]
        if tasks and not messages:
            break
    place = urlsplit(os.environ["RUNTIME_URL"])
    # The response to a task is read on the one while the next task runs on the other.
    connections = [HTTPConnection(place.hostname or "", place.port or 80) for _ in range(2)]
    for connection in connections:
        connection.connect()
    unread: HTTPResponse | None = None
    for n, content in enumerate(tasks):
        connection = connections[n % 2]
        connection.request("POST", TXT2IMG, json.dumps(content).encode(), HEADERS)
        if unread is not None:
            decode(unread)
        unread = connection.getresponse()
    if unread is not None:
        decode(unread)
    time.sleep(3600)


def decode(response: HTTPResponse) -> None:
    """Read a response and decode its pictures."""
    for image in json.load(response)["images"]:
        base64.b64decode(image)


def run(content: dict[str, Any]) -> dict[str, Any]:
    """Generate pictures; the response of the runtime."""
    request = urllib.request.Request(
        os.environ["RUNTIME_URL"] + TXT2IMG, json.dumps(content).encode(), HEADERS
    )
    with urllib.request.urlopen(request, timeout=600) as answer:
        return dict(json.load(answer))


if __name__ == "__main__":
    bare() if "--bare" in sys.argv else main()
