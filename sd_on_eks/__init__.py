"""A client of the HTTP API: sends tasks, waits for them, lists and cancels them, downloads their pictures."""

from sd_on_eks.aio import AsyncClient
from sd_on_eks.client import Client
from sd_on_eks.errors import (
    ApiError,
    ApiUnreachableError,
    KeyRefusedError,
    TaskFailedError,
    TaskRefusedError,
    TooLongError,
    WebhookVerificationError,
)
from sd_on_eks.models import ENDED, Receipt, RuntimeInfo, TaskStatus
from sd_on_eks.webhooks import verify_webhook

__all__ = [
    "ENDED",
    "ApiError",
    "ApiUnreachableError",
    "AsyncClient",
    "Client",
    "KeyRefusedError",
    "Receipt",
    "RuntimeInfo",
    "TaskFailedError",
    "TaskRefusedError",
    "TaskStatus",
    "TooLongError",
    "WebhookVerificationError",
    "verify_webhook",
]
