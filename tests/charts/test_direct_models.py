"""Model files that a pod downloads: which, by which container, and what the runtime's programs open."""

import importlib.util
import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from .conftest import RUNTIMES, TYPES, Objects, Render, merged, nested
from .test_credentials import containers_with_credentials

FILES = RUNTIMES / "files"
FOLDER = "/var/lib/sd-on-eks/models"


def names(rendered: Objects, runtime: str) -> list[str]:
    return [item["name"] for item in rendered.pod(runtime)["containers"]]


def document(rendered: Objects, runtime: str) -> dict[str, Any]:
    return dict(json.loads(rendered[f"ConfigMap/{runtime}-runtime"]["data"]["direct-models.json"]))


# The pod


def test_a_static_webui_downloads_its_checkpoint(types: Objects) -> None:
    assert names(types, "static") == ["model-loader", "runtime", "queue-agent"]
    assert document(types, "static") == {
        "runtime": "static",
        "bucket": "demo-models",
        "prefix": "",
        "region": "us-west-2",
        "models": "/opt/ml/code/models",
        "folder": FOLDER,
        "sizeLimit": "40Gi",
        "files": ["Stable-diffusion/sdxl.safetensors"],
    }


@pytest.mark.parametrize("name", ["dynamic", "comfy", "invoke", "own"])
def test_what_names_no_file_downloads_none(types: Objects, name: str) -> None:
    assert names(types, name) == ["runtime", "queue-agent"]
    assert "direct-models.json" not in types[f"ConfigMap/{name}-runtime"]["data"]


@pytest.mark.parametrize(
    ("changes", "files"),
    [
        ({"models": {"load": "mount"}}, None),
        ({"models": {"files": ["VAE/a.pt", "Stable-diffusion/sdxl.safetensors"]}}, ["VAE/a.pt"]),
        ({"persistence": {"enabled": False}}, None),
        ({"persistence": {"existingClaim": "mine"}}, None),
        ({"persistence": {"s3": {"enabled": False}, "storageClass": "gp3"}}, None),
    ],
    ids=["mount", "more files", "no models", "own claim", "no bucket"],
)
def test_the_files_follow_the_values(render: Render, changes: Any, files: list[str] | None) -> None:
    rendered = render(one={"runtime": changes})
    if files is None:
        assert names(rendered, "one") == ["runtime", "queue-agent"]
    else:
        assert document(rendered, "one")["files"] == ["Stable-diffusion/sdxl.safetensors", *files]


@pytest.mark.parametrize("name", ["comfy", "invoke"])
def test_other_types_download_what_is_named(render: Render, name: str) -> None:
    rendered = render(one=merged(TYPES[name], nested("runtime.models.files", ["vae/ae.safetensors"])))
    assert document(rendered, "one")["files"] == ["vae/ae.safetensors"]


def test_a_custom_runtime_downloads_nothing(render: Render) -> None:
    models = {"load": "direct", "files": ["a.bin"]}
    assert names(render(one=merged(TYPES["own"], nested("runtime.models", models))), "one")[0] == "runtime"


@pytest.mark.parametrize("load", ["auto", "direct"])
def test_without_nvme_disks_only_who_asks_downloads(render: Render, load: str) -> None:
    nodes = nested("karpenter.nodeTemplate.instanceStorePolicy", "None")
    rendered = render(one=merged(nodes, nested("runtime.models.load", load)))
    assert ("model-loader" in names(rendered, "one")) is (load == "direct")


@pytest.mark.parametrize("option", ["prefix team-a/", "prefix=team-a/", "--prefix team-a/"])
def test_the_prefix_of_the_mount_is_that_of_the_download(render: Render, option: str) -> None:
    rendered = render(one=nested("runtime.persistence.s3.mountOptions", ["debug", option]))
    assert document(rendered, "one")["prefix"] == "team-a/"


def test_the_volume_has_a_limit_that_the_pod_requests(render: Render) -> None:
    pod = render(one=nested("runtime.models.sizeLimit", "80Gi")).pod("one")
    [volume] = [item for item in pod["volumes"] if item["name"] == "direct-models"]
    [loader] = [item for item in pod["containers"] if item["name"] == "model-loader"]

    assert volume["emptyDir"] == {"sizeLimit": "80Gi"}
    assert loader["resources"]["requests"]["ephemeral-storage"] == "80Gi"


def test_the_runtime_gets_the_files_but_no_credentials(types: Objects) -> None:
    assert containers_with_credentials(types, "static", pod_identity=True) == {"queue-agent", "model-loader"}
    mounts = {item["name"]: item for item in types.container("static", "runtime")["volumeMounts"]}
    assert mounts["direct-models"] == {"name": "direct-models", "mountPath": FOLDER, "readOnly": True}
    loader = types.container("static", "model-loader")
    assert loader["securityContext"]["readOnlyRootFilesystem"] is True
    assert loader["securityContext"]["runAsUser"] != types.pod("static")["securityContext"]["runAsUser"]
    assert loader["command"][1:3] == ["-m", "queue_agent.models"]


# What a program opens


@pytest.fixture
def direct(tmp_path: Path) -> Any:
    """The module, for a mount with one file that is downloaded and one that is not."""
    spec = importlib.util.spec_from_file_location("direct_models", FILES / "direct_models.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    for name in ("vae/a.safetensors", "vae/b.safetensors"):
        path = tmp_path / "mount" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("slow")
    (tmp_path / "here" / "vae").mkdir(parents=True)
    (tmp_path / "here" / ".progress").touch()
    return module


def opener(direct: Any, tmp_path: Path, **more: Any) -> Any:
    files = ["vae/a.safetensors"]
    return direct.Direct(str(tmp_path / "mount"), str(tmp_path / "here"), files, **more)


def test_a_file_that_is_complete_is_opened_in_place_of_the_mounts(direct: Any, tmp_path: Path) -> None:
    (tmp_path / "here" / "vae" / "a.safetensors").write_text("fast")
    (tmp_path / "link").symlink_to(tmp_path / "mount")
    one = opener(direct, tmp_path)

    for path in (tmp_path / "mount" / "vae" / "a.safetensors", tmp_path / "link" / "vae" / "a.safetensors"):
        assert Path(one.path(path)).read_text() == "fast"
        assert Path(one.path(str(path))).read_text() == "fast"
        assert Path(os.fsdecode(one.path(os.fsencode(path)))).read_text() == "fast"
    for path in (tmp_path / "mount" / "vae" / "b.safetensors", tmp_path / "a.safetensors", 3):
        assert one.path(path) == path


def test_a_file_on_its_way_is_waited_for(direct: Any, tmp_path: Path) -> None:
    one, target = opener(direct, tmp_path), tmp_path / "here" / "vae" / "a.safetensors"
    threading.Timer(0.3, lambda: target.write_text("fast")).start()
    began = time.monotonic()

    assert one.path(tmp_path / "mount" / "vae" / "a.safetensors") == str(target)
    assert time.monotonic() - began > 0.2


def test_who_need_not_wait_does_not(direct: Any, tmp_path: Path) -> None:
    path = tmp_path / "mount" / "vae" / "a.safetensors"
    assert opener(direct, tmp_path).path(path, wait=False) == path


def test_a_failed_download_is_read_from_the_mount_aloud(
    direct: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "here" / "vae" / "a.safetensors.failed").write_text("access denied")
    path, one = tmp_path / "mount" / "vae" / "a.safetensors", opener(direct, tmp_path)

    assert [one.path(path), one.path(path)] == [path, path]
    line = "sd-on-eks: vae/a.safetensors is read from the mount, which is slower: access denied\n"
    assert capsys.readouterr().err == line


def test_a_downloader_that_is_silent_for_a_minute_is_not_waited_for(
    direct: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    now = [time.time()]

    def sleep(_: float) -> None:
        now[0] += 10

    path = tmp_path / "mount" / "vae" / "a.safetensors"
    assert opener(direct, tmp_path, clock=lambda: now[0], sleep=sleep).path(path) == path
    assert "nothing has arrived for 70 s" in capsys.readouterr().err


PROGRAM = """
import io, os, pathlib, sys
path = pathlib.Path(sys.argv[1])
with open(path) as file: print(file.read())
with io.open(str(path)) as file: print(file.read())
print(path.read_text())
print(os.read(os.open(path, os.O_RDONLY), 9).decode())
class Accessor:  # as in pathlib of Python 3.10 and earlier
    open_file, open_descriptor = io.open, os.open
with Accessor().open_file(path) as file: print(file.read())
print(os.read(Accessor().open_descriptor(path, os.O_RDONLY), 9).decode())
print(os.path.getsize(path))
with open(path, "a") as file: file.write("er")
"""


@pytest.mark.parametrize("configured", [True, False])
def test_every_way_to_open_a_file_in_python(direct: Any, tmp_path: Path, configured: bool) -> None:
    (tmp_path / "here" / "vae" / "a.safetensors").write_text("fast")
    config = {
        "models": str(tmp_path / "mount"),
        "folder": str(tmp_path / "here"),
        "files": ["vae/a.safetensors"],
    }
    folder = tmp_path / "files"
    folder.mkdir()
    for name in ("sitecustomize.py", "safetensors_reader.py", "safetensors_header.py", "direct_models.py"):
        text = (FILES / name).read_text().replace("/etc/sd-on-eks", str(tmp_path / "etc"))
        (folder / name).write_text(text)
    if configured:
        (tmp_path / "etc").mkdir()
        (tmp_path / "etc" / "direct-models.json").write_text(json.dumps(config))
    path = tmp_path / "mount" / "vae" / "a.safetensors"

    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(path)],
        env={"PYTHONPATH": str(folder)}, capture_output=True, text=True, check=True,
    )  # fmt: skip

    assert done.stdout.split() == ["fast" if configured else "slow"] * 6 + ["4"]
    assert path.read_text() == "slower"


def test_the_files_of_the_profiles_are_all_that_the_shim_imports(types: Objects) -> None:
    data = types["ConfigMap/static-runtime"]["data"]
    assert {"sitecustomize.py", "direct_models.py"} <= data.keys()
