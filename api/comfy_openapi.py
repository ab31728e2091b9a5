"""The routes of the Comfy API v2 in the OpenAPI document; `id` of a job is followed by what belongs to it."""

from collections.abc import Iterable, Mapping
from typing import Any

from api.comfy_assets import MEDIA_TYPE_PATTERN
from api.comfy_errors import ERROR_CODES
from api.comfy_ids import HASH_PATTERN
from api.comfy_workflow import (
    LABEL_KEY_PATTERN,
    LABEL_VALUE_PATTERN,
    MAX_FILTERS,
    MAX_LABEL_CHARACTERS,
    MAX_LABELS,
    PARTNER_KEY,
)
from api.index import ENTRY_PATTERN

_STR: dict[str, Any] = {"type": "string"}
_WHOLE: dict[str, Any] = {"type": "integer"}
_DATE: dict[str, Any] = {"type": "string", "format": "date-time"}
_URI: dict[str, Any] = {"type": "string", "format": "uri"}
_LABEL_SCHEMA = {"type": "string", "maxLength": MAX_LABEL_CHARACTERS, "pattern": LABEL_VALUE_PATTERN}
_LABELS_SCHEMA = {
    "type": "object",
    "propertyNames": {"pattern": LABEL_KEY_PATTERN},
    "additionalProperties": _LABEL_SCHEMA,
}
_HASH_TEXT = {"type": "string", "pattern": HASH_PATTERN}
_JSON_TYPE, _PROBLEM_TYPE = "application/json", "application/problem+json"
_STATUS = {"enum": ["queued", "running", "succeeded", "canceling", "canceled", "failed", "expired"]}


def comfy_paths(runtimes: Iterable[str]) -> dict[str, Any]:
    """The paths for these ComfyUI runtimes; none without any."""
    names = list(runtimes)
    if not names:
        return {}
    runtime = _path_param("runtime", {"type": "string", "enum": names})
    return {
        f"/comfy/{{runtime}}/api/v2/{path}": {"parameters": [runtime, *parameters], **operations}
        for path, (parameters, operations) in _operations().items()
    }


def comfy_schemas() -> dict[str, Any]:
    """The components that the paths refer to."""
    return {"ComfyError": _error_schema(), "ComfyJob": _job_schema(), "ComfyAsset": _asset_schema()}


def _operations() -> dict[str, tuple[list[dict[str, Any]], dict[str, Any]]]:
    """The parameters and the operations of each path."""
    health = _op("getHealth", "Is the API there?", {200: _ok(_obj({"status": {"const": "healthy"}}))})
    return {**_job_operations(), **_asset_operations(), "health": ([], {"get": health})}


def _job_operations() -> dict[str, tuple[list[dict[str, Any]], dict[str, Any]]]:
    one, job = [_path_param("id", _STR)], _ok({"$ref": "#/components/schemas/ComfyJob"})
    workflow = _ok(_obj({"workflow": {"type": "object"}, "format": {"const": "api"}}))
    listing = _op("listJobs", "List jobs, newest first", {200: _ok(_list_schema())}, 400)
    submit = _op("submitJob", "Submit a workflow", {201: job}, 400, 413, 422)
    submit |= _key_parameter() | _json_body(_submission_schema())
    return {
        "jobs": ([], {"get": listing | _list_parameters(), "post": submit}),
        "jobs/{id}": (one, {"get": _op("getJob", "Get a job", {200: job})}),
        "jobs/{id}/workflow": (one, {"get": _op("getJobWorkflow", "Get a workflow", {200: workflow})}),
        "jobs/{id}/events": (one, {"get": _op("getJobEvents", "Follow a job", {200: _events_response()})}),
        "jobs/{id}/cancel": (one, {"post": _op("cancelJob", "Cancel a job", {200: job})}),
    }


def _asset_operations() -> dict[str, tuple[list[dict[str, Any]], dict[str, Any]]]:
    one, digest = [_path_param("id", _STR)], [_path_param("hash", _HASH_TEXT)]
    asset, yes = _ok({"$ref": "#/components/schemas/ComfyAsset"}), {"description": "It is there"}
    link, gone = {"description": "A short-lived link"}, {"description": "It is deleted"}
    known = _op("headAssetByHash", "Whether you have bytes with this hash", {200: yes})
    delete = _op("deleteAsset", "Delete an upload", {204: gone}, 409)
    content = {
        "get": _op("getAssetContent", "Get the content", {302: link}),
        "head": _op("headAssetContent", "Whether there is content", {302: link}),
    }
    return {
        "assets": ([], {"post": _upload_operation(asset)}),
        "assets/from-hash": ([], {"post": _from_hash_operation(asset)}),
        "assets/by-hash/{hash}": (digest, {"head": known}),
        "assets/{id}": (one, {"get": _op("getAsset", "Get an asset", {200: asset}), "delete": delete}),
        "assets/{id}/content": (one, content),
    }


def _op(name: str, summary: str, successes: Mapping[int, Any], *statuses: int) -> dict[str, Any]:
    refusals = sorted({*statuses, 403, 404, 405, 429, 500, 503})
    answers = {**successes, **{status: _refused_with(status) for status in refusals}}
    return {
        "operationId": name,
        "summary": summary,
        "tags": ["Comfy API v2"],
        "responses": {str(status): answer for status, answer in answers.items()},
    }


def _refused_with(status: int) -> dict[str, Any]:
    """API Gateway's own refusals are problem documents that have the same `error`."""
    content = {"schema": {"$ref": "#/components/schemas/ComfyError"}}
    codes = ", ".join(ERROR_CODES[status])
    return {"description": f"Codes: {codes}", "content": {_JSON_TYPE: content, _PROBLEM_TYPE: content}}


def _upload_operation(asset: dict[str, Any]) -> dict[str, Any]:
    fields = {
        "file": {"type": "string", "format": "binary"},
        "content_type": {"type": "string", "pattern": MEDIA_TYPE_PATTERN},
        "file_path": {"type": "string", "pattern": "^[A-Za-z0-9_-]+[.]png$"},
        "expected_hash": _HASH_TEXT,
    }
    form = {"type": "object", "required": ["file", "file_path"], "properties": fields}
    body = {"required": True, "content": {"multipart/form-data": {"schema": form}}}
    answers = {200: asset, 201: asset}
    return _op("uploadAsset", "Upload a file of at most 4 MB", answers, 400, 409, 413, 422) | {
        "requestBody": body
    }


def _from_hash_operation(asset: dict[str, Any]) -> dict[str, Any]:
    schema = {**_obj({"hash": _HASH_TEXT}), "properties": {"hash": _HASH_TEXT, "file_path": _STR}}
    operation = _op("assetFromHash", "Get the upload with these bytes", {200: asset}, 400, 422)
    return operation | _json_body(schema)


def _submission_schema() -> dict[str, Any]:
    node = _obj({"class_type": {"type": "string", "minLength": 1}, "inputs": {"type": "object"}})
    partner = {"type": "object", "required": [PARTNER_KEY], "properties": {PARTNER_KEY: _STR}}
    return {
        "type": "object",
        "required": ["workflow"],
        "additionalProperties": False,
        "properties": {
            "workflow": {"type": "object", "minProperties": 1, "additionalProperties": node},
            "metadata": {**_LABELS_SCHEMA, "maxProperties": MAX_LABELS},
            "extra_data": {**partner, "additionalProperties": False},
        },
    }


def _list_parameters() -> dict[str, Any]:
    filters = {**_LABELS_SCHEMA, "maxProperties": MAX_FILTERS}
    return {
        "parameters": [
            _param("query", "limit", {"type": "integer", "minimum": 1, "maximum": 100}),
            _param("query", "cursor", {"type": "string", "pattern": ENTRY_PATTERN}),
            {**_param("query", "metadata", filters), "style": "deepObject", "explode": True},
        ]
    }


def _key_parameter() -> dict[str, Any]:
    return {
        "parameters": [
            _param("header", "Idempotency-Key", {"type": "string", "minLength": 1, "maxLength": 255})
        ]
    }


def _list_schema() -> dict[str, Any]:
    times = dict.fromkeys(("create_time", "update_time"), _DATE)
    item = _obj(
        {"id": _STR, "status": _STATUS, **times, "deployment_id": _STR, "metadata": {"type": "object"}}
    )
    jobs = {"type": "array", "items": item}
    return {**_obj({"jobs": jobs}), "properties": {"jobs": jobs, "next_cursor": _STR}}


def _job_schema() -> dict[str, Any]:
    share = {"type": "number", "minimum": 0, "maximum": 1}
    address = {"type": "string", "format": "uri-reference"}
    return _obj(
        {
            **{"id": _STR, "status": _STATUS, "created_at": _DATE, "expires_at": _DATE},
            **dict.fromkeys(("started_at", "completed_at"), _nullable(_DATE)),
            "queue_position": {"type": "null"},
            "progress": _nullable(_obj({"value": share, "nodes_done": _WHOLE, "nodes_total": _WHOLE})),
            "outputs": {"type": "array", "items": _output_schema()},
            "error": _nullable(_obj({"code": _STR, "message": _STR})),
            "metrics": _obj(dict.fromkeys(("queue_ms", "execution_ms"), _nullable(_WHOLE))),
            "metadata": {"type": "object", "additionalProperties": _STR},
            "urls": _obj(dict.fromkeys(("self", "events", "cancel"), address)),
        }
    )


def _output_schema() -> dict[str, Any]:
    kinds = {"enum": ["image", "video", "audio", "text", "file", "latent"]}
    return _obj(
        {
            **dict.fromkeys(("node_id", "name", "content_type", "id", "job_id"), _STR),
            **{"type": kinds, "size_bytes": _WHOLE, "hash": {"type": "null"}},
            **{"url": _URI, "url_expires_at": _DATE},
        }
    )


def _asset_schema() -> dict[str, Any]:
    required = {
        **dict.fromkeys(("id", "content_type", "file_path"), _STR),
        **{"hash": _nullable(_STR), "size_bytes": _WHOLE, "created_at": _DATE},
        **{"url": _URI, "url_expires_at": _DATE},
    }
    optional = {"created_new": {"type": "boolean"}, "expires_at": _DATE, "job_id": _STR}
    return {**_obj(required), "properties": required | optional}


def _error_schema() -> dict[str, Any]:
    return _obj({"error": _obj({"code": _STR, "message": _STR, "details": {"type": ["object", "null"]}})})


def _events_response() -> dict[str, Any]:
    return {"description": "Server-sent events", "content": {"text/event-stream": {}}}


def _ok(schema: dict[str, Any]) -> dict[str, Any]:
    return {"description": "Success", "content": {_JSON_TYPE: {"schema": schema}}}


def _json_body(schema: dict[str, Any]) -> dict[str, Any]:
    return {"requestBody": {"required": True, "content": {_JSON_TYPE: {"schema": schema}}}}


def _param(place: str, name: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "in": place, "schema": schema}


def _path_param(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {**_param("path", name, schema), "required": True}


def _nullable(schema: dict[str, Any]) -> dict[str, Any]:
    return {"anyOf": [schema, {"type": "null"}]}


def _obj(required: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "required": list(required), "properties": required}
