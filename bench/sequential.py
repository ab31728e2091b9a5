"""The baseline: receive, run, upload, publish, delete, one after the other. `python -m bench.sequential`.

With `--bare` it takes all messages first and then only runs them: what a GPU could do if there were no AWS.
"""

import base64
import json
import os
import sys
import time
import urllib.request

import boto3


def main() -> None:
    """Run for ever, told by the same environment as the agent."""
    sqs, s3, sns = (boto3.client(service) for service in ("sqs", "s3", "sns"))
    queue, bucket, topic = (os.environ[name] for name in ("SQS_QUEUE_URL", "S3_BUCKET", "SNS_TOPIC_ARN"))
    while True:
        answer = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=1, WaitTimeSeconds=1)
        for message in answer.get("Messages", []):
            task = json.loads(message["Body"])
            name = task["metadata"]["id"]
            made = run({**task["content"], "force_task_id": name})
            urls = []
            for n, image in enumerate(made["images"], 1):
                key = f"{name}/{name}-{n}.png"
                s3.put_object(Bucket=bucket, Key=key, Body=base64.b64decode(image))
                urls.append(f"s3://{bucket}/{key}")
            s3.put_object(Bucket=bucket, Key=f"{name}/{name}.out", Body=json.dumps(made["info"]).encode())
            told = {"id": name, "result": True, "status": "completed", "image_url": urls}
            sns.publish(TopicArn=topic, Message=json.dumps(told))
            sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])


def bare() -> None:
    """Take every message, then post one after the other."""
    sqs, queue = boto3.client("sqs"), os.environ["SQS_QUEUE_URL"]
    tasks: list[dict[str, object]] = []
    while True:
        answer = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10, WaitTimeSeconds=1)
        messages = [json.loads(each["Body"]) for each in answer.get("Messages", [])]
        tasks += [{**each["content"], "force_task_id": each["metadata"]["id"]} for each in messages]
        if tasks and not messages:
            break
    for content in tasks:
        run(content)
    time.sleep(3600)


def run(content: dict[str, object]) -> dict[str, object]:
    """One generation."""
    request = urllib.request.Request(
        os.environ["RUNTIME_URL"] + "/sdapi/v1/txt2img",
        json.dumps(content).encode(),
        {"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=600) as answer:
        return json.load(answer)


if __name__ == "__main__":
    bare() if "--bare" in sys.argv else main()
