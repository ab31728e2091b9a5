"""BLAKE3 in pure Python, against the library of its authors."""

import random
import time

import pytest
from blake3 import blake3

from api.blake3 import blake3_hex

# Around the ends of blocks (64), of chunks (1024), and of whole trees.
SIZES = [0, 1, 63, 64, 65, 1023, 1024, 1025, 2047, 2048, 2049, 3072, 3073, 4096, 5120, 31744, 32768, 100_003]


@pytest.mark.parametrize("size", SIZES)
def test_the_hash_is_that_of_the_library(size: int) -> None:
    data = random.Random(size).randbytes(size)

    assert blake3_hex(data) == blake3(data).hexdigest()


def test_the_largest_upload_is_hashed_in_a_fraction_of_the_timeout() -> None:
    data = random.Random(0).randbytes(4_400_000)
    began = time.process_time()

    assert blake3_hex(data) == blake3(data).hexdigest()

    assert time.process_time() - began < 2
