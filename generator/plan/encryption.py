"""What encrypts the data of a solution at rest."""

from collections.abc import Iterator, Sequence

from generator.plan.model import Encryption
from generator.solution.model import Solution


def encryption(solution: Solution) -> Iterator[Encryption]:
    """One line for each kind of data that kmsKeys has a key for."""
    keys = solution.keys
    yield Encryption("models", _listed(keys.models, "as the buckets are"))
    if any(runtime.input_buckets for runtime in solution.runtimes):
        yield Encryption("inputs", _listed(keys.inputs, "as the buckets are"))
    yield Encryption("output buckets", keys.outputs or "keys of S3 (SSE-S3)")
    yield Encryption("queues", keys.messages or "keys of SQS (SSE-SQS)")
    yield Encryption("topics", keys.messages or "not encrypted at rest")
    yield Encryption("volumes of nodes", keys.volumes or "the account's default key for EBS")
    if solution.existing_cluster is None:
        yield Encryption("Secrets of Kubernetes", keys.secrets or "a key that AWS owns")


def _listed(keys: Sequence[str], otherwise: str) -> str:
    return ", ".join(keys) or otherwise
