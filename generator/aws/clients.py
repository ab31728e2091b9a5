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
        from botocore.config import Config  # noqa: PLC0415 - slow to import, and few commands ask AWS

        self.region = region
        self._session: Any = None  # created with the first client
        self._config = Config(
            connect_timeout=CONNECT_SECONDS,
            read_timeout=READ_SECONDS,
            max_pool_connections=CONNECTIONS,
            retries={"mode": "standard", "max_attempts": 3},
        )
        self._clients: dict[tuple[str, str], Any] = {}
        self._lock = threading.Lock()

    def client(self, service: str, region: str | None = None) -> Any:
        """The client of a service, in another region where one is given.

        Raises what boto3 raises: the first client reads the profile and the files in ~/.aws.
        """
        import boto3  # noqa: PLC0415 - slow to import, and few commands ask AWS

        key = (service, region or self.region)
        with self._lock:
            self._session = self._session or boto3.Session(region_name=self.region)
            if key not in self._clients:
                self._clients[key] = self._session.client(service, region_name=key[1], config=self._config)
            return self._clients[key]

    def partition(self) -> str:
        """The partition of the region, such as `aws` or `aws-cn`."""
        import boto3  # noqa: PLC0415 - slow to import, and few commands ask AWS

        return str(boto3.Session().get_partition_for_region(self.region))
