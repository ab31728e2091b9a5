"""Containers of the images that `make test-images` has built."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from testing.images import Containers, Image
from tests.images.runtime_images import Server, running


@pytest.fixture
def containers(tmp_path: Path) -> Iterator[Containers]:
    with Containers(tmp_path) as started:
        yield started


@pytest.fixture(scope="module")
def server(
    request: pytest.FixtureRequest, image: Image, bucket: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """The runtime of the module's POD, with the module's bucket."""
    with running(image, request.module.POD, bucket, tmp_path_factory.mktemp("server")) as started:
        yield started
