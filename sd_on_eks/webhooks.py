"""Verifies the signature of a webhook: https://www.standardwebhooks.com."""

import base64
import binascii
import hashlib
import hmac
import json
import time
from collections.abc import Mapping
from typing import Any

from sd_on_eks.errors import WebhookVerificationError

SECRET_PREFIX = "whsec_"  # noqa: S105 (how every secret of the scheme begins)
VERSION = "v1,"
# A request with an older, or later, time may be one that somebody has recorded.
TOLERANCE_SECONDS = 300.0


def verify_webhook(
    body: bytes, headers: Mapping[str, str], secret: str, *, tolerance: float = TOLERANCE_SECONDS
) -> dict[str, Any]:
    """The callback in a webhook's body, once its signature is valid and its time is at most `tolerance` away.

    `body`: the bytes as they came. `headers`: of any spelling. `secret`: `whsec_…`, from
    `Client.webhook_secret`. Raises `WebhookVerificationError`.
    """
    named = {name.lower(): value for name, value in headers.items()}
    try:
        webhook_id, sent, given = (named[f"webhook-{part}"] for part in ("id", "timestamp", "signature"))
        age = abs(time.time() - int(sent))
        key = base64.b64decode(secret.removeprefix(SECRET_PREFIX), validate=True)
    except KeyError as error:
        raise WebhookVerificationError(f"the header {error.args[0]} is missing") from None
    except (ValueError, binascii.Error):
        raise WebhookVerificationError("webhook-timestamp or the secret is not valid") from None
    signed = b".".join((webhook_id.encode(), sent.encode(), body))
    digest = base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
    # While the secret of the stack is rotated there are two signatures.
    expected = (VERSION + digest).encode()
    if not any(hmac.compare_digest(expected, signature.encode()) for signature in given.split()):
        raise WebhookVerificationError(
            "no signature is valid: compare the secret, and pass the bytes as sent"
        )
    if age > tolerance:
        raise WebhookVerificationError(f"its time is {age:.0f} s from that of this clock")
    return dict(json.loads(body))
