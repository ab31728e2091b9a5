"""Reads .safetensors files for PyTorch from front to back, each tensor into the memory in which it stays.

`sitecustomize.py` puts this module's `SafeOpen`, `load_file` and `load` in the place of the package's own.
What this module does not know is left to the package: other frameworks, rare types, invalid files. From 0.8
on the package can read as well (backend="pread"), and is told to. For what this module knows, that would be
slower: the package fills its memory with zeros before it reads, and lists the names in alphabetical order,
in which programs then read (figures: docs/model-loading.md).
"""

import ctypes
import errno
import inspect
import os
import threading
import warnings

import safetensors_header as header

TORCH_NAMES = {"pt", "torch", "pytorch"}
# The buffers through which a file gets to a GPU: one is read into while the others are copied from.
PART_BYTES, PARTS = 16 << 20, 4
# The package's own functions, its error, and whether it can read in place of mapping (0.8).
PACKAGE = {}
# The system's own: `os.preadv` wants an object for each piece of memory, and thousands of tensors are small.
pread = ctypes.CDLL(None, use_errno=True).pread
pread.argtypes = (ctypes.c_int, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_long)
pread.restype = ctypes.c_ssize_t
# Has `on` set in a thread that wants names and shapes only, which a mapping gives without reading the file.
LOOKING = threading.local()


def is_gpu(device):
    """Whether a device is one of CUDA's (or ROCm's, which has the same name)."""
    return isinstance(device, int) or str(device).partition(":")[0] == "cuda"


class Staging:
    """Pinned memory between a file and a GPU; without it, each tensor is read into new memory first."""

    def __init__(self, read):
        import torch  # noqa: PLC0415

        self._read, self._lock, self._next = read, threading.Lock(), 0
        self._parts = [
            (torch.empty(PART_BYTES, dtype=torch.uint8, pin_memory=True), torch.cuda.Event())
            for _ in range(PARTS)
        ]

    def fill(self, tensor, count, offset):
        """Start to fill a tensor on a GPU with `count` bytes from `offset`."""
        import torch  # noqa: PLC0415

        target = tensor.reshape(-1).view(torch.uint8)
        with self._lock:
            for done in range(0, count, PART_BYTES):
                size = min(PART_BYTES, count - done)
                memory, event = self._parts[self._next]
                self._next = (self._next + 1) % PARTS
                event.synchronize()
                self._read(memory.data_ptr(), size, offset + done)
                target[done : done + size].copy_(memory[:size], non_blocking=True)
                event.record(torch.cuda.current_stream(tensor.device))

    def finish(self):
        """Wait until all tensors are filled: any stream of the GPU may use them then."""
        with self._lock:
            for _, event in self._parts:
                event.synchronize()


class Descriptor:
    """An open file, closed when nothing has it any more."""

    def __init__(self, filename):
        self.number = os.open(filename, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))

    def __del__(self):
        number, self.number = getattr(self, "number", None), None
        if number is not None:
            os.close(number)


class SafeOpen:
    """In the place of `safetensors.safe_open`: the same methods, without a mapping. Threads may share one."""

    def __new__(cls, filename, framework, device="cpu", **more):
        """A reader of this class, or the package's own for what this class does not read."""
        if framework in TORCH_NAMES:
            reader = super().__new__(cls)
            try:
                reader._open(filename, device)
            except header.UnknownFormatError:
                reader._close()
            else:
                return reader
        return package_open(filename, framework=framework, device=device, **more)

    def _open(self, filename, device):
        self._filename, self._device = filename, device
        self._descriptor = Descriptor(filename)
        size = os.fstat(self._descriptor.number).st_size
        self._metadata, self._entries, self._start = header.parse(self._header, size)
        self._stage = Staging(self._read) if size > PARTS * PART_BYTES and is_gpu(device) else None

    def _close(self):
        self._descriptor = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._close()

    def keys(self):
        """Names of the tensors in the order of the file: read in this order, the file is read in one go."""
        self._check_open()
        return list(self._entries)

    offset_keys = keys

    def metadata(self):
        """The texts that the file carries."""
        self._check_open()
        return self._metadata

    def get_tensor(self, name):
        """One tensor, on the device asked for."""
        tensor = self._tensor(name)
        if self._stage:
            self._stage.finish()
        return tensor

    def _tensor(self, name):
        import torch  # noqa: PLC0415

        entry = self._entry(name)
        dtype, _ = header.type_of(entry)
        if dtype is None:
            with package_open(self._filename, framework="pt", device=self._device) as file:
                return file.get_tensor(name)
        begin, end = entry["data_offsets"]
        if self._stage and begin < end:
            tensor = torch.empty(entry["shape"], dtype=dtype, device=self._device)
            self._stage.fill(tensor, end - begin, self._start + begin)
            return tensor
        tensor = torch.empty(entry["shape"], dtype=dtype)
        self._read(tensor.data_ptr(), end - begin, self._start + begin)
        return tensor if str(self._device) == "cpu" else tensor.to(self._device)

    def get_tensors(self):
        """All tensors by name."""
        tensors = {name: self._tensor(name) for name in self.keys()}
        if self._stage:
            self._stage.finish()
        return tensors

    def get_slice(self, name):
        """A tensor of which a part is wanted, also after this file is closed."""
        entry, own = self._entry(name), object.__new__(SafeOpen)
        own.__dict__.update(self.__dict__)
        return SafeSlice(own, name, entry)

    def _check_open(self):
        if self._descriptor is None:
            raise PACKAGE["error"]("File is closed")

    def _entry(self, name):
        self._check_open()
        if name not in self._entries:
            raise PACKAGE["error"](f"File does not contain tensor {name}")
        return self._entries[name]

    def _header(self, count, offset):
        return os.pread(self._descriptor.number, count, offset)

    def _read(self, address, count, offset):
        # With an offset of its own, so that another thread's read does not move this one's.
        end = offset + count
        while offset < end:
            step = pread(self._descriptor.number, address, end - offset, offset)
            if step > 0:
                address, offset = address + step, offset + step
            elif not step:
                raise OSError(f"{self._filename} ends after {offset} bytes")
            elif ctypes.get_errno() != errno.EINTR:
                raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), str(self._filename))


class SafeSlice:
    """What `get_slice` gives."""

    def __init__(self, file, name, entry):
        self._file, self._name, self._entry = file, name, entry

    def get_shape(self):
        """The tensor's shape."""
        return list(self._entry["shape"])

    def get_dtype(self):
        """The tensor's type, in the file's spelling."""
        return self._entry["dtype"]

    def __getitem__(self, index):
        return self._file.get_tensor(self._name)[index]


def locate(filename):
    """The path at which a file is opened: another one where the pod downloads it (direct_models.py)."""
    return filename


def package_open(filename, **more):
    """The package's own `safe_open`, which reads if it can."""
    filename = locate(filename)
    if PACKAGE["reads"]:
        more["backend"] = "pread"
    return PACKAGE["safe_open"](filename, **more)


def load_file(filename, device="cpu", **more):
    """In the place of `safetensors.torch.load_file`."""
    if getattr(LOOKING, "on", False):
        return PACKAGE["load_file"](filename, device=device, **more)
    with SafeOpen(filename, framework="pt", device=device) as file:
        if isinstance(file, SafeOpen):
            return file.get_tensors()
        return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - a file, not a dict


def load(data):
    """In the place of `safetensors.torch.load`: the tensors are the bytes given, without a copy.

    SD WebUI reads a file into bytes and loads those: a copy would double the memory that a checkpoint takes.
    """
    import torch  # noqa: PLC0415

    # Other buffers may change later.
    if type(data) is not bytes:
        return PACKAGE["load"](data)
    try:
        _, entries, start = header.parse(lambda count, offset: data[offset : offset + count], len(data))
    except header.UnknownFormatError:
        return PACKAGE["load"](data)
    types = [header.type_of(entry) for entry in entries.values()]
    if (None, 0) in types:
        return PACKAGE["load"](data)
    tensors = {}
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The given buffer is not writable")
        for (name, entry), (dtype, size) in zip(entries.items(), types):  # noqa: B905 - not in Python 3.9
            begin, end = entry["data_offsets"]
            if begin == end:
                tensors[name] = torch.empty(entry["shape"], dtype=dtype)
                continue
            flat = torch.frombuffer(data, dtype=dtype, count=(end - begin) // size, offset=start + begin)
            tensors[name] = flat.reshape(entry["shape"])
    return tensors


def change_package(module):
    """Put `safe_open` into the package."""
    PACKAGE["safe_open"] = module.safe_open
    PACKAGE["error"] = getattr(module, "SafetensorError", Exception)
    PACKAGE["reads"] = "backend" in inspect.signature(module.safe_open).parameters
    module.safe_open = SafeOpen


def change_package_torch(module):
    """Put `load_file` and `load` into the package's part for PyTorch."""
    # The original looks its `safe_open` up in its module: it stays the one that maps.
    module.safe_open = PACKAGE["safe_open"]
    PACKAGE["load_file"], PACKAGE["load"] = module.load_file, module.load
    module.load_file, module.load = load_file, load
