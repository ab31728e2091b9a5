"""What custom nodes need is locked: with the real git and uv, from repositories and packages made here."""

import hashlib
import io
import json
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from generator.deploy import node_lock
from generator.deploy.job import RefusedError
from generator.solution import custom_nodes
from generator.solution.custom_nodes import CustomNodes, GitNode, RegistryNode
from testing.https_proxy import HttpsProxy

URL = "https://github.com/studio/nodes"


def archive(files: dict[str, str]) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as packed:
        for name, text in files.items():
            packed.writestr(name, text)
    return content.getvalue()


NODE_ZIP = archive(
    {"__init__.py": "", "pyproject.toml": '[project]\nname = "kj"\ndependencies = ["beta>=1"]\n'}
)


# What a registry with a bad day answers, by the node that is asked for or the archive.
ODD_ANSWERS = {
    "page": b"<!doctype html>",
    "list": b"[]",
    "cut": b'{"downloadUrl": "https://cdn.comfy.org/kj/1.0.5/node.zip"}',
    "text": b'{"downloadUrl": "https://cdn.comfy.org/a/no-zip"}',
    "no-zip": b"PK no archive",
    "odd": b'{"downloadUrl": "https://cdn.comfy.org/a/odd-zip"}',
    "odd-zip": archive({"pyproject.toml": 'project = "none"\n'}),
}


def answer(handler: BaseHTTPRequestHandler, _: bytes) -> None:
    """The Comfy Registry, and the host of its archives."""
    if handler.path.startswith("/nodes/kj/install?version=1.0.5"):
        body = json.dumps(
            {"version": "1.0.5", "downloadUrl": "https://cdn.comfy.org/kj/1.0.5/node.zip"}
        ).encode()
    elif handler.path == "/kj/1.0.5/node.zip":
        body = NODE_ZIP
    elif (name := handler.path.split("/")[2]) in ODD_ANSWERS:
        body = ODD_ANSWERS[name]
    else:
        handler.send_error(404)
        return
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(body) + handler.path.startswith("/nodes/cut/")))
    handler.end_headers()
    handler.wfile.write(body)


def wheel(folder: Path, name: str, version: str, requires: str = "") -> None:
    info = f"{name}-{version}.dist-info"
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    metadata += f"Requires-Dist: {requires}\n" if requires else ""
    files = {
        f"{name}.py": "",
        f"{info}/METADATA": metadata,
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/RECORD": "",
    }
    (folder / f"{name}-{version}-py3-none-any.whl").write_bytes(archive(files))


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder of the repository behind URL; packages come from another folder, hosts are a proxy."""
    repository, packages = tmp_path / "repository", tmp_path / "packages"
    packages.mkdir()
    for version in ("1.0", "2.0"):
        wheel(packages, "alpha", version, "beta")
        wheel(packages, "beta", version)
    # A package of ComfyUI's own image.
    wheel(packages, "einops", node_lock.base_versions()["einops"])
    subprocess.run(["git", "init", "--quiet", str(repository)], check=True)
    settings = {f"url.{repository}.insteadOf": URL, "user.name": "a", "user.email": "a@example.com"}
    monkeypatch.setenv("GIT_CONFIG_COUNT", str(len(settings)))
    for number, (key, value) in enumerate(settings.items()):
        monkeypatch.setenv(f"GIT_CONFIG_KEY_{number}", key)
        monkeypatch.setenv(f"GIT_CONFIG_VALUE_{number}", value)
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}:/usr/bin:/bin")
    (tmp_path / "uv.toml").write_text(f"no-index = true\nfind-links = [{str(packages)!r}]\n")
    monkeypatch.setenv("UV_CONFIG_FILE", str(tmp_path / "uv.toml"))
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cache"))
    with HttpsProxy(["api.comfy.org", "cdn.comfy.org"], tmp_path, answer) as proxy:
        for key, value in proxy.env.items():
            monkeypatch.setenv(key, value)
        yield repository


def commit(repository: Path, files: dict[str, str]) -> str:
    for name, text in files.items():
        (repository / name).write_text(text)
    subprocess.run(["git", "-C", str(repository), "add", "--all"], check=True)
    subprocess.run(
        ["git", "-C", str(repository), "commit", "--quiet", "-m", "x", "--allow-empty"], check=True
    )
    done = subprocess.run(
        ["git", "-C", str(repository), "rev-parse", "HEAD"], capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def locked(nodes: CustomNodes) -> tuple[str, list[str]]:
    messages: list[str] = []
    return node_lock.lock("graphs", nodes, messages.append), messages


def packages_of(text: str) -> list[str]:
    return [line.split()[0] for line in text.splitlines() if "==" in line]


def test_every_package_of_a_node_has_a_hash_and_those_of_comfyui_are_left_out(world: Path) -> None:
    old = commit(world, {"requirements.txt": "\ufeffalpha <2  # comment\neinops\n\n"})
    commit(world, {"requirements.txt": "alpha>=2\n"})
    nodes = CustomNodes((GitNode(URL, old, "nodes"),))

    text, _ = locked(nodes)

    assert packages_of(text) == ["alpha==1.0", "beta==2.0"]
    assert text.count("--hash=sha256:") == 2
    assert nodes.with_lock(text).locked is not None


def test_requirements_of_the_config_take_the_place_of_the_nodes_own(world: Path) -> None:
    head = commit(world, {"requirements.txt": "gamma\n"})

    text, _ = locked(CustomNodes((GitNode(URL, head, "nodes", ("beta<2",)),)))

    assert packages_of(text) == ["beta==1.0"]


def test_a_node_without_requirements_needs_no_package_and_no_uv(
    world: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    head = commit(world, {"__init__.py": ""})
    monkeypatch.setenv("PATH", "/usr/bin:/bin")

    text, _ = locked(CustomNodes((GitNode(URL, head, "nodes"),)))

    assert packages_of(text) == []


def test_pins_of_a_snapshot_are_kept_for_what_comfyui_lacks(world: Path) -> None:
    head = commit(world, {"requirements.txt": "alpha\neinops\n"})
    pins = (("beta", "1.0"), ("einops", "0.1"), ("unrelated", "9"))

    text, _ = locked(CustomNodes((GitNode(URL, head, "nodes"),), pins=pins))

    assert packages_of(text) == ["alpha==2.0", "beta==1.0"]


def test_a_node_of_the_registry_is_locked_by_its_archive(world: Path) -> None:
    nodes = CustomNodes(registry=(RegistryNode("kj", "1.0.5"),))

    text, _ = locked(nodes)

    lock = nodes.with_lock(text).locked
    assert lock is not None
    [found] = lock.archives
    assert (found.id, found.version, found.url) == ("kj", "1.0.5", "https://cdn.comfy.org/kj/1.0.5/node.zip")
    assert found.checksum == f"sha256:{hashlib.sha256(NODE_ZIP).hexdigest()}"
    assert packages_of(text) == ["beta==2.0"]


def test_an_installer_is_named_since_it_is_not_run(world: Path) -> None:
    head = commit(world, {"install.py": "raise SystemExit('run')\n"})

    _, messages = locked(CustomNodes((GitNode(URL, head, "nodes"),)))

    assert any(line.startswith("note: install.py of nodes") for line in messages)


@pytest.mark.parametrize("requirements", ["opencv-python\nopencv-python-headless\n", "opencv-python\n"])
def test_packages_that_are_the_same_module_are_named(world: Path, requirements: str) -> None:
    for name in ("opencv_python", "opencv_python_headless"):
        wheel(world.parent / "packages", name, "5.0")
    head = commit(world, {"requirements.txt": requirements})

    _, messages = locked(CustomNodes((GitNode(URL, head, "nodes"),)))

    named = [line for line in messages if "opencv-python 5.0, opencv-python-headless 5.0 are all" in line]
    assert len(named) == (1 if "headless" in requirements else 0)


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("requirements", "reason"),
    [
        ("missing-package\n", "nodes needs missing-package"),
        ("einops<0.1\n", "nodes needs einops"),
        ("--extra-index-url https://a.example\nalpha\n", "has '--extra-index-url https://a.example'"),
        ("git+https://github.com/a/b\n", "cannot be locked by a hash"),
        ("alpha @ https://a.example/alpha.whl\n", "cannot be locked by a hash"),
        ("./wheels/alpha-1.0-py3-none-any.whl\n", "has './wheels/alpha.* cannot be locked by a hash"),
        ("wheels/alpha-1.0-py3-none-any.whl ; sys_platform == 'win32'\n", "cannot be locked by a hash"),
        ("..\\\\alpha\n", "cannot be locked by a hash"),
    ],
)
def test_what_cannot_be_locked_is_refused_with_the_node(world: Path, requirements: str, reason: str) -> None:
    head = commit(world, {"requirements.txt": requirements})

    with pytest.raises(RefusedError, match=reason):
        locked(CustomNodes((GitNode(URL, head, "nodes"),)))


def test_a_commit_that_is_not_there_is_refused(world: Path) -> None:
    commit(world, {"a": ""})

    with pytest.raises(RefusedError, match=f"{'0' * 40} cannot be fetched from {URL}"):
        locked(CustomNodes((GitNode(URL, "0" * 40, "nodes"),)))


def test_a_version_that_is_not_there_is_refused(world: Path) -> None:
    with pytest.raises(RefusedError, match=r"kj 9\.9\.9 is not in the Comfy Registry: .* answers 404"):
        locked(CustomNodes(registry=(RegistryNode("kj", "9.9.9"),)))


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("page", "names no https:// archive of version .*: check the id and the version"),
        ("list", "names no https:// archive"),
        ("cut", "ended early"),
        ("text", "is not a ZIP file that can be read: check the id"),
    ],
)
def test_an_odd_answer_of_the_registry_is_refused_in_words(world: Path, name: str, reason: str) -> None:
    with pytest.raises(RefusedError, match=reason):
        locked(CustomNodes(registry=(RegistryNode(name, "1.0.5"),)))


def test_a_project_file_that_names_no_packages_needs_none(world: Path) -> None:
    text, _ = locked(CustomNodes(registry=(RegistryNode("odd", "1.0.5"),)))

    assert packages_of(text) == []


def test_without_git_the_program_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(RefusedError, match="git is not on PATH"):
        locked(CustomNodes())


@pytest.mark.thorough
def test_the_lock_is_what_pip_takes(world: Path, tmp_path: Path) -> None:
    head = commit(world, {"requirements.txt": "alpha\n"})
    text, _ = locked(CustomNodes((GitNode(URL, head, "nodes"),)))
    file = tmp_path / "custom-nodes.lock"
    file.write_text(text)
    command = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-index",
        "--require-hashes",
        "--no-deps",
    ]
    command += ["--find-links", str(tmp_path / "packages"), "--target", str(tmp_path / "target")]

    subprocess.run([*command, "--requirement", str(file)], check=True)

    assert {path.name for path in (tmp_path / "target").glob("*.py")} == {"alpha.py", "beta.py"}


def test_the_tests_have_the_real_programs() -> None:
    assert shutil.which("git")
    assert Path(sys.executable).with_name("uv").exists()
    assert custom_nodes.lock_name("graphs") == "graphs.nodes.lock"
