"""The signature of a webhook, as https://www.standardwebhooks.com specifies it, and the secret for it.

Every API key has a secret of its own, derived from the one secret of the stack: nothing is stored for it.
"""

import base64
import hashlib
import hmac
import time
from typing import Any

from botocore.exceptions import ClientError

# The environment variable with the secret's ARN or name.
SECRET_VARIABLE = "WEBHOOK_SECRET"  # noqa: S105 (a name)
SECRET_PREFIX = "whsec_"  # noqa: S105 (how every secret of the scheme begins)
# The version before the last rotation, which is not there before the first.
_STAGES = ("AWSCURRENT", "AWSPREVIOUS")
_CACHE_SECONDS = 300.0


class StackSecrets:
    """The secret of the stack in Secrets Manager, read again every few minutes."""

    def __init__(self, manager: Any, secret_id: str) -> None:
        self._manager, self._id = manager, secret_id
        self._secrets: list[str] = []
        self._read_at = 0.0

    def current(self) -> list[str]:
        """The secrets, the newest one first. May raise `ClientError` or `BotoCoreError`."""
        if not self._secrets or time.monotonic() - self._read_at > _CACHE_SECONDS:
            self._secrets = self._read()
            self._read_at = time.monotonic()
        return self._secrets

    def _read(self) -> list[str]:
        secrets = []
        for stage in _STAGES:
            try:
                answer = self._manager.get_secret_value(SecretId=self._id, VersionStage=stage)
            except ClientError as error:
                if stage == _STAGES[0] or error.response["Error"]["Code"] != "ResourceNotFoundException":
                    raise
            else:
                secrets.append(str(answer["SecretString"]))
        return secrets


def webhook_secret(stack_secret: str, sender: str) -> str:
    """The secret of an API key by its name, as applications configure it: `whsec_` and base64."""
    return SECRET_PREFIX + base64.b64encode(_derived(stack_secret, sender)).decode()


def webhook_headers(
    secrets: list[str], sender: str, webhook_id: str, now: int, body: bytes
) -> dict[str, str]:
    """The headers of a webhook that is sent at the Unix time `now`: one signature for each stack secret."""
    signatures = [signature(_derived(secret, sender), webhook_id, now, body) for secret in secrets]
    return {
        "webhook-id": webhook_id,
        "webhook-timestamp": str(now),
        "webhook-signature": " ".join(signatures),
    }


def signature(key: bytes, webhook_id: str, now: int, body: bytes) -> str:
    """One signature by the bytes of a secret: `v1,` and base64."""
    signed = b".".join((webhook_id.encode(), str(now).encode(), body))
    return f"v1,{base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()}"


def _derived(stack_secret: str, sender: str) -> bytes:
    return hmac.digest(stack_secret.encode(), f"webhook:{sender}".encode(), hashlib.sha256)
