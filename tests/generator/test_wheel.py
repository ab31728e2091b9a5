"""The wheel, installed without a clone: commands work, and nothing is written to the package."""

import hashlib
import json
import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from generator import yaml_loader

pytestmark = pytest.mark.thorough

ROOT = Path(__file__).resolve().parents[2]
Run = Callable[..., "subprocess.CompletedProcess[str]"]
WHERE = ("--region", "us-east-1", "--account", "123456789012")

# Replaces Helm and the registries: an empty package for each chart, one CRD for KEDA.
FAKE_HELM = """\
#!/bin/sh
if [ "$1" = template ]; then
  printf 'kind: CustomResourceDefinition\\nmetadata: {name: scaledobjects.keda.sh}\\n'
  exit
fi
name=$(basename "$2")
[ "$1" = pull ] || version=$(sed -n 's/^version: //p' "$2/Chart.yaml")
while [ "$1" != --destination ]; do
  [ "$1" = --version ] && version=$2
  shift
done
touch "$2/$name-$version.tgz"
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, capture_output=True, check=True)
    [path] = folder.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with the wheel and what it depends on, without the clone."""
    folder = tmp_path_factory.mktemp("env")
    venv.create(folder, with_pip=False)
    [packages] = folder.glob("lib/python*/site-packages")
    # Only a path: the .pth file that installs the clone in the tests' own environment has no effect there.
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    path = folder / "bin" / "python"
    install = [sys.executable, "-m", "pip", "--python", str(path), "install", "-q", "--no-deps", "--no-index"]
    subprocess.run([*install, str(wheel)], capture_output=True, check=True)
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An empty folder with a config."""
    config = yaml_loader.load((ROOT / "examples" / "minimal.yaml").read_text("utf-8"))
    (tmp_path / "config.yaml").write_text(yaml.safe_dump({**config, "eksVersion": "1.34"}))
    return tmp_path


@pytest.fixture
def run(python: Path, folder: Path) -> Run:
    """Runs a module of the installed package there, where no AWS answers."""
    env = {"AWS_ENDPOINT_URL": "http://127.0.0.1:9", "AWS_MAX_ATTEMPTS": "1", "AWS_ACCESS_KEY_ID": "x"}
    env |= {"AWS_SECRET_ACCESS_KEY": "x", "HOME": str(folder)}
    path = os.pathsep.join((str(ROOT / ".cache" / "bin"), os.environ["PATH"]))

    def run(*words: str, path: str = path) -> "subprocess.CompletedProcess[str]":
        command = [str(python), "-m", *words]
        environment = {**env, "PATH": path}
        return subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True, check=False
        )

    return run


def test_it_holds_the_generator_the_client_and_no_other_package(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        folders = {name.partition("/")[0] for name in archive.namelist()}

    assert {folder for folder in folders if not folder.endswith(".dist-info")} == {"generator", "sd_on_eks"}


@pytest.mark.parametrize(
    "command",
    [
        ["validate", "config.yaml"],
        ["build", "config.yaml", *WHERE],
        ["render", "config.yaml", *WHERE],
        ["images", "config.yaml", *WHERE],
        ["images", "config.yaml", "--verify", *WHERE],
        ["plan", "config.yaml", *WHERE],
        ["schema"],
        ["deploy", "config.yaml", "--dry-run", *WHERE],
    ],
    ids=lambda command: " ".join(word for word in command if word not in ("config.yaml", *WHERE)),
)
def test_a_command_works_without_the_clone(run: Run, command: list[str]) -> None:
    result = run("generator", *command)

    assert result.returncode == 0, result.stderr
    assert str(ROOT) not in result.stdout


def test_it_checks_variables_of_the_agent_by_the_agents_parsers(run: Run, folder: Path) -> None:
    config = yaml_loader.load((folder / "config.yaml").read_text("utf-8"))
    agent = {"queueAgent": {"extraEnv": {"LOG_LEVEL": "verbose"}}}
    config["modelsRuntime"][0]["extraValues"] = {"runtime": agent}
    (folder / "config.yaml").write_text(yaml.safe_dump(config))

    result = run("generator", "validate", "config.yaml")

    assert result.returncode == 2
    assert "write one of DEBUG, INFO, WARNING, ERROR" in result.stdout + result.stderr


def test_the_files_are_the_ones_that_the_clone_builds(run: Run, folder: Path) -> None:
    run("generator", "build", "config.yaml", *WHERE)
    command = [sys.executable, "-m", "generator", "build", str(folder / "config.yaml"), *WHERE, "-o", "clone"]
    subprocess.run(command, cwd=folder, env={**os.environ, "PYTHONPATH": str(ROOT)}, check=True)

    assert texts(folder / "build") == texts(folder / "clone")


def texts(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def empty_charts_on_record(python: Path) -> Iterator[Path]:
    """The charts of the package, with the digests of empty archives on record."""
    [package] = python.parents[1].glob("lib/python*/site-packages/generator")
    record = package / "facts" / "data" / "charts.json"
    text = record.read_text("utf-8")
    facts = json.loads(text)
    names = (*facts["sha256"], *facts["contents"]["sha256"])
    record.write_text(json.dumps(facts | {"sha256": dict.fromkeys(names, hashlib.sha256().hexdigest())}))
    yield package / "bundled" / "charts"
    record.write_text(text)


def test_the_umbrella_is_prepared_next_to_the_builds(
    run: Run, folder: Path, empty_charts_on_record: Path
) -> None:
    helm = folder / "bin" / "helm"
    helm.parent.mkdir()
    helm.write_text(FAKE_HELM)
    helm.chmod(0o755)
    before = texts(empty_charts_on_record)

    result = run(
        "generator.deploy.chart_deps", "--eks", "1.34", path=f"{helm.parent}{os.pathsep}/usr/bin:/bin"
    )

    chart = folder / "build" / ".charts" / "1.34" / "sd-on-eks"
    assert result.stdout.splitlines()[-1:] == [str(chart)], result.stderr
    archives = {path.name.rpartition("-")[0] for path in (chart / "charts").iterdir()}
    assert archives == {"karpenter", "keda", "aws-mountpoint-s3-csi-driver", "sd-runtimes"}
    assert (chart / "crds" / "keda.yaml").is_file()
    assert texts(empty_charts_on_record) == before
