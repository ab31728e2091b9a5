"""`sd_on_eks.Client` and `AsyncClient` against the API of a stack."""

import asyncio
import inspect
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from api.discovery import Sources
from api.routes import Api
from api.settings import Settings
from api.webhook_signatures import StackSecrets, webhook_headers, webhook_secret
from sd_on_eks import (
    ApiUnreachableError,
    AsyncClient,
    Client,
    KeyRefusedError,
    TaskFailedError,
    TaskRefusedError,
    TaskStatus,
    TooLongError,
    WebhookVerificationError,
    verify_webhook,
)
from tests.api.conftest import Deployed

RUNTIME = "sdxl-turbo"
GRAPH = {"graph": {"nodes": {"n": {"id": "n", "type": "noise"}}, "edges": []}}


class Blocking:
    """The same calls as those of `Client`, by an `AsyncClient`."""

    def __init__(self, client: AsyncClient) -> None:
        self._client = client

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self._client, name)

        async def collected(*args: Any, **options: Any) -> list[Any]:
            return [item async for item in method(*args, **options)]

        call = collected if inspect.isasyncgenfunction(method) else method
        return lambda *args, **options: asyncio.run(call(*args, **options))


@pytest.fixture(params=["sync", "async"])
def client(api: Deployed, request: pytest.FixtureRequest) -> Any:
    url, key = api.door.url, api.door.key
    return Client(url, key) if request.param == "sync" else Blocking(AsyncClient(url, key))


def end(api: Deployed, task: str, status: str = "completed", **fields: Any) -> None:
    key = f"client/{task}/{task}-1.png"
    api.write(RUNTIME, key, "a picture")
    outputs = [{"key": key}] if status == "completed" else []
    api.write(RUNTIME, f"client/{task}/result.json", {"status": status, "outputs": outputs, **fields})


def test_a_task_is_sent_waited_for_and_saved(
    api: Deployed, client: Client, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    name = request.node.callspec.id
    sent = client.submit(
        RUNTIME,
        {"prompt": "x"},
        id=f"c-{name}",
        prefix="client",
        context={"n": 1},
        timeout_seconds=60,
        output={"format": "webp"},
    )
    end(api, sent.id, seed=7, context={"n": 1})
    seen: list[TaskStatus] = []

    status = client.wait(sent, on_change=seen.append)

    assert (status.status, status.seed, status.context) == ("completed", 7, {"n": 1})
    assert [entry.status for entry in seen] == ["completed"]
    [file] = client.save(status, tmp_path / "new")
    assert file.read_text() == '"a picture"'
    assert sent.status_url == f"{api.door.url}/v1alpha2/{RUNTIME}/{sent.id}"
    request_record = api.read(RUNTIME, f".tasks/{sent.id}/request.json")
    assert request_record["metadata"]["timeoutSeconds"] == 60


def test_a_task_without_an_id_gets_one_each_time(client: Client) -> None:
    first, second = (client.submit(RUNTIME, {"prompt": "x"}) for _ in range(2))

    assert first.id != second.id
    assert client.status(RUNTIME, first.id).status == "queued"


def test_a_task_is_cancelled_and_listed(client: Client) -> None:
    sent = client.submit(RUNTIME, {"prompt": "x"})

    assert client.cancel(sent) is True

    created = client.status(RUNTIME, sent.id).created
    cancelled = list(client.list(RUNTIME, status="cancelled", created_after=created))
    assert sent.id in {task.id for task in cancelled}
    assert {task.status for task in cancelled} == {"cancelled"}


def test_a_list_goes_over_all_pages(api: Deployed, client: Client) -> None:
    ids = {client.submit("invokeai", GRAPH, "graph").id for _ in range(22)}

    assert ids <= {task.id for task in client.list("invokeai")}


def test_a_task_that_does_not_end_in_time_goes_on(client: Client) -> None:
    sent = client.submit(RUNTIME, {"prompt": "x"})

    with pytest.raises(TooLongError, match="still queued"):
        client.wait(sent, timeout=0.1)


def test_a_failed_task_raises_its_code(api: Deployed, client: Client, request: pytest.FixtureRequest) -> None:
    task = f"fails-{request.node.callspec.id}"
    client.submit(RUNTIME, {"prompt": "x"}, id=task, prefix="client")
    end(api, task, "failed", error={"code": "rejected", "message": "no such sampler"})

    with pytest.raises(TaskFailedError, match="no such sampler") as failure:
        client.run(RUNTIME, {"prompt": "x"}, id=task, prefix="client", timeout=10)

    assert failure.value.code == "rejected"


def test_what_the_api_refuses_is_an_error_that_says_why(api: Deployed, client: Client) -> None:
    with pytest.raises(TaskRefusedError, match="tasktype"):
        client.submit(RUNTIME, {"prompt": "x"}, "workflow")
    with pytest.raises(KeyRefusedError):
        Client(api.door.url, "wrong").runtimes()


def test_runtimes_are_described(client: Client) -> None:
    names = {runtime.name for runtime in client.runtimes()}

    assert {"sdxl-turbo", "comfyui", "invokeai"} <= names
    assert client.runtime(RUNTIME).model == "sd_xl_turbo_1.0.safetensors"
    assert client.runtime(RUNTIME).waiting is not None


def test_a_file_is_uploaded_to_an_address_of_the_key(api: Deployed, client: Client, tmp_path: Path) -> None:
    file = tmp_path / "cat.png"
    file.write_bytes(b"a picture")

    for address in (client.upload(RUNTIME, file), client.upload(RUNTIME, b"a picture", "image/png")):
        bucket, _, key = address.removeprefix("s3://").partition("/")
        stored = api.cloud.client("s3").get_object(Bucket=bucket, Key=key)
        assert (stored["Body"].read(), stored["ContentType"]) == (b"a picture", "image/png")
    with pytest.raises(TaskRefusedError, match="content_type"):
        client.upload(RUNTIME, b"of no type")


def test_url_and_key_come_from_the_environment(api: Deployed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("API_URL", api.door.url)
    monkeypatch.setenv("API_KEY", api.door.key)
    assert Client().runtimes()
    assert asyncio.run(AsyncClient().runtimes())
    assert api.door.key not in repr(Client())

    monkeypatch.delenv("API_KEY")
    with pytest.raises(ApiUnreachableError, match="API_KEY"):
        Client()


def test_both_clients_have_the_same_methods_with_the_same_parameters() -> None:
    def methods(of: type) -> dict[str, list[str]]:
        public = inspect.getmembers(of, inspect.isfunction)
        return {name: list(inspect.signature(method).parameters) for name, method in public if name[0] != "_"}

    blocking = methods(Client)
    blocking.pop("page")  # a step of `list`
    assert methods(AsyncClient) == blocking


BODY = b'{"id": "a", "status": "completed"}'
SECRETS = ["new", "old"]


def signed(now: float, body: bytes = BODY, sender: str = "web-shop") -> dict[str, str]:
    return webhook_headers(SECRETS, sender, "msg_1", int(now), body)


@pytest.mark.parametrize("secret", SECRETS)
def test_a_webhook_is_verified_with_the_secret_before_and_after_a_rotation(secret: str) -> None:
    headers = {name.title(): value for name, value in signed(time.time()).items()}

    callback = verify_webhook(BODY, headers, webhook_secret(secret, "web-shop"))

    assert callback == {"id": "a", "status": "completed"}


@pytest.mark.parametrize(
    ("seconds", "sender", "body", "changed", "message"),
    [
        (0, "newsroom", BODY, {}, "no signature is valid"),
        (0, "web-shop", BODY + b" ", {}, "no signature is valid"),
        (-400, "web-shop", BODY, {}, "clock"),
        (400, "web-shop", BODY, {}, "clock"),
        (0, "web-shop", BODY, {"webhook-id": None}, "webhook-id is missing"),
        (0, "web-shop", BODY, {"webhook-timestamp": "now"}, "not valid"),
        (0, "web-shop", BODY, {"webhook-signature": ""}, "no signature is valid"),
        (0, "web-shop", BODY, {"webhook-signature": "v1,ü"}, "no signature is valid"),
    ],
)
def test_a_webhook_that_is_forged_or_old_is_refused(
    seconds: float, sender: str, body: bytes, changed: dict[str, str | None], message: str
) -> None:
    headers = signed(time.time() + seconds, sender=sender) | changed
    sent = {name: value for name, value in headers.items() if value is not None}

    with pytest.raises(WebhookVerificationError, match=message):
        verify_webhook(body, sent, webhook_secret("new", "web-shop"))


def test_a_secret_that_is_not_one_is_refused() -> None:
    with pytest.raises(WebhookVerificationError, match="secret"):
        verify_webhook(BODY, signed(time.time()), "whsec_not base64")


def test_the_webhook_and_its_secret_are_those_of_the_key(
    api: Deployed, client: Client, request: pytest.FixtureRequest
) -> None:
    task = f"hook-{request.node.callspec.id}"
    client.submit(RUNTIME, {"prompt": "x"}, id=task, webhook="https://example.com/done")

    assert api.read(RUNTIME, f".tasks/{task}/request.json")["metadata"]["webhook"]
    assert client.webhook_secret().startswith("whsec_")


class RegionWithoutGroups:
    """SNS where a standard topic takes no MessageGroupId, or fails in another way."""

    def __init__(self, code: str, message: str) -> None:
        self.calls: list[dict[str, Any]] = []
        self._error = {"Error": {"Code": code, "Message": message}}

    def publish(self, **call: Any) -> None:
        self.calls.append(call)
        if "MessageGroupId" in call:
            raise ClientError(self._error, "Publish")


def test_a_region_whose_topics_take_no_groups_gets_tasks_without_one() -> None:
    sns = RegionWithoutGroups("InvalidParameter", "Invalid parameter: MessageGroupId Reason: not supported")
    api = Api(Settings("s", "topic", {}), Sources(None, None, None), sns, StackSecrets(None, ""))

    for _ in range(2):
        api._publish("{}", {"runtime": "a"}, "default")

    assert ["MessageGroupId" in call for call in sns.calls] == [True, False, False]


def test_another_failure_of_sns_stays_a_failure() -> None:
    sns = RegionWithoutGroups("Throttling", "Rate exceeded")
    api = Api(Settings("s", "topic", {}), Sources(None, None, None), sns, StackSecrets(None, ""))

    with pytest.raises(ClientError, match="Rate"):
        api._publish("{}", {"runtime": "a"}, "default")
