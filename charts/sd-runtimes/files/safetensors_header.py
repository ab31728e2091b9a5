"""The header of a .safetensors file: what tensors it holds, where, and of which type in PyTorch.

https://github.com/huggingface/safetensors#format
"""

import functools
import json
import math
import re

# https://github.com/huggingface/safetensors/blob/v0.8.0/bindings/python/py_src/safetensors/torch.py (_TYPES)
# Types of less than a byte are left to the package: their shape in the file is not the tensor's.
DTYPES = {
    "F64": "float64",
    "F32": "float32",
    "F16": "float16",
    "BF16": "bfloat16",
    "F8_E4M3": "float8_e4m3fn",
    "F8_E4M3FNUZ": "float8_e4m3fnuz",
    "F8_E5M2": "float8_e5m2",
    "F8_E5M2FNUZ": "float8_e5m2fnuz",
    "C64": "complex64",
    "I64": "int64",
    "I32": "int32",
    "I16": "int16",
    "I8": "int8",
    "U64": "uint64",
    "U32": "uint32",
    "U16": "uint16",
    "U8": "uint8",
    "BOOL": "bool",
}
# Of less than a byte, or without a type in every PyTorch: the package reads such tensors.
OTHER_DTYPES = {"F4", "F6_E2M3", "F6_E3M2", "F8_E8M0"}
# The package refuses longer headers.
MAX_HEADER_BYTES = 100_000_000


class UnknownFormatError(Exception):
    """A file that this module does not read: the package decides what it is, and what to say about it."""


def parse(read, size):
    """The header of a safetensors file of `size` bytes, of which `read(count, offset)` gives a part.

    Returns the metadata, the entries by name in the order of their data, and where the data starts.
    """
    if size < 8:
        raise UnknownFormatError
    length = int.from_bytes(read(8, 0), "little")
    if not 0 < length <= min(MAX_HEADER_BYTES, size - 8):
        raise UnknownFormatError
    try:
        header = json.loads(bytes(read(length, 8)).decode())
        metadata = header.pop("__metadata__", None)
        if not all(isinstance(text, str) for text in (metadata or {}).values()):
            raise UnknownFormatError
        entries = dict(sorted(header.items(), key=lambda item: item[1]["data_offsets"]))
        end = 0
        for entry in entries.values():
            begin, stop = entry["data_offsets"]
            if begin != end or stop < begin or not is_known(entry, stop - begin):
                raise UnknownFormatError
            end = stop
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise UnknownFormatError from None
    if 8 + length + end != size:
        raise UnknownFormatError
    return metadata, entries, 8 + length


def is_known(entry, size):
    """Whether the type and the shape of a tensor are those of such files, and make `size` bytes."""
    known = entry["dtype"] in DTYPES or entry["dtype"] in OTHER_DTYPES
    whole = all(type(side) is int and side >= 0 for side in entry["shape"])
    return known and whole and math.prod(entry["shape"]) * bits(entry["dtype"]) == 8 * size


@functools.cache
def bits(name):
    """How many bits a number of a type of the file has: 4 for F4, 8 for F8_E4M3."""
    return 8 if name == "BOOL" else int(re.sub("^[A-Z]+|_.*", "", name))


@functools.cache
def torch_type(name):
    """PyTorch's type for a type of the file, and its bytes; None and 0 if it is not known."""
    import torch  # noqa: PLC0415 - programs without PyTorch import this file too

    dtype = getattr(torch, DTYPES.get(name, ""), None)
    return dtype, 0 if dtype is None else torch.empty(0, dtype=dtype).element_size()


def type_of(entry):
    """PyTorch's type for a tensor, and its bytes; None and 0 if it is not known, or does not fit the data."""
    dtype, size = torch_type(entry["dtype"])
    begin, end = entry["data_offsets"]
    return (dtype, size) if dtype and math.prod(entry["shape"]) * size == end - begin else (None, 0)
