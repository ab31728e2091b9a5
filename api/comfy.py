"""The Comfy API v2 (https://docs.comfy.org): its routes below /comfy/{runtime}/api/v2, and its responses."""

import base64
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from queue_agent.task.protocol import parse_json

from api.addresses import mount
from api.comfy_assets import Assets
from api.comfy_documents import JobDocuments, Link
from api.comfy_errors import ComfyError, bad_request, not_found, of_problem
from api.comfy_events import event_stream
from api.comfy_jobs import Jobs
from api.node_lists import NodeLists
from api.problem import ProblemError, service_unavailable
from api.records import LINK_SECONDS, Records
from api.sender import sender
from api.settings import Settings
from api.tasks import Publish

COMFY_PATH = "/comfy/{runtime}/{proxy+}"
_API_ROOT = "api/v2/"
_JSON, _EVENTS = "application/json", "text/event-stream"


@dataclass(frozen=True)
class Answer:
    """A response: a JSON document, a text, or nothing."""

    body: Any = None
    status: HTTPStatus = HTTPStatus.OK
    content_type: str = _JSON
    headers: Mapping[str, str] | None = None

    def response(self) -> dict[str, Any]:
        """As API Gateway takes it."""
        text = self.body if isinstance(self.body, str) else "" if self.body is None else json.dumps(self.body)
        headers = {"Content-Type": self.content_type, **(self.headers or {})}
        return {"statusCode": int(self.status), "headers": headers, "body": text}


@dataclass(frozen=True)
class Request:
    """One request to a runtime; `parts` are those of the path below api/v2."""

    verb: str
    parts: tuple[str, ...]
    event: Mapping[str, Any]
    jobs: Jobs
    assets: Assets

    @property
    def headers(self) -> dict[str, str]:
        """The headers by their names in lower case."""
        return {name.lower(): value for name, value in (self.event.get("headers") or {}).items()}

    @property
    def query(self) -> dict[str, list[str]]:
        """The parameters of the query."""
        return dict(self.event.get("multiValueQueryStringParameters") or {})

    @property
    def data(self) -> bytes:
        """The body."""
        text = self.event.get("body") or ""
        return base64.b64decode(text) if self.event.get("isBase64Encoded") else text.encode()

    @property
    def document(self) -> Any:
        """The body as JSON. Raises `ComfyError`."""
        try:
            value, number = parse_json(self.data.decode())
        except (ValueError, RecursionError):
            raise bad_request("The body is not valid JSON.") from None
        if number:
            raise bad_request(f"The number {number} is out of range.")
        return value


Handlers = Mapping[str, Callable[[Request, str], Answer]]


def comfy_response(
    event: Mapping[str, Any], settings: Settings, s3: Any, publish: Publish, nodes: NodeLists
) -> dict[str, Any]:
    """The response to a request below /comfy."""
    try:
        return _handle(_request(event, settings, s3, publish, nodes)).response()
    except ProblemError as problem:
        error = of_problem(problem)
    except ComfyError as comfy_error:
        error = comfy_error
    except (BotoCoreError, ClientError):
        error = of_problem(service_unavailable())
    return Answer(error.envelope(), error.status, headers=error.headers).response()


def _request(
    event: Mapping[str, Any], settings: Settings, s3: Any, publish: Publish, nodes: NodeLists
) -> Request:
    name, path = event["pathParameters"]["runtime"], event["pathParameters"]["proxy"]
    runtime = settings.runtimes.get(name)
    if runtime is None or runtime.type != "comfyui":
        names = ", ".join(sorted(settings.of_type("comfyui"))) or "none"
        raise not_found(f"There is no ComfyUI runtime {name}. ComfyUI runtimes: {names}.")
    if not path.startswith(_API_ROOT):
        raise not_found(f"There is no such path: it must begin with /comfy/{name}/{_API_ROOT}.")
    records, owner = Records(s3, runtime.bucket), sender(event["requestContext"], settings.key_names)

    def link(key: str) -> Link:
        return Link(records.link(key), time.time() + LINK_SECONDS)

    assets = Assets(records, owner, settings.retention.records, link)
    documents = JobDocuments(f"{mount(event)}/comfy/{name}/api/v2", settings.retention, link)
    jobs = Jobs(runtime, owner, records, assets, documents, publish, nodes)
    return Request(
        event["httpMethod"], tuple(path.removeprefix(_API_ROOT).rstrip("/").split("/")), event, jobs, assets
    )


def _handle(request: Request) -> Answer:
    handlers, argument = _route(request.parts)
    handler = handlers.get(request.verb)
    if handler is None:
        allowed = ", ".join(handlers)
        message = f"This path supports {allowed}."
        status = HTTPStatus.METHOD_NOT_ALLOWED
        raise ComfyError(status, "method_not_allowed", message, headers={"Allow": allowed})
    return handler(request, argument)


def _route(parts: tuple[str, ...]) -> tuple[Handlers, str]:
    """The handlers of a path by their verbs, and the id or the hash in it. Raises `ComfyError`: 404."""
    for pattern, handlers in _ROUTES:
        pairs = list(zip(pattern, parts, strict=False))
        if len(pattern) == len(parts) and all(name in (_ANY, part) for name, part in pairs):
            return handlers, next((part for name, part in pairs if name == _ANY), "")
    raise not_found("There is no such path in the Comfy API v2.")


def _submit(request: Request, _: str) -> Answer:
    job = request.jobs.submit(request.document, request.headers.get("idempotency-key"))
    return Answer(job, HTTPStatus.CREATED)


def _events(request: Request, job_id: str) -> Answer:
    first = request.jobs.get(job_id)
    text = event_stream(first, lambda: request.jobs.get(job_id), time.sleep)
    return Answer(text, content_type=_EVENTS, headers={"Cache-Control": "no-cache"})


def _upload(request: Request, _: str) -> Answer:
    status, asset = request.assets.upload(request.data, request.headers.get("content-type", ""))
    return Answer(asset, status)


def _by_hash(request: Request, digest: str) -> Answer:
    return Answer(status=HTTPStatus.OK if request.assets.has(digest) else HTTPStatus.NOT_FOUND)


def _content(request: Request, asset_id: str) -> Answer:
    return Answer(status=HTTPStatus.FOUND, headers={"Location": request.assets.content(asset_id)})


def _delete(request: Request, asset_id: str) -> Answer:
    request.assets.delete(asset_id)
    return Answer(status=HTTPStatus.NO_CONTENT)


_ANY = "*"
# The first that matches counts.
_ROUTES: tuple[tuple[tuple[str, ...], Handlers], ...] = (
    (("health",), {"GET": lambda _, __: Answer({"status": "healthy"})}),
    (("jobs",), {"GET": lambda request, _: Answer(request.jobs.list(request.query)), "POST": _submit}),
    (("jobs", _ANY), {"GET": lambda request, job_id: Answer(request.jobs.get(job_id))}),
    (("jobs", _ANY, "workflow"), {"GET": lambda request, job_id: Answer(request.jobs.workflow(job_id))}),
    (("jobs", _ANY, "events"), {"GET": _events}),
    (("jobs", _ANY, "cancel"), {"POST": lambda request, job_id: Answer(request.jobs.cancel(job_id))}),
    (("assets",), {"POST": _upload}),
    (
        ("assets", "from-hash"),
        {"POST": lambda request, _: Answer(request.assets.from_hash(request.document))},
    ),
    (("assets", "by-hash", _ANY), {"HEAD": _by_hash}),
    (
        ("assets", _ANY),
        {"GET": lambda request, asset_id: Answer(request.assets.get(asset_id)), "DELETE": _delete},
    ),
    (("assets", _ANY, "content"), {"GET": _content, "HEAD": _content}),
)
