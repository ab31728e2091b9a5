"""files/sitecustomize.py with real PyTorch and safetensors: `make test-model-reading`."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from .conftest import RUNTIMES

PYTHON = os.environ.get("TORCH_PYTHON", "python3")
# The oldest that ComfyUI of January 2024 takes, SD WebUI's, the last that cannot read, and the newest.
VERSIONS = ("0.3.0", "0.4.2", "0.7.0", "0.8.0")
MIB = 1 << 20

# One tensor of each type, a scalar, an empty one, and 64 MiB.
MAKE = """
import safetensors.torch, sys, torch
types = ("float64 float32 float16 bfloat16 int64 int32 int16 int8 uint8 bool").split()
tensors = {name: torch.arange(6).reshape(2, 3).to(getattr(torch, name)) for name in types}
tensors |= {"scalar": torch.tensor(3.5), "empty": torch.zeros(0, 4), "large": torch.randn(16, 1 << 20)}
safetensors.torch.save_file(tensors, sys.argv[1], {"made": "here"})
torch.save(tensors, sys.argv[2])
"""
# Run without and with the files: both give the same tensors.
CALLS = """
import hashlib, json, sys, torch, safetensors, safetensors.torch
path, checkpoint = sys.argv[1:]
def mapped(): return any(name in open("/proc/self/maps").read() for name in (path, checkpoint))
def status(field):
    return next(int(line.split()[1]) * 1024 for line in open("/proc/self/status") if line.startswith(field))
def summary(tensors):
    text = {}
    for name, tensor in sorted(tensors.items()):
        data = tensor.contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()
        text[name] = [str(tensor.dtype), list(tensor.shape), hashlib.sha256(data).hexdigest()]
    return text
def opened(call):
    with safetensors.safe_open(path, framework="pt", device="cpu") as file:
        return call(file)
class Model(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.large = torch.nn.Parameter(torch.zeros(16, 1 << 20))
def model():
    model = Model()
    safetensors.torch.load_model(model, path, strict=False)
    return {"large": model.large.detach()}
results, maps = {}, {}
def record(name, tensors):
    maps[name] = mapped()
    results[name] = summary(tensors)
before = status("VmRSS")
open("/proc/self/clear_refs", "w").write("5")
record("load_file", safetensors.torch.load_file(path))
peak = status("VmHWM") - before
try:
    record("load", safetensors.torch.load(open(path, "rb").read()))
except ValueError:  # 0.3 refuses empty tensors here
    pass
if hasattr(safetensors.torch, "load_model"):
    record("load_model", model())
record("get_tensor", opened(lambda file: {name: file.get_tensor(name) for name in file.keys()}))
record("get_slice", opened(lambda file: {"large": file.get_slice("large")[2:4, 5:]}))
record("torch.load", torch.load(checkpoint, map_location="cpu", mmap=True))
if safetensors.__version__ >= "0.8":
    record("pread", safetensors.torch.load_file(path, backend="pread"))
    record("get_tensors", opened(lambda file: file.get_tensors()))
part = opened(lambda file: [file.get_slice("large").get_shape(), file.metadata(), sorted(file.keys())])
print(json.dumps({"results": results, "maps": maps, "part": part, "peak": peak}))
"""


@pytest.fixture(scope="module", params=VERSIONS)
def version(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a safetensors."""
    folder = tmp_path_factory.mktemp("safetensors")
    pip = [PYTHON, "-m", "pip", "install", "--quiet", "--no-deps", "--target", folder]
    subprocess.run([*pip, f"safetensors=={request.param}"], check=True)
    return folder


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder = tmp_path_factory.mktemp("models")
    paths = [str(folder / "model.safetensors"), str(folder / "model.ckpt")]
    subprocess.run([PYTHON, "-c", MAKE, *paths], check=True)
    return paths


def run(files: list[str], *folders: Path) -> dict[str, dict[str, object]]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, folders))}
    done = subprocess.run(
        [PYTHON, "-W", "ignore", "-c", CALLS, *files],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    output: dict[str, dict[str, object]] = json.loads(done.stdout)
    return output


def test_every_call_gives_the_same_tensors_without_a_mapping(version: Path, files: list[str]) -> None:
    original, changed = run(files, version), run(files, RUNTIMES / "files", version)

    assert {name: changed["results"][name] for name in original["results"]} == original["results"]
    assert changed["part"] == original["part"]
    assert not any(changed["maps"].values()), changed["maps"]
    assert original["maps"]["load_file"]  # or the test could not fail
    size = Path(files[0]).stat().st_size
    assert changed["peak"] <= size + 256 * MIB  # type: ignore[operator]
