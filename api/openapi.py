"""The API's description of itself, made from the schemas that requests are checked against."""

from typing import Any

from api.schema import legacy_task, path_parameter, task
from api.settings import Settings

STATUSES = ("queued", "running", "completed", "failed", "cancelled")
TEXT = {"type": "string"}
LINK = {"type": "string", "format": "uri"}
REFUSALS = {
    400: "The request is not what the schema says; `errors` names the fields",
    403: "No key, or a wrong one",
    404: "No such runtime, model or task",
    405: "No such method here",
    409: "The id is another task's, or the task cannot be cancelled any more",
    413: "Too large for SNS: pass pictures as URLs",
    429: "Too fast for this key",
    500: "A fault of this service",
    503: "AWS did not answer: repeat it, with the same id",
}
TASK_PATH = "/v1alpha2/{runtime}/{id}"


def document(settings: Settings, stage: str) -> dict[str, Any]:
    """The OpenAPI document of this solution's API."""
    operations = {
        "/v1alpha2": {
            "post": _post("submitTask", "Send a task", _tasks(settings), _accepted("id", "runtime"))
        },
        "/v1alpha1": {
            "post": _post(
                "submitLegacyTask",
                "Send a task in the form of v1alpha1",
                legacy_task(settings.by_model()),
                _accepted("id_task", "sd_model_checkpoint", "runtime"),
            )
        },
        TASK_PATH: {
            "parameters": [_parameter("runtime"), _parameter("id")],
            "get": _operation("getTask", "How a task fares", _status(), 400, 404),
            "delete": _operation("cancelTask", "Cancel a task that waits", _cancelled(), 400, 404, 409),
        },
        "/openapi.json": {"get": _operation("getDescription", "This document", {"type": "object"})},
    }
    return {
        "openapi": "3.1.0",
        "info": {"title": f"Image generation by {settings.stack}", "version": "1"},
        "servers": [{"url": f"/{stage}"}],
        "security": [{"key": []}],
        "paths": operations,
        "components": {
            "securitySchemes": {"key": {"type": "apiKey", "in": "header", "name": "x-api-key"}},
            "schemas": {"Problem": _problem()},
        },
    }


def _tasks(settings: Settings) -> dict[str, Any]:
    variants = [task(kind, settings.of_type(kind)) for kind in settings.types()]
    return variants[0] if len(variants) == 1 else {"anyOf": variants}


def _post(name: str, summary: str, schema: dict[str, Any], answer: dict[str, Any]) -> dict[str, Any]:
    body = {"required": True, "content": {"application/json": {"schema": schema}}}
    return {**_operation(name, summary, answer, 400, 404, 409, 413, 503), "requestBody": body}


def _operation(name: str, summary: str, answer: dict[str, Any], *refusals: int) -> dict[str, Any]:
    done = {"description": "Done", "content": {"application/json": {"schema": answer}}}
    told = {
        str(status): _refusal(REFUSALS[status]) for status in sorted({*refusals, 403, 405, 429, 500, 503})
    }
    return {"operationId": name, "summary": summary, "responses": {"200": done, **told}}


def _refusal(description: str) -> dict[str, Any]:
    schema = {"$ref": "#/components/schemas/Problem"}
    return {"description": description, "content": {"application/problem+json": {"schema": schema}}}


def _parameter(name: str) -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, "schema": path_parameter(name)}


def _accepted(*names: str) -> dict[str, Any]:
    return _closed(dict.fromkeys(names, TEXT) | {"output_location": TEXT})


def _cancelled() -> dict[str, Any]:
    return _closed({"id": TEXT, "runtime": TEXT, "status": {"const": "cancelled"}})


def _status() -> dict[str, Any]:
    number = {"type": "number"}
    always = {
        "id": TEXT,
        "runtime": TEXT,
        "status": {"enum": list(STATUSES)},
        "images": {"type": "array", "items": LINK},
        "output_location": TEXT,
    }
    sometimes = {
        "attempt": {"type": "integer"},
        "context": {},
        "duration": number,
        "error": {"type": "object", "properties": {"code": TEXT, "message": TEXT}},
        "finished": number,
        "model": TEXT,
        "seed": {"type": "integer"},
        "started": number,
    }
    schema = _closed(always)
    return {**schema, "properties": always | sometimes}


def _closed(properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "required": list(properties), "properties": properties}


def _problem() -> dict[str, Any]:
    fault = _closed({"field": TEXT, "detail": TEXT})
    return {
        "type": "object",
        "required": ["type", "title", "detail"],
        "properties": {
            "type": TEXT,
            "title": TEXT,
            "status": {"type": "integer"},
            "detail": TEXT,
            "errors": {"type": "array", "items": fault},
        },
    }
