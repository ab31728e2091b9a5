"""Webhooks: from the results topic to a receiver on this machine, by the deployed functions."""

import base64
import hashlib
import hmac
import json
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from api.webhook_signatures import StackSecrets, webhook_secret
from api.webhook_urls import webhook_error
from api.webhooks import Clients, Webhooks, pause_after
from generator.solution import limits
from tests.api.conftest import Deployed

RUNTIME = "sdxl-turbo"


@dataclass
class Receiver:
    """An application's web server. It answers with `status`, and keeps what it gets."""

    url: str = ""
    status: int = 204
    got: list[tuple[dict[str, str], bytes]] = field(default_factory=list)

    def wait(self, count: int, seconds: float = 20) -> list[tuple[dict[str, str], bytes]]:
        end = time.monotonic() + seconds
        while len(self.got) < count and time.monotonic() < end:
            time.sleep(0.05)
        assert len(self.got) >= count, f"{len(self.got)} webhooks of {count} arrived"
        return self.got


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            receiver.got.append(({name.lower(): value for name, value in self.headers.items()}, body))
            self.send_response(receiver.status)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        receiver.url = f"http://127.0.0.1:{server.server_port}/hook?id=7"
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield receiver
        server.shutdown()


def announce(api: Deployed, task: str, url: str, **changes: Any) -> dict[str, Any]:
    """Publish the callback of a task, as its agent does."""
    bucket = next(entry.output_bucket for entry in api.solution.runtimes if entry.name == RUNTIME)
    callback = {
        "runtime": RUNTIME,
        "id": task,
        "result": True,
        "status": "completed",
        "image_url": [f"s3://{bucket}/{task}/{task}-1.png"],
        "output_url": f"s3://{bucket}/{task}/result.json",
        "context": {"user": 7},
        "attempt": 1,
        **changes,
    }
    values = {"runtime": RUNTIME, "status": callback["status"], "webhook": url, "sender": "default"}
    api.cloud.client("sns").publish(
        TopicArn=api.solution.results_topic_arn,
        Message=json.dumps(callback),
        MessageAttributes={
            name: {"DataType": "String", "StringValue": value} for name, value in values.items()
        },
    )
    return callback


def secret(api: Deployed) -> bytes:
    answer = api.call("GET", "/webhook-secret")
    assert answer.status == 200, answer.body
    return base64.b64decode(answer.body["secret"].removeprefix("whsec_"))


def signature(key: bytes, headers: dict[str, str], body: bytes) -> str:
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()


def test_a_webhook_is_called_with_the_callback_and_is_signed(api: Deployed, receiver: Receiver) -> None:
    callback = announce(api, "hooked", receiver.url)

    [(headers, body)] = receiver.wait(1)

    assert signature(secret(api), headers, body) in headers["webhook-signature"].split()
    assert abs(int(headers["webhook-timestamp"]) - time.time()) < 60
    sent = json.loads(body)
    [link] = sent.pop("images")
    assert "X-Amz-Signature" in link and "hooked-1.png" in link
    assert sent == callback


def submit(api: Deployed, task: str, url: Any, **metadata: Any) -> Any:
    complete = {"id": task, "runtime": RUNTIME, "tasktype": "text-to-image", "webhook": url, **metadata}
    return api.call("POST", "/v1alpha2", {"task": {"metadata": complete, "content": {"prompt": "x"}}})


def end(api: Deployed, task: str) -> None:
    """Store the result of a task, as its agent does."""
    api.write(RUNTIME, f"{task}/result.json", {"status": "completed", "outputs": [], "finished": 1.0})


def state(api: Deployed, task: str) -> Any:
    answer = api.call("GET", f"/v1alpha2/{RUNTIME}/{task}")
    assert answer.status == 200, answer.body
    return answer.body.get("webhook")


def wait_for(api: Deployed, task: str, wanted: str, seconds: float = 20) -> Any:
    end = time.monotonic() + seconds
    while (now := state(api, task))["state"] != wanted:
        assert time.monotonic() < end, now
        time.sleep(0.1)
    return now


def test_the_status_of_a_task_says_how_it_went_with_its_webhook(api: Deployed, receiver: Receiver) -> None:
    assert submit(api, "stated", receiver.url).status == 200
    assert state(api, "stated") == {"state": "pending"}
    end(api, "stated")

    announce(api, "stated", receiver.url)

    delivered = wait_for(api, "stated", "delivered")
    assert (delivered["attempts"], delivered["http_status"]) == (1, 204)
    assert "next_attempt_at" not in delivered
    assert api.submit("unhooked").status == 200
    assert state(api, "unhooked") is None


def test_the_agent_gets_the_url_with_the_task(api: Deployed, receiver: Receiver) -> None:
    api.messages(RUNTIME)

    assert submit(api, "carried", receiver.url, links=True).status == 200

    [message] = api.messages(RUNTIME)
    assert (message["metadata"]["webhook"], message["metadata"]["links"]) == (receiver.url, True)


def test_a_webhook_has_links_to_the_thumbnails_of_a_task_that_asked_for_them(
    api: Deployed, receiver: Receiver
) -> None:
    submit(api, "with-thumbnails", receiver.url)
    end(api, "with-thumbnails")
    bucket = next(entry.output_bucket for entry in api.solution.runtimes if entry.name == RUNTIME)
    url = f"s3://{bucket}/with-thumbnails/with-thumbnails-1-thumbnail.webp"
    announce(api, "with-thumbnails", receiver.url, thumbnail_url=[url, None])

    wait_for(api, "with-thumbnails", "delivered")

    [(_, body)] = receiver.got
    link, missing = json.loads(body)["thumbnails"]
    assert "/with-thumbnails/with-thumbnails-1-thumbnail.webp?" in link and missing is None


@pytest.mark.thorough
def test_a_webhook_that_was_refused_is_repeated(api: Deployed, receiver: Receiver) -> None:
    receiver.status = 503
    submit(api, "refused", receiver.url)
    end(api, "refused")
    announce(api, "refused", receiver.url)

    retrying = wait_for(api, "refused", "retrying")
    receiver.status = 200

    assert (retrying["attempts"], retrying["http_status"]) == (1, 503)
    assert retrying["error"] == "the answer is HTTP 503" and retrying["next_attempt_at"]
    assert wait_for(api, "refused", "delivered")["attempts"] == 2
    [(first, _), (second, _)] = receiver.got
    assert first["webhook-id"] == second["webhook-id"], "receivers know by it what they have had"


def test_results_without_a_webhook_do_not_reach_the_function(api: Deployed) -> None:
    subscriptions = api.cloud.client("sns").list_subscriptions_by_topic(
        TopicArn=api.solution.results_topic_arn
    )
    [arn] = [
        entry["SubscriptionArn"]
        for entry in subscriptions["Subscriptions"]
        if entry["Endpoint"].endswith("-webhooks")
    ]

    attributes = api.cloud.client("sns").get_subscription_attributes(SubscriptionArn=arn)["Attributes"]

    assert json.loads(attributes["FilterPolicy"]) == {"webhook": [{"exists": True}]}


def test_each_key_has_a_secret_of_its_own() -> None:
    secrets = {webhook_secret("s" * 64, name) for name in ("default", "web-shop", "web-shop2")}

    assert len(secrets) == 3
    assert all(len(base64.b64decode(secret.removeprefix("whsec_"))) == 32 for secret in secrets)


class Queue:
    """A queue of its own, and the function on it, in this process."""

    def __init__(self, api: Deployed, name: str, attempts: int) -> None:
        self.sqs = api.cloud.client("sqs")
        self.url = self.sqs.create_queue(QueueName=name, Attributes={"VisibilityTimeout": "600"})["QueueUrl"]
        manager = api.cloud.client("secretsmanager")
        secrets = StackSecrets(manager, f"{api.solution.stack}-webhooks")
        buckets = {entry.name: entry.output_bucket for entry in api.solution.runtimes}
        environment = {"QUEUE_URL": self.url, "LOCAL_WEBHOOKS": "true"}
        clients = Clients(api.cloud.client("s3"), self.sqs, secrets)
        self.function = Webhooks(attempts, buckets, environment, clients)

    def deliver(self, task: str, url: str, receive_count: int) -> tuple[Any, bool]:
        """The answer of the function to one message, and whether the message is visible afterwards."""
        callback = {"runtime": RUNTIME, "id": task, "image_url": [], "status": "completed"}
        self.sqs.send_message(QueueUrl=self.url, MessageBody=json.dumps(callback))
        [message] = self.sqs.receive_message(QueueUrl=self.url, WaitTimeSeconds=5)["Messages"]
        record = {
            "messageId": message["MessageId"],
            "receiptHandle": message["ReceiptHandle"],
            "body": message["Body"],
            "attributes": {"ApproximateReceiveCount": str(receive_count)},
            "messageAttributes": {"webhook": {"stringValue": url, "dataType": "String"}},
        }
        answer = self.function.handle({"Records": [record]}, None)
        count = self.sqs.get_queue_attributes(
            QueueUrl=self.url, AttributeNames=["ApproximateNumberOfMessages"]
        )["Attributes"]["ApproximateNumberOfMessages"]
        return answer["batchItemFailures"] == [{"itemIdentifier": message["MessageId"]}], count == "1"


def test_after_the_last_call_the_message_goes_to_the_dead_letter_queue(
    api: Deployed, receiver: Receiver
) -> None:
    receiver.status = 404
    submit(api, "dead", receiver.url)
    end(api, "dead")
    queue = Queue(api, "dead-webhooks", attempts=3)

    failed, visible = queue.deliver("dead", receiver.url, 2)
    assert failed and not visible, "it waits"
    assert state(api, "dead")["state"] == "retrying"
    failed, visible = queue.deliver("dead", receiver.url, 3)

    assert failed and visible, "SQS moves it as soon as it is received again"
    ended = state(api, "dead")
    assert (ended["state"], ended["attempts"], ended["http_status"]) == ("failed", 3, 404)


@pytest.mark.parametrize(
    "url",
    [
        "https://localhost.localdomain/",  # a name in /etc/hosts, or none
        "https://127.0.0.1.nip.example/",  # not resolved
        "https://10.0.0.1/",
    ],
)
def test_an_address_that_is_not_public_is_never_called(api: Deployed, url: str) -> None:
    submit(api, "inner", "https://example.com/")
    end(api, "inner")

    failed, _ = Queue(api, "inner-webhooks", attempts=2).deliver("inner", url, 1)

    assert failed
    assert state(api, "inner")["state"] == "retrying"
    assert "http_status" not in state(api, "inner")


def test_the_calls_of_a_webhook_are_spread_over_most_of_a_day() -> None:
    pauses = [pause_after(attempt) for attempt in range(1, limits.WEBHOOK_ATTEMPTS)]

    assert pauses[:4] == [5, 20, 80, 320]
    assert 18 * 3600 < sum(pauses) < 24 * 3600
    assert max(pauses) < 12 * 3600, "the longest that SQS hides a message"


BAD_URLS = [
    *("http://example.com/", "ftp://example.com/", "https://", "https:///x", "javascript:alert(1)"),
    *("https://user@example.com/", "https://user:pass@example.com/", "https://example.com:22/"),
    *("https://example.com:0/", "https://example.com:99999/", "https://example.com:x/"),
    *("https://localhost/", "https://db/", "https://service.svc.cluster.local:8/", "https://127.0.0.1/"),
    *("https://10.1.2.3/", "https://169.254.169.254/", "https://192.168.0.1:8443/", "https://0.0.0.0/"),
    *("https://[::1]/", "https://[::ffff:10.0.0.1]/", "https://[fd00::1]/", "https://[64:ff9b::a00:1]/"),
    *("https://[2002:a00:1::]/", "https://[fe80::1%25eth0]/", "https://[::127.0.0.1]/"),
    *("https://2130706433/", "https://0x7f.1/", "https://127.1/", "https://017700000001/", "https://1.2.3/"),
    *("https://example.com /", "https://exämple.com/", "https://example.com/\n", "https://a..example.com/"),
    *("https://-/", "https://example.com/" + "a" * 2048, "https://[example.com/", "HTTP://example.com/"),
]
GOOD_URLS = [
    *("https://example.com/hook?id=7", "https://example.com:8443/", "https://example.com:443/a/b"),
    *(
        "https://xn--exmple-cua.com/",
        "https://8.8.8.8/",
        "https://[2606:4700::1111]/",
        "HTTPS://EXAMPLE.COM/",
    ),
    *("https://a_b.example.com/", "https://example.com./", "https://example.com/%20#x"),
]


@pytest.mark.parametrize("url", BAD_URLS)
def test_a_url_that_leads_nowhere_public_is_refused(url: str) -> None:
    assert webhook_error(url, local=False)


@pytest.mark.parametrize("url", GOOD_URLS)
def test_a_public_url_is_accepted(url: str) -> None:
    assert webhook_error(url, local=False) == ""


@pytest.mark.parametrize("url", ["http://example.com/", "https://10.0.0.1/", "", 7, None, "x"])
def test_the_api_refuses_it_with_the_field(api: Deployed, url: Any) -> None:
    answer = submit(api, "wrongly-hooked", url)

    assert (answer.status, answer.fields) == (400, ["task.metadata.webhook"])
