"""Shared answers: a question that several threads have for AWS is asked once."""

from collections.abc import Callable
from concurrent.futures import Future
from threading import Lock
from typing import Any, TypeVar

from generator.aws.clients import Aws

Answer = TypeVar("Answer")


class Asker:
    """AWS clients for threads that run at the same time."""

    def __init__(self, clients: Aws) -> None:
        self.clients = clients
        self._answers: dict[str, Future[Any]] = {}
        self._lock = Lock()

    def client(self, service: str, region: str | None = None) -> Any:
        """The client of a service, in another region where one is given."""
        return self.clients.client(service, region)

    def once(self, key: str, ask: Callable[["Asker"], Answer]) -> Answer:
        """The answer to the question `key`; later callers wait for the first. Raises what `ask` raised."""
        with self._lock:
            first = key not in self._answers
            future: Future[Answer] = self._answers.setdefault(key, Future())
        if first:
            try:
                future.set_result(ask(self))
            except Exception as error:  # every thread that waits for the answer gets it
                future.set_exception(error)
        return future.result()
