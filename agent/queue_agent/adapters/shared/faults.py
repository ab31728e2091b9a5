"""Whose fault an error of a runtime is: the task's, the node's or the GPU's. Pure."""

from collections.abc import Iterator, Mapping
from typing import Any

from queue_agent.adapters.shared.http import REASON_MAX_CHARACTERS, Response
from queue_agent.contract import EXECUTION_ERROR, RuntimeUnavailable, TaskError

# Of the GPU: torch.OutOfMemoryError or torch.cuda.OutOfMemoryError, by the version of PyTorch.
# cuDNN finds no engine when the memory that is left has no room for any.
OUT_OF_MEMORY = ("outofmemoryerror", "out of memory", "was unable to find an engine to execute")
# After these the process cannot use its GPU any more: every further call fails in the same way. Texts of
# CUDA, cuDNN, cuBLAS, NCCL, HIP, PyTorch (c10/cuda/CUDAException.cpp, torch/cuda/__init__.py), CuPy
# (CUDARuntimeError), ONNX Runtime (CUDA failure) and TensorRT (Cuda Runtime).
DEVICE = (
    "cuda error",
    "cuda_error_",
    "cudaerror",
    "cuda failure",
    "cuda runtime",
    "cudaruntimeerror",
    "cuda call failed",
    "cudagetdevicecount",
    "cuda-capable device",
    "cuda kernel errors might be asynchronously reported",
    "torch.cuda.is_available() is false",
    "support for cuda devices",
    "error [cuda]",
    "cuda driver",
    "cuda initialization",
    "cuda unknown error",
    "cudnn",
    "cublas",
    "cusolver",
    "cusparse",
    "cufft",
    "nccl",
    "hip error",
    "hsa_status_error",
    "memory access fault by gpu",
    "0 active drivers",
    "hiperror",
    "no hip gpus are available",
    "miopenstatus",
    "nvml",
    "gpu is lost",
    "fallen off the bus",
    "device handle for gpu",
    "communicate with the nvidia driver",
    "acceleratorerror",
    "device-side assert",
    "illegal memory access",
    "unspecified launch failure",
    "uncorrectable ecc",
    "ecc error",
    "no cuda gpus are available",
    "found no nvidia driver",
    "nvidia driver on your system",
    "driver/library version mismatch",
    "not compiled with cuda",
)
# The machine under the runtime: its mounts, disks, memory and files.
NODE = (
    "transport endpoint is not connected",
    "stale file handle",
    "stale nfs file handle",
    "input/output error",
    "remote i/o error",
    "[errno 5]",
    "[errno 19]",
    "no such device or address",
    "structure needs cleaning",
    "software caused connection abort",
    "no space left on device",
    "unexpected pos",  # of PyTorch, which has written less than it wanted
    "disk is full",
    "database is locked",
    "disk quota exceeded",
    "too many open files",
    "resource temporarily unavailable",
    "host is down",
    "not enough memory",
    "cannot allocate memory",
    "can't allocate memory",
    "memoryerror",
    "unable to allocate",
    "failed to allocate memory",
    "bad_alloc",
    "can't start new thread",
    "bus error",
    # A process that a node has started, and that the kernel ended: for its memory, or a page that it lost.
    "signals.sigkill",
    "signals.sigbus",
    "killed by signal",
    "brokenprocesspool",
)
# The network, and the hubs from which a runtime fetches models and configs.
NETWORK = (
    "localentrynotfounderror",
    "couldn't connect to",
    "cannot connect to host",
    "max retries exceeded",
    "connectionerror",
    "connectionreseterror",
    "connecterror",
    "all connection attempts failed",
    "connecttimeout",
    "connection timeout",
    "readtimeout",
    "servertimeouterror",
    "socket.timeout",
    "timeouterror: timed out",
    "read operation timed out",
    "write operation timed out",
    "handshake operation timed out",
    "proxyerror",
    "tunnel connection failed",
    "connection refused",
    "connection reset",
    "connection aborted",
    "connection timed out",
    "connection broken",
    "remote end closed connection",
    "server disconnected",
    "peer closed connection",
    "payload is not completed",
    "incompleteread",
    "unexpected_eof_while_reading",
    "eof occurred in violation of protocol",
    "urlopen error timed out",
    "certificate verify failed",
    # Of requests, of urllib (`HTTP Error 503`) and of httpx (`Server error '503 …`).
    "500 server error",
    "502 server error",
    "503 server error",
    "504 server error",
    "too many requests for url",
    "http error 429",
    "http error 500",
    "http error 502",
    "http error 503",
    "http error 504",
    "client error '429",
    "server error '50",
    "does not seem to be on huggingface.co",
    "trying to load it from 'https://huggingface.co",
    "offline mode",
    "network is unreachable",
    "no route to host",
    "temporary failure in name resolution",
)
# A host that does not exist is the task's fault, unless it is a hub: then the node has no access to it.
UNKNOWN_HOST = (
    "name or service not known",
    "failed to resolve",
    "could not resolve host",
    "no address associated with hostname",
    "getaddrinfo failed",
)
HUBS = ("huggingface", "hf.co", "github", "modelscope", "civitai", "download.pytorch.org")
# A gateway's word for a runtime that is away or overloaded, and 507 for a full disk.
RETRY_STATUSES = (408, 425, 429, 502, 503, 504, 507)
# What frameworks answer with 500 when they say nothing of the exception (Starlette, aiohttp, Django).
WITHOUT_REASON = (
    "",
    "internal server error",
    "server error (500)",
    "500 internal server error\n\nserver got itself in trouble",
)


ALL_MARKS = (*OUT_OF_MEMORY, *DEVICE, *NODE, *NETWORK, *UNKNOWN_HOST)
# Exceptions about a value, which they repeat. Those of a GPU, a disk or a network are others.
VALUE_ERRORS = (
    "AttributeError",
    "FileNotFoundError",
    "IndexError",
    "JSONDecodeError",
    "KeyError",
    "LookupError",
    "NameError",
    "SyntaxError",
    "TypeError",
    "UnidentifiedImageError",
    "ValueError",
)
# A longer text in a task is a file in base64.
MAX_WORDS_CHARACTERS = 2**16
NO_WORDS: frozenset[str] = frozenset()


def words_of(content: Any) -> frozenset[str]:
    """Which of the texts that tell faults apart the task itself has, as in the name of a file.

    Where a runtime repeats such a name in its error, it says nothing about the machine.
    """
    words = "\n".join(_texts(content)).lower()
    return frozenset(mark for mark in ALL_MARKS if mark in words)


def execution_error(
    kind: str, message: str, place: str, own: frozenset[str] = NO_WORDS
) -> TaskError | RuntimeUnavailable:
    """The error of a task whose run ended with an exception of class `kind`; `place` is where.

    `own`: `words_of` its content, which count for nothing in an exception about a value.
    """
    prefix = f"{place}: " if place else ""
    reason = f"{prefix}{kind}: {message.strip()}"[:REASON_MAX_CHARACTERS]
    own = own if _repeats(kind) else NO_WORDS
    return runtime_error(f"{kind}: {message}", reason, own) or TaskError(EXECUTION_ERROR, reason)


def failed_response(
    response: Response, refusals: tuple[str, ...] = (), own: frozenset[str] = NO_WORDS
) -> TaskError | RuntimeUnavailable:
    """The error of a task whose request was answered with 4xx or 5xx.

    `refusals` are parts of a 500 with which the runtime refuses a task before it runs. A 500 that gives no
    reason is not taken for the task's fault. `own`: `words_of` its content.
    """
    reason = response.reason()
    text = f"{response.status}: {reason}"[:REASON_MAX_CHARACTERS]
    if response.status in RETRY_STATUSES:
        return RuntimeUnavailable("runtime_error", text)
    if response.status < 500 or _has(reason, refusals):
        return TaskError("rejected", text)
    if response.content_type == "text/html" or reason.strip().lower() in WITHOUT_REASON:
        return RuntimeUnavailable("runtime_error", text)
    own = own if _repeats(reason.partition(":")[0]) else NO_WORDS
    return runtime_error(reason, text, own) or TaskError(EXECUTION_ERROR, reason)


def runtime_error(text: str, reason: str, own: frozenset[str] = NO_WORDS) -> RuntimeUnavailable | None:
    """The error when `text` is about GPU, node or network; None when the task itself is at fault."""
    lower = text.lower()
    if _has(lower, OUT_OF_MEMORY, own):
        return RuntimeUnavailable("out_of_memory", reason)
    if _has(lower, DEVICE, own):
        return RuntimeUnavailable("device_error", reason, needs_restart=True)
    if _has(lower, NODE, own):
        return RuntimeUnavailable("node_error", reason)
    if _has(lower, UNKNOWN_HOST, own):
        return RuntimeUnavailable("network_error", reason) if _has(lower, HUBS) else None
    return RuntimeUnavailable("network_error", reason) if _has(lower, NETWORK, own) else None


def _repeats(kind: str) -> bool:
    """Whether exceptions of this class are about a value; `kind` may have the name of its module."""
    return kind.rpartition(".")[2] in VALUE_ERRORS


def _has(text: str, marks: tuple[str, ...], own: frozenset[str] = NO_WORDS) -> bool:
    return any(mark in text and mark not in own for mark in marks)


def _texts(value: Any) -> Iterator[str]:
    """Every text in a JSON value, except files."""
    if isinstance(value, str):
        if len(value) <= MAX_WORDS_CHARACTERS:
            yield value
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield str(key)
            yield from _texts(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _texts(item)
