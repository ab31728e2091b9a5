"""Makes PyTorch programs read model files from front to back instead of mapping them into memory.

On a bucket mounted as a folder, a mapped file is fetched page by page, in the order in which a program
happens to touch it; one sequential read is many times faster (docs/model-loading.md). Not every runtime has a
switch for that, so Python imports this file at its start (PYTHONPATH), and it changes packages right after
their import:

safetensors   safe_open and load_file read: safetensors_reader.py
torch         load(mmap=True) reads
gguf          its reader reads, and so does the one of transformers
ComfyUI       --disable-mmap makes no second copy
InvokeAI      its scan at start, which wants names and shapes of every file in the bucket, still maps

It also gives SD WebUI the default of every option that its config.json lacks (`change_options`), and has
every program open the files that the pod downloads (direct_models.py).
"""

import functools
import importlib.abc
import inspect
import sys

import direct_models
import safetensors_reader


def change_torch_serialization(module):
    """Have `torch.load` read, except for the device "meta", which takes names and shapes only."""
    original = module.load
    if "mmap" not in inspect.signature(original).parameters:  # before PyTorch 2.1
        return

    @functools.wraps(original)
    def load(f, map_location=None, *more, mmap=None, **named):
        wants_data = str(map_location) != "meta" and not getattr(safetensors_reader.LOOKING, "on", False)
        return original(f, map_location, *more, mmap=False if wants_data else mmap, **named)

    module.load = load


class Numpy:
    """NumPy for a module that maps files: `memmap` reads them."""

    def __init__(self, numpy):
        self._numpy = numpy

        class Read(numpy.ndarray):
            """A file's content, with the method that a mapping has and an array has not."""

            def flush(self):
                """Nothing to write."""

        self._type = Read

    def __getattr__(self, name):
        return getattr(self._numpy, name)

    def memmap(self, filename, dtype="uint8", mode="r+", **more):
        """The whole file as an array; mapped if the caller changes it, or wants names and shapes only."""
        if mode != "r" or more or getattr(safetensors_reader.LOOKING, "on", False):
            return self._numpy.memmap(filename, dtype=dtype, mode=mode, **more)
        return self._numpy.fromfile(filename, dtype=dtype).view(self._type)


def change_gguf(module):
    """Have a reader of GGUF files read."""
    module.np = Numpy(module.np)


def change_comfyui(module):
    """Leave out the copy that --disable-mmap makes of each tensor: what `safe_open` gives is not mapped.

    `load_safetensors` maps, and is called only where dynamic VRAM is on: the log says so.
    """
    if hasattr(module, "DISABLE_MMAP"):
        module.DISABLE_MMAP = False
    load = getattr(module, "load_safetensors", None)
    if load is None:
        return

    @functools.wraps(load)
    def load_aloud(ckpt, *more, **named):
        help = "set --disable-dynamic-vram (docs/model-loading.md)"
        sys.stderr.write(f"sd-on-eks: {ckpt} is mapped into memory, which is slower on a mount: {help}\n")
        return load(ckpt, *more, **named)

    module.load_safetensors = load_aloud


def change_model_on_disk(module):
    """Leave InvokeAI's scan mapped: it opens every model of the bucket at start, for names and shapes."""
    for name in ("load_state_dict", "metadata"):
        look = getattr(module.ModelOnDisk, name, None)
        if look is not None:
            setattr(module.ModelOnDisk, name, looking(look))


def looking(function):
    """The function, run with LOOKING set."""

    @functools.wraps(function)
    def run(*args, **kwargs):
        before, safetensors_reader.LOOKING.on = getattr(safetensors_reader.LOOKING, "on", False), True
        try:
            return function(*args, **kwargs)
        finally:
            safetensors_reader.LOOKING.on = before

    return run


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
    "safetensors": safetensors_reader.change_package,
    "safetensors.torch": safetensors_reader.change_package_torch,
    "torch.serialization": change_torch_serialization,
    "gguf.gguf_reader": change_gguf,
    "transformers.integrations.gguf.reader": change_gguf,
    "comfy.utils": change_comfyui,
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
# Who wants names and shapes only need not wait for a whole file.
direct = direct_models.load(lambda: not getattr(safetensors_reader.LOOKING, "on", False))
if direct is not None:
    safetensors_reader.locate = direct.path
