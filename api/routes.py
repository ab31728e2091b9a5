"""From a request of API Gateway to an answer. `start` gives the function's handler."""

import base64
import json
import logging
import math
import time
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from api.openapi import TASK_PATH, document
from api.problem import Fault, ProblemError, unavailable, unfit
from api.records import Records
from api.schema import legacy_task, path_parameter, task
from api.settings import Runtime, Settings, read_settings
from api.tasks import Task, cancel, new_id, status, submit
from api.validation import faults, too_much

Event = dict[str, Any]
Answer = dict[str, Any]
Handler = Callable[[Event, Any], Answer]

log = logging.getLogger("api")
# Together shorter than the function's own limit, so that a client is told what happened.
CONFIG = Config(
    connect_timeout=2,
    read_timeout=4,
    retries={"mode": "standard", "max_attempts": 2},
    signature_version="s3v4",
)
VERBS = {
    "/v1alpha2": ("POST",),
    "/v1alpha1": ("POST",),
    TASK_PATH: ("GET", "DELETE"),
    "/openapi.json": ("GET",),
}


def start(settings: str) -> Handler:
    """The handler for these settings; makes its clients now, while Lambda lends a whole CPU."""
    sns = boto3.client("sns", config=Config(connect_timeout=2, read_timeout=4, retries=CONFIG.retries))
    return Api(read_settings(settings), boto3.client("s3", config=CONFIG), sns).handle


class Api:
    """The routes of one solution's API."""

    def __init__(self, settings: Settings, s3: Any, sns: Any) -> None:
        self._settings = settings
        self._s3 = s3
        self._sns = sns
        log.setLevel(logging.INFO)

    def handle(self, event: Event, _context: Any) -> Answer:
        """Answer one request."""
        began = time.monotonic()
        try:
            answer = _answer(HTTPStatus.OK, self._route(event))
        except ProblemError as problem:
            answer = _refused(problem)
        except (BotoCoreError, ClientError) as error:
            log.error("AWS did not do what was asked: %s", error)
            answer = _refused(unavailable())
        _log(event, answer, began)
        return answer

    def _route(self, event: Event) -> dict[str, Any]:
        resource, verb = event["resource"], event["httpMethod"]
        if verb not in VERBS[resource]:
            allowed = ", ".join(VERBS[resource])
            detail = f"{resource} takes {allowed}."
            raise ProblemError(HTTPStatus.METHOD_NOT_ALLOWED, detail, headers={"Allow": allowed})
        if resource == "/openapi.json":
            return document(self._settings, event["requestContext"]["stage"])
        if resource == "/v1alpha2":
            return self._submit(_body(event))
        if resource == "/v1alpha1":
            return self._submit_legacy(_body(event))
        runtime, name = self._named(event["pathParameters"])
        act = status if verb == "GET" else cancel
        return act(runtime, name, self._records(runtime))

    def _submit(self, body: Any) -> dict[str, Any]:
        _check(body, task(None, ()))
        metadata = body["task"]["metadata"]
        runtime = self._runtime(metadata["runtime"])
        _check(body, task(runtime.type, self._settings.of_type(runtime.type)))
        if wrong := list(too_much(metadata, body["task"]["content"], "task")):
            raise unfit(wrong)
        told = {**metadata, **_identity(metadata.get("id"), metadata.get("prefix"))}
        asked = Task(runtime, told, body["task"]["content"], ("runtime", runtime.name))
        submit(asked, self._records(runtime), self._publish)
        return {"id": asked.id, "runtime": runtime.name, "output_location": asked.location}

    def _submit_legacy(self, body: Any) -> dict[str, Any]:
        _check(body, legacy_task(()))
        if wrong := list(too_much({}, body, "body")):
            raise unfit(wrong)
        scripts = body["alwayson_scripts"]
        model, runtimes = scripts["sd_model_checkpoint"], self._settings.by_model()
        if model not in runtimes:
            detail = f"No runtime has the model {model}. There are: {', '.join(sorted(runtimes)) or 'none'}."
            raise ProblemError(HTTPStatus.NOT_FOUND, detail)
        identity = _identity(scripts.get("id_task"), scripts.get("save_dir"))
        told = {"runtime": "legacy", "tasktype": scripts["task"], "context": {}, **identity}
        asked = Task(runtimes[model], told, body, ("sd_model_checkpoint", model))
        submit(asked, self._records(asked.runtime), self._publish)
        known = {"id_task": asked.id, "sd_model_checkpoint": model, "runtime": asked.runtime.name}
        return {**known, "output_location": asked.location}

    def _runtime(self, name: str) -> Runtime:
        if name not in self._settings.runtimes:
            names = ", ".join(sorted(self._settings.runtimes))
            raise ProblemError(HTTPStatus.NOT_FOUND, f"There is no runtime {name}. There are: {names}.")
        return self._settings.runtimes[name]

    def _named(self, parameters: dict[str, str]) -> tuple[Runtime, str]:
        wrong = [
            fault
            for name in ("runtime", "id")
            for fault in faults(parameters[name], path_parameter(name), name)
        ]
        if wrong:
            raise unfit(wrong)
        return self._runtime(parameters["runtime"]), parameters["id"]

    def _records(self, runtime: Runtime) -> Records:
        return Records(self._s3, runtime.bucket)

    def _publish(self, message: str, attributes: dict[str, str]) -> None:
        typed = {key: {"DataType": "String", "StringValue": value} for key, value in attributes.items()}
        self._sns.publish(TopicArn=self._settings.topic, Message=message, MessageAttributes=typed)


def _body(event: Event) -> Any:
    """The body as JSON says it; what JSON does not say (NaN, Infinity) is refused."""
    text = event.get("body") or ""
    try:
        if event.get("isBase64Encoded"):
            text = base64.b64decode(text).decode()
        return json.loads(text, parse_constant=_refuse, parse_float=_finite)
    except RecursionError:
        raise unfit([Fault("body", "is nested too deeply")]) from None
    except ValueError as error:
        raise unfit([Fault("body", f"is not JSON: {error}")]) from None


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is not a number of JSON")


def _finite(text: str) -> float:
    number = float(text)
    return number if math.isfinite(number) else _refuse(text)


def _check(body: Any, schema: dict[str, Any]) -> None:
    if wrong := list(faults(body, schema, "" if isinstance(body, dict) else "body")):
        raise unfit(wrong)


def _identity(task_id: str | None, prefix: str | None) -> dict[str, str]:
    return {"id": task_id or new_id(), "prefix": (prefix or "").strip("/")}


def _answer(
    status: HTTPStatus, body: dict[str, Any], kind: str = "application/json", **headers: str
) -> Answer:
    text = json.dumps(body)
    return {"statusCode": int(status), "headers": {"Content-Type": kind, **headers}, "body": text}


def _refused(problem: ProblemError) -> Answer:
    return _answer(problem.status, problem.document(), "application/problem+json", **problem.headers)


def _log(event: Event, answer: Answer, began: float) -> None:
    """One line a request; no bodies, no keys."""
    line = {
        "method": event["httpMethod"],
        "path": event["path"],
        "status": answer["statusCode"],
        "milliseconds": round((time.monotonic() - began) * 1000),
    }
    log.info(json.dumps(line))
