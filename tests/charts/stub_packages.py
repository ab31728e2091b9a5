"""Small stand-ins of safetensors, PyTorch, gguf and InvokeAI, which say how a file is read."""

# As much of the packages as the files meet. All versions of safetensors have these names, and map.
PACKAGES = {
    "safetensors/__init__.py": """
class SafetensorError(Exception): pass
class safe_open:
    def __init__(self, filename, framework, device="cpu"):
        import mmap
        with open(filename, "rb") as file:
            if file.read()[8:9] != b"{": raise SafetensorError("not a header")
            self.map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    def __enter__(self): return self
    def __exit__(self, *_): pass
    def keys(self): return ["w"]
    def get_tensor(self, name): return ("mapped", name, self.map)
""",
    "safetensors/torch.py": """
from safetensors import safe_open
def load_file(filename, device="cpu"):
    with safe_open(filename, framework="pt", device=device) as file:
        return {"w": file.get_tensor("w")}
def load_model(model, filename):
    model.update(load_file(filename))
def load(data): return "copied"
""",
    "torch/__init__.py": """
import ctypes, struct
from torch.serialization import load
float16, uint8 = "e", "B"
class Tensor:
    def __init__(self, dtype, memory, where=""):
        self.dtype, self.memory, self.where, self.device = dtype, memory, where, where
    def element_size(self): return struct.calcsize(self.dtype)
    def data_ptr(self): return ctypes.addressof(self.memory)
    def values(self): return [x for x, in struct.iter_unpack(self.dtype, bytes(self.memory))]
    def __getitem__(self, index):
        if not isinstance(index, slice): return self.values()[index]
        size, data = self.element_size(), memoryview(self.memory).cast("B")
        part = slice(*(None if n is None else n * size for n in (index.start, index.stop)))
        return Tensor(self.dtype, data[part], self.where)
    def copy_(self, source, non_blocking):
        cuda.started.append(lambda: self.memory.__setitem__(slice(None), bytes(source.memory)))
    def __repr__(self): return f"{self.values()}{self.where}"
    def reshape(self, shape): return self
    def view(self, dtype): return Tensor(dtype, self.memory, self.where)
    def to(self, device): return Tensor(self.dtype, self.memory, f" on {device}")
def empty(shape, dtype, device="", pin_memory=False):
    count = struct.calcsize(dtype)
    for length in shape if isinstance(shape, list) else [shape]: count *= length
    return Tensor(dtype, (ctypes.c_char * count)(), device and f" on {device}, filled")
class cuda:  # a copy happens when it is waited for
    started = []
    class Event:
        copies = []
        def record(self, stream): self.copies, cuda.started[:] = cuda.started[:], []
        def synchronize(self):
            for copy in self.copies: copy()
            self.copies = []
    def current_stream(device): return device
def frombuffer(data, dtype, count, offset):
    return Tensor(dtype, memoryview(data)[offset : offset + count * struct.calcsize(dtype)])
""",
    "torch/serialization.py": """
def load(f, map_location=None, pickle_module=None, *, weights_only=None, mmap=None):
    return f"{f} {map_location} weights_only={weights_only} mmap={mmap}"
""",
    "numpy/__init__.py": """
class ndarray(bytes):
    def view(self, type): return type(self)
def memmap(path, dtype="uint8", mode="r+"): return ("mapped", mode)
def fromfile(path, dtype): return ndarray(open(path, "rb").read())
""",
    "gguf/__init__.py": "",
    "gguf/gguf_reader.py": """
import numpy as np
class GGUFReader:
    def __init__(self, path, mode="r"): self.data = np.memmap(path, mode=mode)
""",
    "comfy/__init__.py": "",
    "comfy/utils.py": "DISABLE_MMAP = True\ndef load_safetensors(ckpt): return {}, ckpt",
    "invokeai/__init__.py": "",
    "invokeai/backend/__init__.py": "",
    "invokeai/backend/model_manager/__init__.py": "",
    "invokeai/backend/model_manager/model_on_disk.py": """
import gguf.gguf_reader, safetensors.torch
class ModelOnDisk:
    def load_state_dict(self, path): return safetensors.torch.load_file(path)
    def metadata(self, path): return gguf.gguf_reader.GGUFReader(path).data
""",
}
# From 0.8 on the package can read: this one only says so.
CAN_READ = """
class SafetensorError(Exception): pass
class safe_open:
    def __init__(self, filename, framework, device="cpu", *, backend="mmap"):
        self.backend = backend
    def __enter__(self): return self
    def __exit__(self, *_): pass
    def get_tensor(self, name): return (self.backend, name)
"""
HEADER = {
    "__metadata__": {"made": "here"},
    "w": {"dtype": "F16", "shape": [3], "data_offsets": [2, 8]},
    "a": {"dtype": "U8", "shape": [2], "data_offsets": [0, 2]},
    "none": {"dtype": "F16", "shape": [0, 4], "data_offsets": [8, 8]},
}


# Rewrites the model with a type that came after this file.
ODD = """
text = pathlib.Path(path).read_bytes().replace(b'"w": {"dtype": "F16"', b'"o": {"dtype": "F4x"')
pathlib.Path(path).write_bytes(text)
"""
