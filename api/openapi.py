"""The OpenAPI document of the API, made from the schemas that requests are validated with."""

from typing import Any

from queue_agent.task.protocol import TaskState, WebhookState

from api.comfy_openapi import comfy_paths, comfy_schemas
from api.content_schema import content_schemas
from api.index import ENTRY_PATTERN
from api.listing import DEFAULT_TASKS, MAX_TASKS
from api.schema import legacy_task_schema, path_parameter, task_schema
from api.settings import Settings
from api.uploads import UPLOAD_SCHEMA, UPLOADS_PATH
from api.webhook_signatures import SECRET_PREFIX

TEXT = {"type": "string"}
TEXTS = {"type": "array", "items": TEXT}
LINK = {"type": "string", "format": "uri"}
URLS = {"status_url": LINK, "cancel_url": LINK}
TIME = {"type": "string", "format": "date-time"}
CANCELLING = {"type": "boolean", "description": "The task runs; its agent stops it within seconds."}
PROBLEMS = {
    400: "The request does not match the schema; `errors` names the fields",
    403: "The API key is missing or wrong",
    404: "There is no such runtime, model or task",
    405: "The path does not support this method",
    409: "Another task has this id, or the task has ended",
    413: "Too large for SNS: pass images as URLs",
    429: "Too many requests with this API key",
    500: "Internal error",
    503: "AWS did not answer: repeat the request, with the same id",
}
TASKS_PATH = "/v1alpha2/{runtime}"
TASK_PATH = "/v1alpha2/{runtime}/{id}"
RUNTIMES_PATH, RUNTIME_PATH, HEALTH_PATH = "/runtimes", "/runtimes/{runtime}", "/health"
WEBHOOK_SECRET_PATH = "/webhook-secret"  # noqa: S105 (a path)


def document(settings: Settings, stage: str) -> dict[str, Any]:
    """The OpenAPI document of this solution's API."""
    operations = {
        "/v1alpha2": {
            "post": _post("submitTask", "Send a task", _tasks(settings), _accepted("id", "runtime"))
        },
        "/v1alpha1": {
            "post": _post(
                "submitLegacyTask",
                "Send a task in the v1alpha1 format",
                legacy_task_schema(settings.by_model()),
                _accepted("id_task", "sd_model_checkpoint", "runtime"),
            )
        },
        TASKS_PATH: {"parameters": [_parameter("runtime")], "get": _listing()},
        TASK_PATH: {
            "parameters": [_parameter("runtime"), _parameter("id")],
            "get": _operation("getTask", "Get the state of a task", _status(), 400, 404),
            "delete": _operation("cancelTask", "Cancel a task", _cancelled(), 400, 404, 409),
        },
        **_discovery(),
        UPLOADS_PATH: {
            "post": _post("newUpload", "Get a URL to upload an input to", UPLOAD_SCHEMA, _place()),
        },
        WEBHOOK_SECRET_PATH: {
            "get": _operation(
                "getWebhookSecret",
                "Get the secret with which this key's webhooks are signed (https://www.standardwebhooks.com)",
                _all_required({"secret": {"type": "string", "pattern": f"^{SECRET_PREFIX}"}}),
            )
        },
        **comfy_paths(settings.of_type("comfyui")),
        "/openapi.json": {"get": _operation("getDescription", "Get this document", {"type": "object"})},
    }
    return {
        "openapi": "3.1.0",
        "info": {"title": f"Image generation by {settings.stack}", "version": "1"},
        "servers": [{"url": f"/{stage}"}],
        "security": [{"key": []}, {"token": []}],
        "paths": operations,
        "components": {
            "securitySchemes": {
                "key": {"type": "apiKey", "in": "header", "name": "x-api-key"},
                "token": {"type": "http", "scheme": "bearer", "description": "The same key"},
            },
            "schemas": {"Problem": _problem(), **comfy_schemas()},
        },
    }


def _discovery() -> dict[str, Any]:
    """The paths that describe the solution."""
    described = {"name": TEXT, "type": TEXT, "tasktypes": TEXTS, "tasks_url": LINK}
    optional = {
        "model": TEXT,
        "timeout_seconds": {"type": "number"},
        "priority_queue": {"type": "boolean", "description": "Tasks of high priority have a queue."},
        "comfy_url": LINK,
    }
    runtime = {**_all_required(described), "properties": described | optional}
    counts = {name: {"type": "integer"} for name in ("waiting", "running", "dead_lettered")}
    whole_queue = _all_required(counts)
    whole_queue["properties"] = counts | {"oldest_seconds": {"type": "integer"}}
    queue = {"queue": whole_queue}
    more = {"models": TEXTS, "expected_wait_seconds": {"type": "number"}}
    whole = _all_required(described | queue)
    whole["properties"] = described | queue | optional | more
    limits = {"type": "object", "additionalProperties": {"type": "number"}}
    every = _all_required({"runtimes": {"type": "array", "items": runtime}, "limits": limits})
    return {
        RUNTIMES_PATH: {"get": _operation("listRuntimes", "List the runtimes", every)},
        RUNTIME_PATH: {
            "parameters": [_parameter("runtime")],
            "get": _operation("getRuntime", "Get a runtime, its models and its queue", whole, 400, 404),
        },
        HEALTH_PATH: {
            "get": _operation("getApiHealth", "Is the API there?", _all_required({"status": TEXT}))
        },
    }


def _listing() -> dict[str, Any]:
    """The operation that lists tasks, with its parameters."""
    whole = {"type": "integer", "minimum": 1, "maximum": MAX_TASKS, "default": DEFAULT_TASKS}
    states = {"type": "array", "items": {"enum": list(TaskState)}}
    schemas = {
        "limit": whole,
        "cursor": {"type": "string", "pattern": ENTRY_PATTERN, "description": "`next_cursor` of a page."},
        "status": states,
        "created_after": TIME,
        "created_before": TIME,
    }
    parameters = [{"name": name, "in": "query", "schema": schema} for name, schema in schemas.items()]
    item = {"id": TEXT, "runtime": TEXT, "status": {"enum": list(TaskState)}, **URLS}
    page = {"runtime": TEXT, "tasks": {"type": "array", "items": _all_required(item)}}
    result = {**_all_required(page), "properties": page | {"next_cursor": TEXT}}
    operation = _operation("listTasks", "List your tasks on a runtime, newest first", result, 400, 404)
    return {**operation, "parameters": parameters}


def _tasks(settings: Settings) -> dict[str, Any]:
    variants = [
        _described(task_schema(name, settings.of_type(name)), tasktypes, content)
        for name in settings.types()
        for tasktypes, content in content_schemas(name)
    ]
    return variants[0] if len(variants) == 1 else {"anyOf": variants}


def _described(schema: dict[str, Any], tasktypes: tuple[str, ...], content: dict[str, Any]) -> dict[str, Any]:
    """The schema of a task with what is known of its content."""
    task = schema["properties"]["task"]["properties"]
    task["content"] |= content
    if tasktypes:
        task["metadata"]["properties"]["tasktype"]["enum"] = list(tasktypes)
    return schema


def _post(name: str, summary: str, schema: dict[str, Any], result: dict[str, Any]) -> dict[str, Any]:
    body = {"required": True, "content": {"application/json": {"schema": schema}}}
    return {**_operation(name, summary, result, 400, 404, 409, 413, 503), "requestBody": body}


def _operation(name: str, summary: str, result: dict[str, Any], *statuses: int) -> dict[str, Any]:
    success = {"description": "Success", "content": {"application/json": {"schema": result}}}
    problems = {
        str(status): _problem_response(PROBLEMS[status])
        for status in sorted({*statuses, 403, 405, 429, 500, 503})
    }
    return {"operationId": name, "summary": summary, "responses": {"200": success, **problems}}


def _problem_response(description: str) -> dict[str, Any]:
    schema = {"$ref": "#/components/schemas/Problem"}
    return {"description": description, "content": {"application/problem+json": {"schema": schema}}}


def _parameter(name: str) -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, "schema": path_parameter(name)}


def _accepted(*names: str) -> dict[str, Any]:
    return _all_required(dict.fromkeys(names, TEXT) | {"output_location": TEXT} | URLS)


def _cancelled() -> dict[str, Any]:
    states = [TaskState.CANCELLED, TaskState.RUNNING]
    required = {"id": TEXT, "runtime": TEXT, "status": {"enum": states}}
    return {**_all_required(required), "properties": required | {"cancelling": CANCELLING}}


def _status() -> dict[str, Any]:
    number = {"type": "number"}
    required = {
        "id": TEXT,
        "runtime": TEXT,
        "status": {"enum": list(TaskState)},
        "images": {"type": "array", "items": LINK},
        "output_location": TEXT,
        **URLS,
    }
    optional = {
        "attempt": {"type": "integer"},
        "cancelling": CANCELLING,
        "context": {},
        "created": TIME,
        "duration": number,
        "error": {"type": "object", "properties": {"code": TEXT, "message": TEXT}},
        "finished": number,
        "finished_at": TIME,
        "model": TEXT,
        "output_problems": {
            "type": "array",
            "items": TEXT,
            "description": "Why pictures are stored as the runtime made them, not as `output` asks for.",
        },
        "thumbnails": {
            "type": "array",
            "items": {"oneOf": [LINK, {"type": "null"}]},
            "description": "A link to the thumbnail of each image, in their order; null for what has none.",
        },
        "node": {"type": "string", "description": "The node of the workflow that is at work."},
        "progress": {"type": "number", "minimum": 0, "maximum": 1},
        "expected_wait_seconds": number,
        "queued_seconds": number,
        "seed": {"type": "integer"},
        "started": number,
        "started_at": TIME,
        "step": {"type": "integer"},
        "steps": {"type": "integer"},
        "webhook": _webhook_schema(),
    }
    return {**_all_required(required), "properties": required | optional}


def _place() -> dict[str, Any]:
    """Where to put a file, and the address by which tasks name it."""
    headers = _all_required({"content-type": TEXT, "content-length": TEXT})
    places = {"address": TEXT, "method": {"enum": ["PUT"]}, "url": LINK, "headers": headers}
    return _all_required(places | {"url_expires_at": TIME, "expires_at": TIME})


def _webhook_schema() -> dict[str, Any]:
    """The state of the webhook of a task that has ended."""
    required = {"state": {"enum": list(WebhookState)}}
    optional = {
        "attempts": {"type": "integer"},
        "last_attempt_at": TIME,
        "next_attempt_at": TIME,
        "http_status": {"type": "integer"},
        "error": TEXT,
    }
    return {**_all_required(required), "properties": required | optional}


def _all_required(properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "required": list(properties), "properties": properties}


def _problem() -> dict[str, Any]:
    error = _all_required({"field": TEXT, "detail": TEXT})
    return {
        "type": "object",
        "required": ["type", "title", "detail"],
        "properties": {
            "type": TEXT,
            "title": TEXT,
            "status": {"type": "integer"},
            "detail": TEXT,
            "errors": {"type": "array", "items": error},
        },
    }
