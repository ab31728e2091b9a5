"""boto3 clients that several threads may share."""

import threading
from typing import Any

CONNECT_SECONDS = 5
READ_SECONDS = 30
# As many calls at once as preflight makes.
CONNECTIONS = 40


class Aws:
    """Clients of one region, created once and shared: boto3 clients are thread-safe, creating them is not."""

    def __init__(self, region: str) -> None:
        import boto3  # noqa: PLC0415 - slow to import, and only commands that ask AWS need it
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
