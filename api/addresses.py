"""The URLs of the API as its client sees them."""

from collections.abc import Mapping
from typing import Any

from api.cors import header


def mount(event: Mapping[str, Any]) -> str:
    """What stands before the path of the API in the URL that was called: the stage, or a domain's base path.

    A proxy that changes the path says so by the stage variable `linkPrefix`.
    """
    variables = event.get("stageVariables") or {}
    full, path = event["requestContext"].get("path", ""), event["path"]
    return str(variables.get("linkPrefix") or full.removesuffix(path))


def root_url(event: Mapping[str, Any]) -> str:
    """The URL of the API that was called, without a slash at its end.

    API Gateway sets `X-Forwarded-Proto`; the local pipeline has no TLS.
    """
    headers = event.get("headers") or {}
    scheme = header(headers, "x-forwarded-proto") or "http"
    return f"{scheme}://{header(headers, 'host')}{mount(event)}"


def task_urls(root: str, runtime: str, task_id: str) -> dict[str, str]:
    """Where a task's state is read with GET, and where it is cancelled with DELETE."""
    url = f"{root}/v1alpha2/{runtime}/{task_id}"
    return {"status_url": url, "cancel_url": url}
