"""The way to AWS: one session, clients that several threads may share, errors in words."""

import threading
from typing import Any

from generator.errors import AwsError

# Refusals that a person cures with rights, not by trying again.
DENIED = frozenset(
    {"AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "AuthorizationError", "403"}
)
CONNECT_SECONDS = 5
READ_SECONDS = 30
# As many calls at once as preflight makes.
CONNECTIONS = 40


class Aws:
    """Clients of one region, made once and shared: boto3's clients are safe to share, making them is not."""

    def __init__(self, region: str) -> None:
        import boto3  # noqa: PLC0415 - slow to import, and only commands that ask AWS want it
        from botocore.config import Config  # noqa: PLC0415

        self.region = region
        self._session = boto3.Session(region_name=region)
        self._config = Config(
            connect_timeout=CONNECT_SECONDS,
            read_timeout=READ_SECONDS,
            max_pool_connections=CONNECTIONS,
            retries={"mode": "standard", "max_attempts": 3},
        )
        self._clients: dict[tuple[str, str], Any] = {}
        self._lock = threading.Lock()

    def client(self, service: str, region: str | None = None) -> Any:
        """The client of a service, in another region where one is given."""
        key = (service, region or self.region)
        with self._lock:
            if key not in self._clients:
                self._clients[key] = self._session.client(service, region_name=key[1], config=self._config)
            return self._clients[key]


def refusals() -> tuple[type[Exception], ...]:
    """What boto3 raises when AWS refuses, or cannot be reached."""
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415

    return BotoCoreError, ClientError


def code(error: Exception) -> str:
    """AWS's own code of an error, as `AccessDenied`; the exception's name where AWS did not answer."""
    response = getattr(error, "response", None)
    if isinstance(response, dict):
        return str(response.get("Error", {}).get("Code", ""))
    return type(error).__name__


def reason(error: Exception) -> str:
    """One line for a person."""
    return " ".join(str(error).split())


def refused(error: Exception, doing: str) -> AwsError:
    """What a command raises when it cannot go on."""
    return AwsError(f"{doing}: {reason(error)}")
