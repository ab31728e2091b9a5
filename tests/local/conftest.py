"""What tests on real runtimes share: `make test-comfyui`, `make test-sdwebui`, `make test-invokeai`."""

from collections.abc import AsyncIterator, Iterator

import pytest
from aiohttp import ClientSession
from queue_agent.adapters.invokeai.adapter import InvokeAi
from queue_agent.adapters.shared.http import Http

from tests.local import invokeai_server


@pytest.fixture
async def session() -> AsyncIterator[ClientSession]:
    async with ClientSession() as client:
        yield client


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a real InvokeAI."""
    with invokeai_server.running(tmp_path_factory.mktemp("invokeai")) as at:
        yield at


@pytest.fixture
def invokeai(url: str, session: ClientSession) -> InvokeAi:
    return InvokeAi(Http(session, url, invokeai_server.MAX_BYTES))
