"""files/sitecustomize.py and what it imports: model files are read, not mapped.

PyTorch is too large for a test: PACKAGES. `make test-model-reading` tries the real ones.
"""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from .conftest import RUNTIMES
from .stub_packages import CAN_READ, HEADER, ODD, PACKAGES

Python = Callable[[str], str]
with_0_8 = pytest.mark.parametrize(
    "python", [{"safetensors/__init__.py": CAN_READ}], indirect=True, ids=["0.8"]
)


@pytest.fixture
def python(tmp_path: Path, request: pytest.FixtureRequest) -> Python:
    """Run a program with sitecustomize.py, `path` (a model) and `mapped()`; its output."""
    for name, text in {**PACKAGES, **getattr(request, "param", {})}.items():
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
    assert python(program) == "[7, 9] on cuda"


@pytest.mark.parametrize(
    "call",
    [
        "safetensors.torch.load_file(path, device='cuda:1')['w']",
        "safetensors.safe_open(path, 'pt', device='cuda:1').get_tensor('w')",
        "safetensors.safe_open(path, 'pt', device='cuda:1').get_tensors()['w']",
    ],
)
def test_a_large_file_gets_to_a_gpu_through_pinned_memory(python: Python, call: str) -> None:
    program = f"""
import safetensors.torch, safetensors_reader
safetensors_reader.PART_BYTES, safetensors_reader.PARTS = 4, 2
print({call})
"""
    assert python(program) == "[1.0, 2.0, 3.0] on cuda:1, filled"


@with_0_8
def test_every_call_of_0_8_is_read_without_a_mapping(python: Python) -> None:
    program = """
import safetensors.torch
print(safetensors.torch.load_file(path, backend="mmap")["a"])
with safetensors.safe_open(path, "pt", "cpu", backend="mmap") as file:
    print(file.offset_keys(), file.get_tensors()["w"], file.get_tensor("a"), mapped())
"""
    assert python(program) == "[7, 9]\n['a', 'w', 'none'] [1.0, 2.0, 3.0] [7, 9] False"


@with_0_8
@pytest.mark.parametrize("call", ["safe_open(path, framework='np')", "safe_open(path, 'pt')"])
def test_what_is_left_to_0_8_is_read_by_the_package(python: Python, call: str) -> None:
    program = f"import pathlib, safetensors\n{ODD}print(safetensors.{call}.get_tensor('o'))"
    assert python(program) == "('pread', 'o')"


def test_a_model_is_filled_without_a_mapping(python: Python) -> None:
    program = (
        "import safetensors.torch\nm = {}\nsafetensors.torch.load_model(m, path)\nprint(m['w'], mapped())"
    )
    assert python(program) == "[1.0, 2.0, 3.0] False"


def test_bytes_are_not_copied(python: Python) -> None:
    program = """
import pathlib, safetensors.torch
data = pathlib.Path(path).read_bytes()
tensors = safetensors.torch.load(data)
print(tensors, tensors["w"].memory.obj is data, safetensors.torch.load(bytearray(data)))
"""
    assert python(program) == "{'a': [7, 9], 'w': [1.0, 2.0, 3.0], 'none': []} True copied"


def test_threads_may_share_a_file(python: Python) -> None:
    program = """
import concurrent.futures, safetensors
with safetensors.safe_open(path, "pt") as file, concurrent.futures.ThreadPoolExecutor(8) as pool:
    tensors = [str(tensor) for tensor in pool.map(file.get_tensor, ["w", "a"] * 500)]
print(tensors == ["[1.0, 2.0, 3.0]", "[7, 9]"] * 500)
"""
    assert python(program) == "True"


@pytest.mark.parametrize("call", ["file.get_tensor('other')", "file.get_slice('other')"])
def test_a_missing_tensor_is_the_packages_error(python: Python, call: str) -> None:
    program = f"""
import safetensors
file = safetensors.safe_open(path, "pt")
try:
    {call}
except safetensors.SafetensorError as error:
    print(error)
"""
    assert python(program) == "File does not contain tensor other"


def test_a_closed_file_is_the_packages_error(python: Python) -> None:
    program = """
import safetensors
with safetensors.safe_open(path, "pt") as file:
    part = file.get_slice("w")
for call in (file.keys, file.metadata, lambda: file.get_tensor("w")):
    try:
        print(call())
    except safetensors.SafetensorError as error:
        print(error)
"""
    assert python(program).splitlines() == ["File is closed"] * 3


def test_a_part_can_be_read_after_its_file_is_closed(python: Python) -> None:
    program = """
import os, safetensors
before = len(os.listdir("/proc/self/fd"))
with safetensors.safe_open(path, "pt") as file:
    part = file.get_slice("w")
print(part[:].values(), part.get_shape())
del part, file
print(len(os.listdir("/proc/self/fd")) - before)
"""
    assert python(program).splitlines() == ["[1.0, 2.0, 3.0] [3]", "0"]


TENSOR = '{"dtype": "U8", "shape": [2], "data_offsets": [0, 2]}'


# What the package refuses to open, whatever the program wants of it.
@pytest.mark.parametrize(
    "header",
    [
        '{"__metadata__": {"a": 1}, "w": ' + TENSOR + "}",
        '{"w": ' + TENSOR.replace("[2]", "[2.0]") + "}",
        '{"w": ' + TENSOR.replace("[2]", "[true, 2]") + "}",
        '{"w": ' + TENSOR.replace("[2]", "[-1, -2]") + "}",
        '{"w": ' + TENSOR.replace("[2]", "[3]") + "}",
        '{"w": ' + TENSOR.replace("U8", "F3") + "}",
        '{"w": ' + TENSOR.replace('"U8"', '["U8"]') + "}",
        '{"w": ' + "[" * 100_000,
        '{"w\udcff": ' + TENSOR + "}",
    ],
    ids=["text", "float", "bool", "negative", "size", "type", "list", "deep", "not UTF-8"],
)
def test_a_header_that_the_package_refuses_is_left_to_it(python: Python, tmp_path: Path, header: str) -> None:
    data = header.encode("utf-8", "surrogateescape")
    (tmp_path / "model.safetensors").write_bytes(len(data).to_bytes(8, "little") + data + b"12")
    program = "import safetensors\nprint(type(safetensors.safe_open(path, 'pt')).__name__)"

    assert python(program) == "safe_open"


# No file that PyTorch could read: what the package says of it stands, as ComfyUI shows it to the user.
@pytest.mark.thorough
@pytest.mark.parametrize("data", [b"", b"\7", b"\x80\2}q", bytes(8), b"\xff" * 20, b"\2" + bytes(7) + b"[]"])
def test_a_file_of_another_format_is_the_packages_error(python: Python, data: bytes) -> None:
    program = f"""
import pathlib, safetensors.torch
pathlib.Path(path).write_bytes({data!r})
try:
    safetensors.torch.load_file(path)
except safetensors.SafetensorError as error:
    print(error)
"""
    assert python(program) == "not a header"


def test_the_name_of_a_missing_file_is_in_the_error(python: Python) -> None:
    program = """
import safetensors
try:
    safetensors.safe_open(path + "x", "pt")
except FileNotFoundError as error:
    print(path in str(error))
"""
    assert python(program) == "True"


@pytest.mark.parametrize(
    ("arguments", "output"),
    [
        ("'f', mmap=True", "f None weights_only=None mmap=False"),
        ("'f', 'cpu', weights_only=True, mmap=True", "f cpu weights_only=True mmap=False"),
        ("'f'", "f None weights_only=None mmap=False"),  # or PyTorch's own setting decides
        ("'f', 'meta', mmap=True", "f meta weights_only=None mmap=True"),
    ],
)
def test_pytorch_reads_checkpoints(python: Python, arguments: str, output: str) -> None:
    assert python(f"import torch\nprint(torch.load({arguments}))") == output


def test_a_pytorch_that_does_not_map_is_left_alone(python: Python) -> None:
    program = """
import importlib, pathlib, torch.serialization
source = pathlib.Path(torch.serialization.__file__)
source.write_text(source.read_text().replace(", mmap=None", "").replace(" mmap={mmap}", ""))
print(importlib.reload(torch.serialization).load("f", "cpu"))
"""
    assert python(program) == "f cpu weights_only=None"


def test_gguf_files_are_read(python: Python) -> None:
    program = """
from gguf.gguf_reader import GGUFReader
data = GGUFReader(path).data
data.flush()  # as InvokeAI does with a mapping
print(data == open(path, "rb").read(), GGUFReader(path, "r+").data)
"""
    assert python(program) == "True ('mapped', 'r+')"


def test_comfyui_makes_no_second_copy(python: Python) -> None:
    assert python("import comfy.utils\nprint(comfy.utils.DISABLE_MMAP)") == "False"


def test_a_file_that_comfyui_maps_for_dynamic_vram_is_named_in_the_log(python: Python) -> None:
    program = (
        "import sys, comfy.utils\nsys.stderr = sys.stdout\nprint(comfy.utils.load_safetensors('/m/a.sft'))"
    )
    said, answer = python(program).splitlines()
    assert said.startswith(
        "sd-on-eks: /m/a.sft is mapped into memory, which is slower on a mount: set --disable-"
    )
    assert answer == "({}, '/m/a.sft')"


def test_other_frameworks_keep_the_packages_own_function(python: Python) -> None:
    program = "import safetensors\nfile = safetensors.safe_open(path, framework='np')\nprint(mapped())"
    assert python(program) == "True"


def test_a_type_that_is_not_known_is_left_to_the_package(python: Python) -> None:
    output = python(
        f"import pathlib, safetensors\n{ODD}print(safetensors.safe_open(path, 'pt').get_tensor('o')[:2])"
    )
    assert output == "('mapped', 'o')"


def test_a_tensor_of_a_type_of_less_than_a_byte_is_left_to_the_package(python: Python) -> None:
    program = """
import pathlib, safetensors
text = pathlib.Path(path).read_bytes().replace(b'"F16", "shape": [3]', b'"F4", "shape": [12]')
pathlib.Path(path).write_bytes((len(text) - 16).to_bytes(8, "little") + text[8:])
file = safetensors.safe_open(path, "pt")
print(type(file).__name__, file.get_tensor("w")[:2], file.get_tensor("a").values())
"""
    assert python(program) == "SafeOpen ('mapped', 'w') [7, 9]"


def test_a_file_that_becomes_shorter_is_an_error_that_names_it(python: Python) -> None:
    program = """
import os, safetensors
file = safetensors.safe_open(path, "pt")
os.truncate(path, os.path.getsize(path) - 2)
try:
    file.get_tensor("w")
except OSError as error:
    print(error, os.path.getsize(path))
"""
    text, size = python(program).rsplit(" ", 1)
    assert text.endswith(f"model.safetensors ends after {size} bytes")


def test_invokeais_scan_stays_mapped_and_its_loading_does_not(python: Python) -> None:
    program = """
import safetensors.torch
from invokeai.backend.model_manager.model_on_disk import ModelOnDisk
found = ModelOnDisk().load_state_dict(path)
print(mapped(), found["w"][0], ModelOnDisk().metadata(path))
del found
print(safetensors.torch.load_file(path)["w"], mapped())
"""
    assert python(program) == "True mapped ('mapped', 'r')\n[1.0, 2.0, 3.0] False"


def test_a_program_without_models_is_left_alone(python: Python) -> None:
    assert (
        python("import json, sys\nprint('torch' in sys.modules, 'safetensors' in sys.modules)")
        == "False False"
    )
