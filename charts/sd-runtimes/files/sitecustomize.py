"""Lets PyTorch programs read .safetensors files from front to back instead of mapping them into memory.

On a bucket mounted as a folder a mapped file is fetched page by page, in the order in which a program happens
to touch it; one sequential read is many times faster. Neither ComfyUI nor InvokeAI has a switch for that, so
Python imports this file at its start (PYTHONPATH) and changes the `safetensors` package when it is imported.

It also gives SD WebUI the default of every option that its config.json lacks: see `change_options`.
"""

import functools
import importlib.abc
import json
import sys
import threading
from pathlib import Path

TORCH_NAMES = {"pt", "torch", "pytorch"}
DTYPES = {
    "F64": "float64",
    "F32": "float32",
    "F16": "float16",
    "BF16": "bfloat16",
    "F8_E4M3": "float8_e4m3fn",
    "F8_E5M2": "float8_e5m2",
    "I64": "int64",
    "I32": "int32",
    "I16": "int16",
    "I8": "int8",
    "U8": "uint8",
    "BOOL": "bool",
}
# The package's own functions, which map.
MAPPED = {}
# Set in a thread that wants names and shapes only.
LOOKING = threading.local()


class SequentialFile:
    """What `safetensors.safe_open` gives for PyTorch, without a mapping: the same methods."""

    def __init__(self, filename, device="cpu"):
        self._filename, self._device = filename, device
        self._file = Path(filename).open("rb", buffering=0)  # noqa: SIM115 - closed by __exit__, or with the object
        length = int.from_bytes(self._read(8), "little")
        self._header = json.loads(self._read(length))
        self._metadata = self._header.pop("__metadata__", None)
        self._start = 8 + length

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._file.close()

    def keys(self):
        """Names of the tensors, as they lie in the file: read in this order, the file is read in one go."""
        return sorted(self._header, key=lambda name: self._header[name]["data_offsets"])

    offset_keys = keys

    def metadata(self):
        """The texts that the file carries."""
        return self._metadata

    def get_tensor(self, name):
        """One tensor, on the device asked for."""
        import torch  # noqa: PLC0415 - programs without PyTorch import this file too

        entry = self._header[name]
        dtype = getattr(torch, DTYPES.get(entry["dtype"], ""), None)
        if dtype is None:
            with MAPPED["safe_open"](self._filename, framework="pt", device=self._device) as mapped:
                return mapped.get_tensor(name)
        begin, end = entry["data_offsets"]
        if begin == end:
            tensor = torch.empty(entry["shape"], dtype=dtype)
        else:
            self._file.seek(self._start + begin)
            tensor = torch.frombuffer(self._read(end - begin), dtype=dtype).reshape(entry["shape"])
        return tensor if str(self._device) == "cpu" else tensor.to(self._device)

    def get_slice(self, name):
        """A tensor of which a part is wanted."""
        return Slice(self, name, self._header[name])

    def _read(self, count):
        data = bytearray(count)
        view, done = memoryview(data), 0
        while done < count:
            step = self._file.readinto(view[done:])
            if not step:
                raise OSError(f"{self._filename} ends after {done} of {count} bytes")
            done += step
        return data


class Slice:
    """What `get_slice` gives."""

    def __init__(self, file, name, entry):
        self._file, self._name, self._entry = file, name, entry

    def get_shape(self):
        """The tensor's shape."""
        return self._entry["shape"]

    def get_dtype(self):
        """The tensor's type, in the file's spelling."""
        return self._entry["dtype"]

    def __getitem__(self, index):
        return self._file.get_tensor(self._name)[index]


def safe_open(filename, framework="pt", device="cpu", **more):
    """In the place of `safetensors.safe_open`; other frameworks than PyTorch get the original."""
    if framework not in TORCH_NAMES:
        return MAPPED["safe_open"](filename, framework=framework, device=device, **more)
    return SequentialFile(filename, device)


def load_file(filename, device="cpu"):
    """In the place of `safetensors.torch.load_file`."""
    if getattr(LOOKING, "on", False):
        return MAPPED["load_file"](filename, device=device)
    with SequentialFile(filename, device) as file:
        return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - a file, not a dict


def change_safetensors(module):
    """Put `safe_open` into the package."""
    MAPPED["safe_open"] = module.safe_open
    module.safe_open = safe_open


def change_safetensors_torch(module):
    """Put `load_file` into the package's part for PyTorch."""
    # The original looks its `safe_open` up in its module: it stays the one that maps.
    module.safe_open = MAPPED["safe_open"]
    MAPPED["load_file"] = module.load_file
    module.load_file = load_file


def change_model_on_disk(module):
    """Leave InvokeAI's scan mapped: it opens every model of the bucket at start, for names and shapes."""
    look = module.ModelOnDisk.load_state_dict

    @functools.wraps(look)
    def load_state_dict(*args, **kwargs):
        LOOKING.on = True
        try:
            return look(*args, **kwargs)
        finally:
            LOOKING.on = False

    module.ModelOnDisk.load_state_dict = load_state_dict


def change_options(module):
    """Fill in the options that SD WebUI's config.json lacks, so that a request's overrides are undone.

    After a request, A1111 1.10 and Forge restore only options that were in the file; any other stays for the
    requests of all other users (process_images in modules/processing.py). Not the checkpoint: each request
    names its own, and Forge would take the model off the GPU after each.
    """
    load = module.Options.load

    @functools.wraps(load)
    def load_with_defaults(self, filename):
        load(self, filename)
        for key, option in self.data_labels.items():
            if key != "sd_model_checkpoint" and not option.do_not_save:
                self.data.setdefault(key, option.default)

    module.Options.load = load_with_defaults


CHANGES = {
    "safetensors": change_safetensors,
    "safetensors.torch": change_safetensors_torch,
    "invokeai.backend.model_manager.model_on_disk": change_model_on_disk,
    "modules.options": change_options,
}


class Finder(importlib.abc.MetaPathFinder):
    """Finds modules as the others do, and has some changed right after they ran."""

    def find_spec(self, name, path, target=None):
        """The module's spec, with the change joined to its run."""
        change = CHANGES.get(name)
        others = (finder for finder in sys.meta_path if change and finder is not self)
        spec = next(filter(None, (finder.find_spec(name, path, target) for finder in others)), None)
        if spec is not None and spec.loader is not None:
            run = spec.loader.exec_module

            def exec_module(module):
                run(module)
                change(module)

            spec.loader.exec_module = exec_module
        return spec


sys.meta_path.insert(0, Finder())
