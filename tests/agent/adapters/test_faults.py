"""Whose fault the error of a runtime is. The texts are those of the programs that raise them."""

import pytest
from queue_agent.adapters.shared.faults import execution_error, words_of
from queue_agent.contract import RuntimeUnavailable, TaskError

DEVICE = [
    ("RuntimeError", "CUDA error: an illegal memory access was encountered"),
    ("torch.AcceleratorError", "CUDA error: device-side assert triggered"),
    ("RuntimeError", "CUDA error: unspecified launch failure\nCUDA kernel errors might be reported later"),
    ("RuntimeError", "cuDNN error: CUDNN_STATUS_EXECUTION_FAILED"),
    ("RuntimeError", "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
    (
        "torch.distributed.DistBackendError",
        "NCCL error in: ProcessGroupNCCL.cpp:1970, system error",
    ),
    ("RuntimeError", "No CUDA GPUs are available"),
    ("RuntimeError", "Found no NVIDIA driver on your system. Please check that you have an NVIDIA GPU"),
    ("RuntimeError", "The NVIDIA driver on your system is too old (found version 11040)."),
    ("RuntimeError", "CUDA unknown error - this may be due to an incorrectly set up environment"),
    ("RuntimeError", "HIP error: invalid device function"),
    ("AssertionError", "Torch not compiled with CUDA enabled"),
    ("RuntimeError", "Triton Error [CUDA]: device kernel image is invalid"),
    ("cupy_backends.cuda.api.driver.CUDADriverError", "CUDA_ERROR_ILLEGAL_ADDRESS: an error"),
    ("RuntimeError", "NVML_SUCCESS == r INTERNAL ASSERT FAILED at CUDACachingAllocator.cpp:838"),
    ("pynvml.NVMLError_GpuIsLost", "GPU is lost"),
    ("RuntimeError", "hipErrorNoBinaryForGpu: Unable to find code object for all current devices"),
    ("RuntimeError", "HSA_STATUS_ERROR_EXCEPTION: An HSAIL operation resulted in a hardware exception"),
    ("RuntimeError", "0 active drivers ([]). There should only be one."),
    ("RuntimeError", "Unexpected error from cudaGetDeviceCount(). Error 802: system not yet initialized"),
    ("torch.cuda.DeferredCudaCallError", "CUDA call failed lazily at initialization with error: device >= 0"),
    ("RuntimeError", "all CUDA-capable devices are busy or unavailable"),
    ("RuntimeError", "Attempting to deserialize object on CUDA but torch.cuda.is_available() is False"),
    ("RuntimeError", "PyTorch is not linked with support for cuda devices"),
    ("onnxruntime.capi.onnxruntime_pybind11_state.Fail", "CUDA failure 999: unknown error ; GPU=0"),
    ("cupy_backends.cuda.api.runtime.CUDARuntimeError", "cudaErrorMisalignedAddress: misaligned address"),
    ("RuntimeError", "[TRT] Error Code 1: Cuda Runtime (invalid resource handle)"),
    ("RuntimeError", "No HIP GPUs are available"),
    ("RuntimeError", "miopenStatusUnknownError"),
    ("RuntimeError", "Unable to determine the device handle for GPU 0000:00:1E.0: Unknown Error"),
    ("Exception", "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver."),
    ("RuntimeError", "GPU has fallen off the bus"),
]
MEMORY = [
    ("torch.OutOfMemoryError", "Allocation on device"),
    ("torch.cuda.OutOfMemoryError", "CUDA out of memory. Tried to allocate 2.00 GiB."),
    ("RuntimeError", "CUDA error: out of memory"),
    ("RuntimeError", "GET was unable to find an engine to execute this computation"),
]
NODE = [
    ("OSError", "[Errno 107] Transport endpoint is not connected: '/opt/ml/code/models/checkpoints'"),
    ("OSError", "[Errno 116] Stale file handle: '/opt/ml/code/models/a.safetensors'"),
    ("OSError", "[Errno 5] Input/output error"),
    ("OSError", "[Errno 28] No space left on device: '/data/output/a.png'"),
    ("OSError", "[Errno 24] Too many open files"),
    ("OSError", "[Errno 12] Cannot allocate memory"),
    ("MemoryError", ""),
    ("numpy._core._exceptions._ArrayMemoryError", "Unable to allocate 3.00 GiB for an array"),
    ("RuntimeError", "unable to mmap 4265146304 bytes from file: Cannot allocate memory (12)"),
    ("RuntimeError", "can't start new thread"),
    ("RuntimeError", "DefaultCPUAllocator: not enough memory: you tried to allocate 4294967296 bytes"),
    ("BlockingIOError", "[Errno 11] Resource temporarily unavailable"),
    ("OSError", "[Errno 112] Host is down: '/opt/ml/code/models'"),
    ("OSError", "[Errno 121] Remote I/O error: '/opt/ml/code/models/a.safetensors'"),
    ("OSError", "[Errno 19] No such device: '/opt/ml/code/models'"),
    ("RuntimeError", "std::bad_alloc"),
    ("onnxruntime.capi.onnxruntime_pybind11_state.RuntimeException", "Failed to allocate memory for 64"),
    ("subprocess.CalledProcessError", "Command '['ffmpeg']' died with <Signals.SIGKILL: 9>."),
    ("RuntimeError", "DataLoader worker (pid 123) is killed by signal: Killed."),
    ("concurrent.futures.process.BrokenProcessPool", "A process in the pool was terminated abruptly"),
    ("OSError", "[Errno 117] Structure needs cleaning: '/data/output'"),
    ("OSError", "[Errno 103] Software caused connection abort: '/opt/ml/code/models'"),
    ("OSError", "[Errno 6] No such device or address"),
    ("RuntimeError", "[enforce fail at inline_container.cc:626] . unexpected pos 576 vs 470"),
]
NETWORK = [
    ("OSError", "We couldn't connect to 'https://huggingface.co' to load this file"),
    ("huggingface_hub.errors.LocalEntryNotFoundError", "An error happened while trying to locate the file"),
    ("requests.exceptions.ConnectionError", "HTTPSConnectionPool(host='huggingface.co', port=443)"),
    ("urllib3.exceptions.MaxRetryError", "Max retries exceeded with url: /api/models"),
    ("urllib.error.URLError", "<urlopen error [Errno -2] Name or service not known> https://github.com/x"),
    ("urllib.error.URLError", "<urlopen error [Errno -3] Temporary failure in name resolution>"),
    ("urllib.error.URLError", "<urlopen error timed out>"),
    ("aiohttp.client_exceptions.ServerDisconnectedError", "Server disconnected"),
    ("ssl.SSLEOFError", "[SSL: UNEXPECTED_EOF_WHILE_READING] EOF occurred in violation of protocol"),
    ("http.client.IncompleteRead", "IncompleteRead(512 bytes read, 1024 more expected)"),
    ("httpx.ReadError", "[Errno 113] No route to host"),
    ("http.client.RemoteDisconnected", "Remote end closed connection without response"),
    ("requests.exceptions.HTTPError", "503 Server Error: Service Unavailable for url: https://hf.co/x"),
    ("requests.exceptions.HTTPError", "429 Client Error: Too Many Requests for url: https://hf.co/x"),
    ("requests.exceptions.SSLError", "certificate verify failed: unable to get local issuer certificate"),
    ("requests.exceptions.ChunkedEncodingError", "Connection broken: IncompleteRead(5 bytes read)"),
    ("huggingface_hub.errors.OfflineModeIsEnabled", "Cannot reach https://huggingface.co/x: offline mode"),
    ("urllib.error.HTTPError", "HTTP Error 503: Service Unavailable"),
    ("urllib.error.HTTPError", "HTTP Error 429: Too Many Requests"),
    ("httpx.HTTPStatusError", "Server error '502 Bad Gateway' for url 'https://huggingface.co/x'"),
    ("httpx.HTTPStatusError", "Client error '429 Too Many Requests' for url 'https://huggingface.co/x'"),
    ("httpx.ConnectError", "All connection attempts failed"),
    ("httpx.RemoteProtocolError", "peer closed connection without sending complete message body"),
    ("ssl.SSLError", "EOF occurred in violation of protocol (_ssl.c:1007)"),
    ("TimeoutError", "The read operation timed out"),
    ("socket.timeout", "timed out"),
    ("aiohttp.client_exceptions.ConnectionTimeoutError", "Connection timeout to host https://hf.co/x"),
    ("aiohttp.client_exceptions.ClientPayloadError", "Response payload is not completed"),
    ("RuntimeError", "fatal: unable to access 'https://github.com/a/b/': Could not resolve host: github.com"),
    ("OSError", "[Errno -5] No address associated with hostname: huggingface.co"),
    (
        "OSError",
        "Can't load tokenizer for 'a'. If you were trying to load it from 'https://huggingface.co/models'",
    ),
    ("huggingface_hub.errors.FileMetadataError", "Distant resource does not seem to be on huggingface.co."),
]
TASK = [
    ("ValueError", "could not broadcast input array from shape (3,64,64) into shape (3,32,32)"),
    (
        "RuntimeError",
        "The size of tensor a (96) must match the size of tensor b (64) at dimension 3",
    ),
    ("RuntimeError", "mat1 and mat2 shapes cannot be multiplied (77x2048 and 768x320)"),
    ("FileNotFoundError", "[Errno 2] No such file or directory: '/data/input/x.png'"),
    ("PermissionError", "[Errno 13] Permission denied: '/etc/x'"),
    ("Exception", "**** ERROR: Saving image outside the output folder is not allowed."),
    ("TypeError", "unsupported operand type(s) for +: 'int' and 'str'"),
    ("urllib.error.URLError", "<urlopen error [Errno -2] Name or service not known>"),
    ("huggingface_hub.errors.RepositoryNotFoundError", "404 Client Error. Repository Not Found for url"),
    ("requests.exceptions.HTTPError", "404 Client Error: Not Found for url: https://example.com/a.png"),
    ("ValueError", "steps timed out of range"),
    ("RuntimeError", "PytorchStreamReader failed reading zip archive: failed finding central directory"),
    ("RuntimeError", "Expected all tensors to be on the same device, but found cuda:0 and cpu!"),
    ("NotImplementedError", "Could not run 'aten::empty' with arguments from the 'CUDA' backend."),
    ("urllib.error.HTTPError", "HTTP Error 403: Forbidden"),
    ("RuntimeError", "Could not resolve host: no-such-host.example"),
    ("OSError", "[Errno 36] File name too long: '/data/output/a.png'"),
]


@pytest.mark.parametrize(("kind", "message"), DEVICE)
def test_an_error_of_the_gpu_is_no_fault_of_the_task_and_needs_a_restart(kind: str, message: str):
    error = execution_error(kind, message, "KSampler")

    assert isinstance(error, RuntimeUnavailable)
    assert (error.code, error.needs_restart) == ("device_error", True)


@pytest.mark.parametrize(
    ("kind", "message", "code"),
    [(*case, "out_of_memory") for case in MEMORY]
    + [(*case, "node_error") for case in NODE]
    + [(*case, "network_error") for case in NETWORK],
)
def test_an_error_of_the_node_is_worth_another_try(kind: str, message: str, code: str):
    error = execution_error(kind, message, "KSampler")

    assert isinstance(error, RuntimeUnavailable)
    assert (error.code, error.needs_restart) == (code, False)


@pytest.mark.parametrize(("kind", "message"), TASK)
def test_any_other_error_is_the_tasks(kind: str, message: str):
    error = execution_error(kind, message, "KSampler")

    assert isinstance(error, TaskError) and error.code == "execution_error"
    assert error.message.startswith(f"KSampler: {kind}: ")


def test_what_the_task_itself_says_does_not_count_in_an_exception_about_a_value():
    own = words_of({"1": {"inputs": {"image": "NCCL.png", "text": ["nothing", {"CUDA error": 1}]}}})

    assert own == {"nccl", "cuda error"}
    assert isinstance(execution_error("ValueError", "no such file: nccl.png", "N", own), TaskError)
    assert isinstance(execution_error("ValueError", "cuDNN error: nccl", "N", own), RuntimeUnavailable)
    assert isinstance(execution_error("RuntimeError", "NCCL error", "N", own), RuntimeUnavailable)
    assert words_of({"image": "nccl" * 20_000}) == set()  # a file in base64
