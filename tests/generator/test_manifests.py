"""`generator render --output`: a folder for Argo CD and Flux, the same bytes at each run."""

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from generator import yaml_loader
from generator.build import manifests

Cli = Callable[..., "subprocess.CompletedProcess[str]"]
CLUSTER = {"name": "platform", "nodeRole": "KarpenterNodeRole-platform"}
FLUX = {"name": "flux", "type": "comfyui", "namespace": "pictures"}

RENDERED = """\
---
# Source: chart/templates/b.yaml
apiVersion: v1
kind: ConfigMap
metadata:
  name: one
  namespace: default
data:
  text: |
    ---
    a line
---
# Source: chart/templates/empty.yaml
---
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: things.example.com}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: "system:reader"}
---
apiVersion: v1
kind: Namespace
metadata: {name: pictures}
---
apiVersion: a.example.com/v1
kind: Thing
metadata: {name: same}
---
apiVersion: b.example.com/v1
kind: Thing
metadata: {name: same}
"""


def resources(files: dict[str, str]) -> list[str]:
    listed: list[str] = yaml_loader.load(files[manifests.INDEX])["resources"]
    return listed


def test_there_is_one_file_for_each_object_by_namespace_kind_and_name() -> None:
    files = manifests.files(RENDERED)

    assert set(files) == {
        "kustomization.yaml",
        "default/configmap-one.yaml",
        "_cluster/customresourcedefinition-things.example.com.yaml",
        "_cluster/clusterrole-system-reader.yaml",
        "_cluster/namespace-pictures.yaml",
        "_cluster/thing-same.yaml",
        "_cluster/thing.b.example.com-same.yaml",
    }
    assert "text: |\n    ---\n    a line" in files["default/configmap-one.yaml"]


def test_what_others_need_is_listed_first() -> None:
    assert resources(manifests.files(RENDERED))[:3] == [
        "_cluster/customresourcedefinition-things.example.com.yaml",
        "_cluster/namespace-pictures.yaml",
        "_cluster/clusterrole-system-reader.yaml",
    ]


def test_the_order_in_which_helm_renders_does_not_matter() -> None:
    parts = RENDERED.split("---\napi")
    mixed = "---\n".join(
        ["", *(f"api{part}" for part in reversed(parts[1:])), parts[0].removeprefix("---\n")]
    )

    assert list(manifests.files(mixed).items()) == list(manifests.files(RENDERED).items())


@pytest.fixture
def file(tmp_path: Path, config: dict[str, Any]) -> Path:
    """A config for an existing cluster, in the folder that commands run in."""
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump({**config, "existingCluster": CLUSTER}))
    return path


def change(file: Path, **top: Any) -> None:
    file.write_text(yaml.safe_dump({**yaml_loader.load(file.read_text()), **top}))


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_a_second_run_writes_the_same_bytes(file: Path, cli: Cli) -> None:
    assert cli("render", "config.yaml", "--output", "one").returncode == 0
    first = files_of(file.parent / "one")
    cli("render", "config.yaml", "--output", "one")
    cli("render", "config.yaml", "-o", "deep/in/two")

    assert files_of(file.parent / "one") == first
    assert files_of(file.parent / "deep/in/two") == first


@pytest.mark.thorough
def test_the_folder_has_what_is_printed_and_no_hooks(file: Path, cli: Cli) -> None:
    printed = [item for item in yaml_loader.load_all(cli("render", "config.yaml").stdout) if item]
    cli("render", "config.yaml", "--output", "out")

    folder = file.parent / "out"
    written = [yaml_loader.load((folder / path).read_text()) for path in resources_of(folder)]
    key = lambda item: (item["kind"], item["metadata"]["name"])  # noqa: E731
    assert sorted(written, key=key) == sorted(printed, key=key)
    assert not any("hook" in str(item["metadata"].get("annotations")) for item in written)


def resources_of(folder: Path) -> list[str]:
    return resources({manifests.INDEX: (folder / manifests.INDEX).read_text()})


@pytest.mark.thorough
def test_every_object_of_a_namespace_names_it(file: Path, cli: Cli) -> None:
    change(file, modelsRuntime=[*yaml_loader.load(file.read_text())["modelsRuntime"], FLUX])
    cli("render", "config.yaml", "--output", "out")

    in_cluster = {
        path.split("/")[1].split("-")[0] for path in resources_of(file.parent / "out") if "_cluster" in path
    }
    assert in_cluster == {"ec2nodeclass", "nodepool", "persistentvolume"}


@pytest.mark.thorough
def test_a_new_runtime_changes_no_file_of_the_others(file: Path, cli: Cli) -> None:
    change(file, observability={"logs": {"enabled": False}})
    cli("render", "config.yaml", "--output", "out")
    before = files_of(file.parent / "out")
    change(file, modelsRuntime=[FLUX, *yaml_loader.load(file.read_text())["modelsRuntime"]])
    cli("render", "config.yaml", "--output", "out")

    after = files_of(file.parent / "out")
    assert {path for path in before if after[path] != before[path]} == {"kustomization.yaml"}
    assert all("flux" in path for path in after.keys() - before.keys())


@pytest.mark.thorough
def test_files_of_removed_objects_go_and_those_of_the_user_stay(file: Path, cli: Cli) -> None:
    runtimes = yaml_loader.load(file.read_text())["modelsRuntime"]
    change(file, modelsRuntime=[*runtimes, FLUX])
    cli("render", "config.yaml", "--output", "out")
    (file.parent / "out/default/mine.yaml").write_text("a: 1\n")
    change(file, modelsRuntime=runtimes)
    cli("render", "config.yaml", "--output", "out")

    paths = set(files_of(file.parent / "out"))
    assert "default/mine.yaml" in paths
    assert not [path for path in paths if "flux" in path]
    assert "default/mine.yaml" not in resources_of(file.parent / "out")


@pytest.mark.thorough
def test_a_folder_of_somebody_else_is_left_alone(file: Path, cli: Cli) -> None:
    folder = file.parent / "apps"
    folder.mkdir()
    (folder / "kustomization.yaml").write_text("resources: [a.yaml]\n")

    result = cli("render", "config.yaml", "--output", "apps")

    assert result.returncode == 2
    assert "was not written by `generator render`" in result.stderr
    assert "--output" in result.stderr
    assert set(files_of(folder)) == {"kustomization.yaml"}


def test_the_umbrella_is_refused_for_an_existing_cluster(file: Path, cli: Cli) -> None:
    result = cli("render", "config.yaml", "--chart", "sd-on-eks", "--output", "out")

    assert result.returncode == 2
    assert "use --chart sd-runtimes" in result.stderr
    assert not (file.parent / "out").exists()


@pytest.mark.thorough
def test_kustomize_reads_the_folder(file: Path, cli: Cli) -> None:
    cli("render", "config.yaml", "--output", "out")

    built = subprocess.run(
        ["kubectl", "kustomize", str(file.parent / "out")], capture_output=True, text=True, check=True
    )
    objects = [item for item in yaml_loader.load_all(built.stdout) if item]
    assert len(objects) == len(resources_of(file.parent / "out"))


@pytest.mark.thorough
def test_build_only_runtimes_writes_no_cluster(file: Path, cli: Cli, config: dict[str, Any]) -> None:
    file.write_text(yaml.safe_dump(config))

    result = cli("build", "config.yaml", "--only", "runtimes")

    paths = {path.removeprefix("build/demo/") for path in result.stdout.split()}
    assert {"stack.yaml", "identity.yaml", "values/sdxl.yaml", "iam/keda-operator-policy.json"} <= paths
    assert not paths & {"cluster.yaml", "network.yaml", "values/platform.yaml"}


@pytest.mark.thorough
def test_with_an_existing_cluster_that_is_what_build_writes(file: Path, cli: Cli) -> None:
    one, two = (
        cli("build", "config.yaml", "-o", "a"),
        cli("build", "config.yaml", "-o", "a", "--only", "runtimes"),
    )

    assert one.stdout == two.stdout
    assert "cluster.yaml" not in one.stdout
