"""files/sitecustomize.py: model files are read, not mapped. PyTorch is too large for a test: PACKAGES."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from .conftest import RUNTIMES

# As much of the packages as the file meets. safetensors 0.4 to 0.8 have these names, and map.
PACKAGES = {
    "safetensors/__init__.py": """
class safe_open:
    def __init__(self, filename, framework, device="cpu"):
        import mmap
        with open(filename, "rb") as file:
            self.map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    def __enter__(self): return self
    def __exit__(self, *_): pass
    def get_tensor(self, name): return ("mapped", name, self.map)
""",
    "safetensors/torch.py": """
from safetensors import safe_open
def load_file(filename, device="cpu"):
    with safe_open(filename, framework="pt", device=device) as file:
        return {"w": file.get_tensor("w")}
""",
    "torch.py": """
import struct
float16, uint8 = "e", "B"
class Tensor(list):
    def reshape(self, shape): return self
    def to(self, device): return Tensor([*self, device])
def frombuffer(data, dtype): return Tensor(x for x, in struct.iter_unpack(dtype, data))
def empty(shape, dtype): return Tensor()
""",
    "invokeai/__init__.py": "",
    "invokeai/backend/__init__.py": "",
    "invokeai/backend/model_manager/__init__.py": "",
    "invokeai/backend/model_manager/model_on_disk.py": """
import safetensors.torch
class ModelOnDisk:
    def load_state_dict(self, path): return safetensors.torch.load_file(path)
""",
}
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
Python = Callable[[str], str]


@pytest.fixture
def python(tmp_path: Path) -> Python:
    """Run a program with sitecustomize.py, `path` (a model) and `mapped()`; its output."""
    for name, text in PACKAGES.items():
        file = tmp_path / "packages" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    header = json.dumps(HEADER).encode()
    data = bytes([7, 9]) + bytes.fromhex("003c 0040 0042")  # 1.0, 2.0 and 3.0 in half precision
    model = tmp_path / "model.safetensors"
    model.write_bytes(len(header).to_bytes(8, "little") + header + data)
    start = f"path = {str(model)!r}\ndef mapped(): return path in open('/proc/self/maps').read()\n"
    env = {"PYTHONPATH": f"{RUNTIMES / 'files'}:{tmp_path / 'packages'}"}

    def python(program: str) -> str:
        command = [sys.executable, "-B", "-c", start + program]
        done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    return python


def test_a_whole_file_is_read_in_its_order_without_a_mapping(python: Python) -> None:
    output = python("import safetensors.torch\nprint(safetensors.torch.load_file(path), mapped())")
    assert output == "{'a': [7, 9], 'w': [1.0, 2.0, 3.0], 'none': []} False"


@pytest.mark.parametrize("words", ["framework='pt', device='cpu'", "'pt'"])
def test_single_tensors_are_read_without_a_mapping(python: Python, words: str) -> None:
    program = f"""
from safetensors import safe_open
with safe_open(path, {words}) as file:
    part = file.get_slice("w")
    print(file.metadata(), file.get_tensor("w"), part[1:], part.get_shape(), part.get_dtype(), mapped())
"""
    assert python(program) == "{'made': 'here'} [1.0, 2.0, 3.0] [2.0, 3.0] [3] F16 False"


def test_a_tensor_goes_to_its_device(python: Python) -> None:
    program = "import safetensors.torch\nprint(safetensors.torch.load_file(path, device='cuda')['a'])"
    assert python(program) == "[7, 9, 'cuda']"


def test_other_frameworks_keep_the_packages_own_function(python: Python) -> None:
    program = "import safetensors\nfile = safetensors.safe_open(path, framework='np')\nprint(mapped())"
    assert python(program) == "True"


def test_a_type_that_is_not_known_is_left_to_the_package(python: Python) -> None:
    output = python(
        f"import pathlib, safetensors\n{ODD}print(safetensors.safe_open(path, 'pt').get_tensor('o')[:2])"
    )
    assert output == "('mapped', 'o')"


def test_a_file_that_ends_too_soon_is_an_error_that_names_it(python: Python) -> None:
    program = """
import pathlib, safetensors.torch
pathlib.Path(path).write_bytes(pathlib.Path(path).read_bytes()[:-2])
try:
    safetensors.torch.load_file(path)
except OSError as error:
    print(error)
"""
    assert python(program).endswith("model.safetensors ends after 4 of 6 bytes")


def test_invokeais_scan_stays_mapped_and_its_loading_does_not(python: Python) -> None:
    program = """
import safetensors.torch
from invokeai.backend.model_manager.model_on_disk import ModelOnDisk
found = ModelOnDisk().load_state_dict(path)
print(mapped(), found["w"][0])
del found
print(safetensors.torch.load_file(path)["w"], mapped())
"""
    assert python(program) == "True mapped\n[1.0, 2.0, 3.0] False"


def test_a_program_without_models_is_left_alone(python: Python) -> None:
    assert (
        python("import json, sys\nprint('torch' in sys.modules, 'safetensors' in sys.modules)")
        == "False False"
    )
