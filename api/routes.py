"""Routes the requests of API Gateway. `start` returns the handler of the Lambda function."""

import base64
import json
import logging
import os
import time
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from queue_agent.task.protocol import parse_json

from api.addresses import root_url, task_urls
from api.comfy import COMFY_PATH, comfy_response
from api.content import content_errors, legacy_errors
from api.cors import cors_headers, preflight_headers
from api.discovery import Sources, describe_runtime, describe_runtimes
from api.listing import list_tasks, selection
from api.node_lists import NodeLists
from api.openapi import (
    HEALTH_PATH,
    RUNTIME_PATH,
    RUNTIMES_PATH,
    TASK_PATH,
    TASKS_PATH,
    WEBHOOK_SECRET_PATH,
    document,
)
from api.problem import FieldError, ProblemError, invalid_request, service_unavailable
from api.records import Records
from api.schema import legacy_task_schema, path_parameter, task_schema
from api.sender import sender
from api.settings import Runtime, Settings, read_settings
from api.tasks import Task, cancel, new_id, status, submit
from api.uploads import UPLOADS_PATH, checked_upload, new_upload
from api.validation import limit_errors, schema_errors
from api.waits import Waits
from api.webhook_signatures import StackSecrets, webhook_secret

Event = dict[str, Any]
Response = dict[str, Any]
Handler = Callable[[Event, Any], Response]

log = logging.getLogger("api")
# Together shorter than the timeout of the function, so that the client gets a response.
CONFIG = Config(
    connect_timeout=2,
    read_timeout=4,
    retries={"mode": "standard", "max_attempts": 2},
    signature_version="s3v4",
)
SERVICES = ("sns", "secretsmanager", "sqs", "cloudwatch")
VERBS = {
    "/v1alpha2": ("POST",),
    "/v1alpha1": ("POST",),
    TASKS_PATH: ("GET",),
    TASK_PATH: ("GET", "DELETE"),
    RUNTIMES_PATH: ("GET",),
    RUNTIME_PATH: ("GET",),
    HEALTH_PATH: ("GET",),
    WEBHOOK_SECRET_PATH: ("GET",),
    UPLOADS_PATH: ("POST",),
    "/openapi.json": ("GET",),
    COMFY_PATH: ("GET", "HEAD", "POST", "DELETE"),
}


def start(settings: str) -> Handler:
    """The handler for these settings. Creates the clients now: Lambda gives the start a whole CPU."""
    plain = Config(connect_timeout=2, read_timeout=4, retries=CONFIG.retries)
    sns, manager, sqs, watch = (boto3.client(name, config=plain) for name in SERVICES)
    solution = read_settings(settings, os.environ)
    secrets = StackSecrets(manager, solution.webhook_secret)
    s3 = boto3.client("s3", config=CONFIG)
    return Api(solution, Sources(s3, sqs, watch), sns, secrets).handle


class Api:
    """The routes of one solution's API."""

    def __init__(self, settings: Settings, sources: Sources, sns: Any, secrets: StackSecrets) -> None:
        self._settings = settings
        self._sources = sources
        self._s3 = sources.s3
        self._sns = sns
        self._secrets = secrets
        self._waits = Waits()
        self._nodes = NodeLists(sources.s3)
        self._fair = True
        log.setLevel(logging.INFO)

    def handle(self, event: Event, _context: Any) -> Response:
        """Handle one request."""
        started = time.monotonic()
        headers, origins = event.get("headers") or {}, self._settings.origins
        if event["httpMethod"] == "OPTIONS" and origins:
            verbs = VERBS[event["resource"]]
            answer = {"statusCode": int(HTTPStatus.NO_CONTENT), "body": ""}
            return {**answer, "headers": preflight_headers(headers, verbs) | cors_headers(headers, origins)}
        if event["resource"] == COMFY_PATH:
            response = comfy_response(event, self._settings, self._s3, self._publish, self._nodes)
        else:
            response = self._answer(event)
        response["headers"] |= cors_headers(headers, origins)
        _log(event, response, started)
        return response

    def _answer(self, event: Event) -> Response:
        """The response to one request, whatever happens."""
        try:
            return _response(HTTPStatus.OK, self._route(event))
        except ProblemError as problem:
            return _problem_of(problem)
        except (BotoCoreError, ClientError) as error:
            log.error("a call to AWS failed: %s", error)
            return _problem_of(service_unavailable())

    def _route(self, event: Event) -> dict[str, Any]:
        resource, verb = event["resource"], event["httpMethod"]
        if verb not in VERBS[resource]:
            allowed = ", ".join(VERBS[resource])
            detail = f"{resource} supports {allowed}."
            raise ProblemError(HTTPStatus.METHOD_NOT_ALLOWED, detail, headers={"Allow": allowed})
        described = self._description(event)
        if described is not None:
            return described
        sent_by, root = sender(event["requestContext"], self._settings.key_names), root_url(event)
        if resource == "/v1alpha2":
            return self._submit(_body(event), sent_by, root)
        if resource == "/v1alpha1":
            return self._submit_legacy(_body(event), sent_by, root)
        if resource == WEBHOOK_SECRET_PATH:
            return {"secret": webhook_secret(self._secrets.current()[0], sent_by)}
        if resource == UPLOADS_PATH:
            return self._new_upload(_body(event), sent_by)
        return self._of_runtime(event, sent_by, root)

    def _new_upload(self, body: Any, sent_by: str) -> dict[str, Any]:
        upload = checked_upload(body)
        runtime, seconds = self._runtime(upload["runtime"]), self._settings.retention.records
        return new_upload(upload, runtime, Records(self._s3, runtime.bucket), sent_by, seconds)

    def _of_runtime(self, event: Event, sent_by: str, root: str) -> dict[str, Any]:
        """What concerns the tasks of one runtime."""
        runtime = self._runtime_of_path(event["pathParameters"])
        records = Records(self._s3, runtime.bucket)
        if event["resource"] == TASKS_PATH:
            query = event.get("multiValueQueryStringParameters") or {}
            return list_tasks(runtime, sent_by, selection(query), records, root)
        task_id = str(event["pathParameters"]["id"])
        if event["httpMethod"] == "GET":
            state = status(runtime, task_id, records, sent_by, self._waits)
            return state | task_urls(root, runtime.name, task_id)
        return cancel(runtime, task_id, records, sent_by)

    def _description(self, event: Event) -> dict[str, Any] | None:
        """What does not depend on the sender; None for another resource."""
        match event["resource"]:
            case "/openapi.json":
                return document(self._settings, event["requestContext"]["stage"])
            case str(path) if path == HEALTH_PATH:
                return {"status": "ok"}
            case str(path) if path == RUNTIMES_PATH:
                return describe_runtimes(self._settings, root_url(event))
            case str(path) if path == RUNTIME_PATH:
                runtime = self._runtime_of_path(event["pathParameters"])
                return describe_runtime(runtime, root_url(event), self._sources, self._waits)
        return None

    def _submit(self, body: Any, sent_by: str, root: str) -> dict[str, Any]:
        _validate(body, task_schema(None, ()))
        metadata = body["task"]["metadata"]
        runtime = self._runtime(metadata["runtime"])
        _validate(body, task_schema(runtime.type, self._settings.of_type(runtime.type)))
        if errors := list(
            limit_errors(metadata, body["task"]["content"], "task", local=self._settings.local)
        ):
            raise invalid_request(errors)
        if errors := content_errors(runtime, metadata["tasktype"], body["task"]["content"], self._nodes):
            raise invalid_request(errors)
        complete = {**metadata, **_identity(metadata.get("id"), metadata.get("prefix"))}
        task = Task(runtime, complete, body["task"]["content"], ("runtime", runtime.name), sent_by)
        submit(task, Records(self._s3, runtime.bucket), self._publish)
        urls = task_urls(root, runtime.name, task.id)
        return {"id": task.id, "runtime": runtime.name, "output_location": task.location, **urls}

    def _submit_legacy(self, body: Any, sent_by: str, root: str) -> dict[str, Any]:
        _validate(body, legacy_task_schema(()))
        if errors := list(limit_errors({}, body, "body")):
            raise invalid_request(errors)
        scripts = body["alwayson_scripts"]
        model, runtimes = scripts["sd_model_checkpoint"], self._settings.by_model()
        if model not in runtimes:
            models = ", ".join(sorted(runtimes)) or "none"
            raise ProblemError(
                HTTPStatus.NOT_FOUND, f"No runtime serves the model {model}. Models: {models}."
            )
        runtime = runtimes[model]
        if errors := legacy_errors(runtime, scripts["task"], body):
            raise invalid_request(errors)
        identity = _identity(scripts.get("id_task"), scripts.get("save_dir"))
        metadata = {"runtime": "legacy", "tasktype": scripts["task"], "context": {}, **identity}
        task = Task(runtime, metadata, body, ("sd_model_checkpoint", model), sent_by)
        submit(task, Records(self._s3, task.runtime.bucket), self._publish)
        return {
            "id_task": task.id,
            "sd_model_checkpoint": model,
            "runtime": task.runtime.name,
            "output_location": task.location,
            **task_urls(root, task.runtime.name, task.id),
        }

    def _runtime(self, name: str) -> Runtime:
        if name not in self._settings.runtimes:
            names = ", ".join(sorted(self._settings.runtimes))
            raise ProblemError(HTTPStatus.NOT_FOUND, f"There is no runtime {name}. Runtimes: {names}.")
        return self._settings.runtimes[name]

    def _runtime_of_path(self, parameters: dict[str, str]) -> Runtime:
        """The runtime that the path names, once every part of the path is valid."""
        errors = [
            error
            for name, value in parameters.items()
            for error in schema_errors(value, path_parameter(name), name)
        ]
        if errors:
            raise invalid_request(errors)
        return self._runtime(parameters["runtime"])

    def _publish(self, message: str, attributes: dict[str, str], group: str, queue: str = "") -> None:
        if queue:
            self._send(self._sources.sqs.send_message, group, QueueUrl=queue, MessageBody=message)
            return
        typed = {key: {"DataType": "String", "StringValue": value} for key, value in attributes.items()}
        topic = self._settings.topic
        self._send(self._sns.publish, group, TopicArn=topic, Message=message, MessageAttributes=typed)

    def _send(self, send: Callable[..., object], group: str, **call: object) -> None:
        if self._fair:
            try:
                send(**call, MessageGroupId=group)
            except ClientError as error:
                if "MessageGroupId" not in error.response["Error"].get("Message", ""):
                    raise
                self._fair = False  # a region where a standard topic or queue takes no groups yet
            else:
                return
        send(**call)


def _body(event: Event) -> Any:
    """The parsed body. Numbers that are out of range are refused."""
    text = event.get("body") or ""
    try:
        if event.get("isBase64Encoded"):
            text = base64.b64decode(text).decode()
        body, number = parse_json(text)
    except RecursionError:
        raise invalid_request([FieldError("body", "is nested too deeply")]) from None
    except ValueError as error:
        raise invalid_request([FieldError("body", f"is not valid JSON: {error}")]) from None
    if number:
        raise invalid_request([FieldError("body", f"has the number {number}, which is out of range")])
    return body


def _validate(body: Any, schema: dict[str, Any]) -> None:
    if errors := list(schema_errors(body, schema, "" if isinstance(body, dict) else "body")):
        raise invalid_request(errors)


def _identity(task_id: str | None, prefix: str | None) -> dict[str, str]:
    return {"id": task_id or new_id(), "prefix": (prefix or "").strip("/")}


def _response(
    status: HTTPStatus, body: dict[str, Any], content_type: str = "application/json", **headers: str
) -> Response:
    text = json.dumps(body)
    return {"statusCode": int(status), "headers": {"Content-Type": content_type, **headers}, "body": text}


def _problem_of(problem: ProblemError) -> Response:
    return _response(problem.status, problem.document(), "application/problem+json", **problem.headers)


def _log(event: Event, response: Response, started: float) -> None:
    """Log one line for the request, without bodies and keys."""
    line = {
        "method": event["httpMethod"],
        "path": event["path"],
        "status": response["statusCode"],
        "milliseconds": round((time.monotonic() - started) * 1000),
    }
    log.info(json.dumps(line))
