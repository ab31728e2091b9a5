"""The HTTP API in API Gateway: routes, body validation, error responses, access log. The rest is in api/."""

import json
from dataclasses import dataclass
from typing import Any

from generator.solution import names

PROBLEM = "'application/problem+json'"
TOO_LARGE = (
    "A task may have at most 5 MB, an asset 4 MB: send larger pictures as URLs or by POST /v1alpha2/uploads."
)
TOO_FAST = "This key exceeds the rate of its usage plan. Retry after one second, with exponential backoff."
TOO_MANY = "This key has used up the quota of its usage plan. Retry when the next period begins."
NO_OBJECT = (
    "The body must be a JSON object: with the key `task` for /v1alpha2, `alwayson_scripts` for /v1alpha1."
)
WRONG_KEY = "No valid key of this API: send one as `x-api-key: KEY` or as `Authorization: Bearer KEY`."
NO_SUCH_PATH = "This path does not exist; GET /openapi.json lists the paths."


@dataclass(frozen=True)
class Resource:
    """One part of a path; without a parent it is below the root."""

    id: str
    part: str
    parent: str | None = None


@dataclass(frozen=True)
class Model:
    """The JSON Schema that a body must match before the function is called."""

    id: str
    schema: dict[str, Any]


@dataclass(frozen=True)
class Method:
    """One HTTP method of one resource. With `ANY` the function decides which methods are allowed.

    `public`: without a key, as browsers send their preflight requests.
    """

    id: str
    resource: str
    verb: str
    model: str | None = None
    parameters: tuple[str, ...] = ()
    public: bool = False


@dataclass(frozen=True)
class Refusal:
    """An error response of API Gateway itself: a problem document (RFC 9457), as the function's own are."""

    id: str
    type: str
    status: int | None
    code: str  # of the Comfy API
    detail: str
    retry_after_seconds: int | None = None

    def headers(self, *, cors: bool) -> dict[str, str]:
        """The response headers; API Gateway quotes constants. With `cors` any web page may read them."""
        headers = {"Content-Type": PROBLEM}
        if self.retry_after_seconds is not None:
            headers["Retry-After"] = f"'{self.retry_after_seconds}'"
        if cors:
            headers |= {
                "Access-Control-Allow-Origin": "'*'",
                "Access-Control-Expose-Headers": "'Retry-After'",
            }
        return {f"gatewayresponse.header.{name}": value for name, value in headers.items()}

    @property
    def template(self) -> str:
        """The mapping template of the response body."""
        body: dict[str, Any] = {"type": "about:blank", "title": TITLES.get(self.status, "Refused")}
        if self.status is not None:
            body["status"] = self.status
        # $context.error.messageString is already quoted.
        detail = json.dumps(self.detail) if self.detail else "$context.error.messageString"
        # Clients of the Comfy API read `error`.
        error = f'{{"code": "{self.code}", "message": {detail}, "details": null}}'
        return f'{json.dumps(body)[:-1]}, "detail": {detail}, "error": {error}}}'


TITLES: dict[int | None, str] = {
    400: "Bad Request",
    403: "Forbidden",
    404: "Not Found",
    413: "Content Too Large",
    429: "Too Many Requests",
}

RESOURCES = (
    Resource("V1alpha1", "v1alpha1"),
    Resource("V1alpha2", "v1alpha2"),
    Resource("V1alpha2Runtime", "{runtime}", "V1alpha2"),
    Resource("V1alpha2Uploads", "uploads", "V1alpha2"),
    Resource("V1alpha2Task", "{id}", "V1alpha2Runtime"),
    Resource("Runtimes", "runtimes"),
    Resource("RuntimesRuntime", "{runtime}", "Runtimes"),
    Resource("Health", "health"),
    Resource("WebhookSecretResource", "webhook-secret"),
    Resource("OpenApi", "openapi.json"),
    Resource("Comfy", "comfy"),
    Resource("ComfyRuntime", "{runtime}", "Comfy"),
    Resource("ComfyPath", "{proxy+}", "ComfyRuntime"),
)
# Only what API Gateway can reject with a message that names the field; tests compare it with api/schema.py.
MODELS = (
    Model("V1alpha1Body", {"type": "object", "required": ["alwayson_scripts"]}),
    Model("V1alpha2Body", {"type": "object", "required": ["task"]}),
)
METHODS = (
    Method("PostV1alpha1", "V1alpha1", "POST", model="V1alpha1Body"),
    Method("PostV1alpha2", "V1alpha2", "POST", model="V1alpha2Body"),
    Method("AnyV1alpha1", "V1alpha1", "ANY"),
    Method("AnyV1alpha2", "V1alpha2", "ANY"),
    Method("AnyV1alpha2Runtime", "V1alpha2Runtime", "ANY", parameters=("runtime",)),
    Method("AnyV1alpha2Task", "V1alpha2Task", "ANY", parameters=("runtime", "id")),
    Method("AnyRuntimes", "Runtimes", "ANY"),
    Method("AnyRuntimesRuntime", "RuntimesRuntime", "ANY", parameters=("runtime",)),
    Method("AnyHealth", "Health", "ANY"),
    Method("AnyV1alpha2Uploads", "V1alpha2Uploads", "ANY"),
    Method("AnyWebhookSecret", "WebhookSecretResource", "ANY"),
    Method("AnyOpenApi", "OpenApi", "ANY"),
    Method("AnyComfyPath", "ComfyPath", "ANY", parameters=("runtime", "proxy")),
)
# Bodies of this type reach the function as bytes, in base64; of other types as text.
BINARY_TYPES = ("multipart/form-data",)
REFUSALS = (
    Refusal("BadBody", "BAD_REQUEST_BODY", 400, "invalid_request", NO_OBJECT),
    # The authorizer refuses a request without a key, API Gateway one with a wrong key.
    Refusal("NoKey", "ACCESS_DENIED", 403, "unauthorized", WRONG_KEY),
    Refusal("WrongKey", "INVALID_API_KEY", 403, "unauthorized", WRONG_KEY),
    # For an unknown path API Gateway answers 403, "Missing Authentication Token".
    Refusal("NoSuchPath", "MISSING_AUTHENTICATION_TOKEN", 404, "not_found", NO_SUCH_PATH),
    Refusal("TooLarge", "REQUEST_TOO_LARGE", 413, "payload_too_large", TOO_LARGE),
    Refusal("TooFast", "THROTTLED", 429, "rate_limited", TOO_FAST, retry_after_seconds=1),
    Refusal("TooMany", "QUOTA_EXCEEDED", 429, "rate_limited", TOO_MANY),
    Refusal("AnyOther4xx", "DEFAULT_4XX", None, "invalid_request", ""),
    Refusal("AnyOther5xx", "DEFAULT_5XX", None, "upstream_error", ""),
)
LOG_FIELDS = {
    "time": "requestTime",
    "requestId": "requestId",
    "ip": "identity.sourceIp",
    "key": "identity.apiKeyId",
    "method": "httpMethod",
    "path": "path",
    "status": "status",
    "bytes": "responseLength",
    "milliseconds": "responseLatency",
    "error": "error.responseType",
    "trace": "xrayTraceId",
}


def methods(*, cors: bool) -> tuple[Method, ...]:
    """Every method; with `cors` also those of the preflight requests."""
    resources = dict.fromkeys(method.resource for method in METHODS)
    preflight = (Method(f"Options{name}", name, "OPTIONS", public=True) for name in resources)
    return (*METHODS, *(preflight if cors else ()))


def invocation(partition: str, region: str) -> str:
    """How API Gateway addresses a function, for Fn::Sub; `%s` stands for its logical ID."""
    actions = names.arn(partition, "apigateway", region, "lambda", "path/2015-03-31/functions")
    return f"{actions}/${{%s.Arn}}/invocations"


def log_format() -> str:
    """The format of a line of the access log."""
    return json.dumps({name: f"$context.{variable}" for name, variable in LOG_FIELDS.items()})
