"""The header of a safetensors file: which tensors it has. It is at the start, so the file need not be read.

https://github.com/safetensors/safetensors#format: eight bytes with its length, then JSON, then the tensors.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

LENGTH_BYTES = 8
# safetensors refuses longer ones too (MAX_HEADER_SIZE).
LENGTH_MAX = 100_000_000


class HeaderError(ValueError):
    """The bytes are not the start of a safetensors file."""


@dataclass(frozen=True)
class Tensor:
    """One tensor: its type as the file names it (F16, BF16, F8_E4M3, …), its shape, its bytes in the file."""

    dtype: str
    shape: tuple[int, ...]
    size: int

    @property
    def elements(self) -> int:
        """How many numbers it has."""
        return math.prod(self.shape)


@dataclass(frozen=True)
class Header:
    """The tensors by their names, and the size in bytes that the whole file must have."""

    tensors: Mapping[str, Tensor]
    file_size: int


def length(first: bytes) -> int:
    """The length of a header in bytes, from the first eight bytes of the file. Raises HeaderError."""
    if len(first) < LENGTH_BYTES:
        raise HeaderError(f"the file has only {len(first)} bytes")
    size = int.from_bytes(first[:LENGTH_BYTES], "little")
    if not 2 <= size <= LENGTH_MAX:
        raise HeaderError("it does not start as a safetensors file does")
    return size


def parse(text: bytes) -> Header:
    """The header from its JSON text. Raises HeaderError."""
    try:
        entries = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise HeaderError("its header is not JSON") from error
    if not isinstance(entries, dict):
        raise HeaderError("its header is not a JSON object")
    try:
        tensors = {name: _tensor(entry) for name, entry in entries.items() if name != "__metadata__"}
        end = max((int(entries[name]["data_offsets"][1]) for name in tensors), default=0)
    except (TypeError, ValueError, KeyError, IndexError, AttributeError, OverflowError) as error:
        raise HeaderError("its header does not describe tensors") from error
    return Header(tensors, LENGTH_BYTES + len(text) + end)


def _tensor(entry: Mapping[str, Any]) -> Tensor:
    begin, end = (int(offset) for offset in entry["data_offsets"])
    shape = tuple(int(side) for side in entry["shape"])
    if not 0 <= begin <= end or min(shape, default=0) < 0:
        raise HeaderError("its header describes impossible tensors")
    return Tensor(str(entry["dtype"]), shape, end - begin)
