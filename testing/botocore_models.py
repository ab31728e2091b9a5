"""One reading of botocore's service models for all sessions: several megabytes of JSON each otherwise."""

import contextlib
from collections.abc import Iterator

import pytest
from botocore.loaders import create_loader


@contextlib.contextmanager
def shared_models() -> Iterator[None]:
    """Let every botocore session that is created in this block use the same loader."""
    loader = create_loader()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("botocore.session.create_loader", lambda *_: loader)
        yield
