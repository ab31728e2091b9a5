"""The examples, resolved."""

from tests.cluster.conftest import solution_of

__all__ = ["solution_of"]
