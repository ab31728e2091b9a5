"""Whose fault an error of a runtime is: the task's, the node's or the GPU's. Pure."""

from queue_agent.adapters.shared.http import REASON_MAX_CHARACTERS, Response
from queue_agent.contract import EXECUTION_ERROR, RuntimeUnavailable, TaskError

# Of the GPU: torch.OutOfMemoryError or torch.cuda.OutOfMemoryError, by the version of PyTorch.
OUT_OF_MEMORY = ("outofmemoryerror", "out of memory")
# After these the process cannot use its GPU any more: every further call fails in the same way. Texts of
# CUDA, cuDNN, cuBLAS, NCCL, HIP and PyTorch (c10/cuda/CUDAException.cpp, torch/cuda/__init__.py).
DEVICE = (
    "cuda error",
    "cuda_error_",
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
    "nvml",
    "gpu is lost",
    "acceleratorerror",
    "device-side assert",
    "illegal memory access",
    "unspecified launch failure",
    "uncorrectable ecc",
    "no cuda gpus are available",
    "no cuda-capable device",
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
    "no space left on device",
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
)
# The network, and the hubs from which a runtime fetches models and configs.
NETWORK = (
    "localentrynotfounderror",
    "couldn't connect to",
    "cannot connect to host",
    "max retries exceeded",
    "connectionerror",
    "connectionreseterror",
    "connecttimeout",
    "readtimeout",
    "connection refused",
    "connection reset",
    "connection aborted",
    "connection timed out",
    "connection broken",
    "remote end closed connection",
    "server disconnected",
    "incompleteread",
    "unexpected_eof_while_reading",
    "urlopen error timed out",
    "certificate verify failed",
    "500 server error",
    "502 server error",
    "503 server error",
    "504 server error",
    "too many requests for url",
    "offline mode",
    "network is unreachable",
    "no route to host",
    "temporary failure in name resolution",
)
# A host that does not exist is the task's fault, unless it is a hub: then the node has no access to it.
UNKNOWN_HOST = ("name or service not known", "failed to resolve", "getaddrinfo failed")
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


def execution_error(kind: str, message: str, place: str) -> TaskError | RuntimeUnavailable:
    """The error of a task whose run ended with an exception of class `kind`; `place` is where."""
    reason = f"{place}: {kind}: {message.strip()}"[:REASON_MAX_CHARACTERS]
    return runtime_error(f"{kind}: {message}", reason) or TaskError(EXECUTION_ERROR, reason)


def failed_response(response: Response, refusals: tuple[str, ...] = ()) -> TaskError | RuntimeUnavailable:
    """The error of a task whose request was answered with 4xx or 5xx.

    `refusals` are parts of a 500 with which the runtime refuses a task before it runs. A 500 that gives no
    reason is not taken for the task's fault.
    """
    reason = response.reason()
    text = f"{response.status}: {reason}"[:REASON_MAX_CHARACTERS]
    if response.status in RETRY_STATUSES:
        return RuntimeUnavailable("runtime_error", text)
    if response.status < 500 or _has(reason, refusals):
        return TaskError("rejected", text)
    if response.content_type == "text/html" or reason.strip().lower() in WITHOUT_REASON:
        return RuntimeUnavailable("runtime_error", text)
    return runtime_error(reason, text) or TaskError(EXECUTION_ERROR, reason)


def runtime_error(text: str, reason: str) -> RuntimeUnavailable | None:
    """The error when `text` is about GPU, node or network; None when the task itself is at fault."""
    lower = text.lower()
    if _has(lower, OUT_OF_MEMORY):
        return RuntimeUnavailable("out_of_memory", reason)
    if _has(lower, DEVICE):
        return RuntimeUnavailable("device_error", reason, needs_restart=True)
    if _has(lower, NODE):
        return RuntimeUnavailable("node_error", reason)
    if _has(lower, UNKNOWN_HOST):
        return RuntimeUnavailable("network_error", reason) if _has(lower, HUBS) else None
    return RuntimeUnavailable("network_error", reason) if _has(lower, NETWORK) else None


def _has(text: str, marks: tuple[str, ...]) -> bool:
    return any(mark in text for mark in marks)
