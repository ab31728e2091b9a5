"""The image of a ComfyUI with custom nodes: its tag, its Dockerfile, and the script that builds it."""

import shutil
import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest

from generator import yaml_loader
from generator.build import custom_nodes as layer
from generator.build.files import RUNTIMES_ALONE
from generator.deploy import charts, helm
from generator.images import images
from generator.images import script as copy_script
from generator.solution import custom_nodes
from generator.solution.context import Context
from generator.solution.custom_nodes import Archive, CustomNodes, GitNode, RegistryNode
from generator.solution.model import Solution
from testing import solving

COMMIT, OTHER = "727295b52e5f7b5429e81ca2179172865aa83b99", "a" * 40
URL = "https://github.com/ltdrdata/ComfyUI-Impact-Pack"
DIGEST = f"sha256:{'ab' * 32}"
GIT = GitNode(URL, COMMIT, "ComfyUI-Impact-Pack")
REGISTRY = RegistryNode("comfyui-kjnodes", "1.0.5")
ARCHIVE = Archive(
    "comfyui-kjnodes",
    "1.0.5",
    "https://cdn.comfy.org/kijai/comfyui-kjnodes/1.0.5/node.zip",
    f"sha256:{'1' * 64}",
)
PACKAGES = f"piexif==1.1.3 \\\n    --hash=sha256:{'2' * 64}"
NODES = CustomNodes((GIT,), (REGISTRY,))


def locked(nodes: CustomNodes, *archives: Archive, packages: str = PACKAGES) -> CustomNodes:
    return nodes.with_lock(custom_nodes.lock_text("graphs", nodes, archives, packages))


def solve(lock: str | None = None, commit: str = COMMIT, **image: str) -> Solution:
    runtime = {
        "name": "graphs",
        "type": "comfyui",
        "customNodes": [{"repository": URL, "commit": commit}],
        "extraValues": {"runtime": {"inferenceApi": {"image": image}}},
    }
    data = {
        "stackName": "studio",
        "eksVersion": "1.35",
        "modelBucketArn": "arn:aws:s3:::models",
        "modelsRuntime": [runtime, {"name": "plain", "type": "comfyui"}],
    }
    files = {} if lock is None else {"graphs.nodes.lock": lock}
    return solving.solution(data, Context("us-west-2", "123456789012", date(2026, 11, 22), files))


def lock_of(solution: Solution) -> str:
    nodes = solution.runtimes[0].custom_nodes
    assert nodes is not None
    return custom_nodes.lock_text("graphs", nodes, (), PACKAGES)


def test_the_tag_follows_the_nodes_and_the_lock_in_any_order() -> None:
    other = GitNode("https://github.com/a/b", OTHER, "b")

    assert CustomNodes((GIT, other)).tag("1") == CustomNodes((other, GIT)).tag("1")
    tags = {
        NODES.tag("1"),
        CustomNodes((GIT,)).tag("1"),
        CustomNodes((GitNode(URL, OTHER, GIT.folder),)).tag("1"),
        CustomNodes((GitNode(URL, COMMIT, GIT.folder, ("piexif",)),)).tag("1"),
        locked(NODES, ARCHIVE).tag("1"),
        locked(NODES, ARCHIVE, packages="").tag("1"),
        NODES.tag("2"),
    }
    assert len(tags) == 7


def test_a_lock_of_other_nodes_counts_for_nothing() -> None:
    lock = custom_nodes.lock_text("graphs", NODES, (ARCHIVE,), PACKAGES)

    assert NODES.with_lock(lock).locked is not None
    assert CustomNodes((GIT,)).with_lock(lock).locked is None
    assert CustomNodes((GIT,)).with_lock(lock).tag("1") == CustomNodes((GIT,)).tag("1")
    assert NODES.with_lock("piexif==1.1.3\n").locked is None


def test_a_lock_is_read_as_it_was_written() -> None:
    read = locked(NODES, ARCHIVE).locked

    assert read is not None
    assert read.archives == (ARCHIVE,)
    assert PACKAGES in read.text


def test_the_pod_has_the_image_of_its_nodes_and_the_plain_one_keeps_its_own() -> None:
    solution = solve()
    text = helm.template(
        "studio", charts.folder(RUNTIMES_ALONE), "1.35", solving.built(solution, RUNTIMES_ALONE)
    )

    pods = {
        document["metadata"]["name"]: document["spec"]["template"]["spec"]["containers"][0]["image"]
        for document in yaml_loader.load_all(text)
        if document["kind"] == "Deployment"
    }
    nodes = solution.runtimes[0].custom_nodes
    assert nodes is not None
    repository = "123456789012.dkr.ecr.us-west-2.amazonaws.com/sd-on-eks/comfyui"
    assert pods == {"graphs": f"{repository}:{nodes.tag('0.33.0')}", "plain": f"{repository}:0.33.0"}
    assert {image.name for image in images.images(solution)} >= set(pods.values())


def test_the_values_name_the_digest_that_the_config_names() -> None:
    solution = solve(tag=solve().runtimes[0].runtime_image.default_tag, digest=DIGEST)

    assert solution.runtimes[0].runtime_image.name.endswith(f"/sd-on-eks/comfyui@{DIGEST}")
    [values] = [text for path, text in solving.built(solution).items() if path == "values/graphs.yaml"]
    assert DIGEST in values


def test_an_image_named_by_digest_is_pushed_by_the_tag_of_its_nodes() -> None:
    solution = solve(digest=DIGEST)

    [image] = [image for image in images.images(solution) if image.custom_nodes_of]
    assert image.how == "built"
    assert image.tagged.endswith(f":{solution.runtimes[0].runtime_image.default_tag}")


def test_the_build_has_a_dockerfile_and_a_lock_only_with_a_lock() -> None:
    without = solving.built(solve())
    files = solving.built(solve(lock_of(solve())))

    assert set(files) - set(without) == {"images/graphs/Dockerfile", "images/graphs/custom-nodes.lock"}
    assert files["images/graphs/custom-nodes.lock"] == lock_of(solve())


def test_the_dockerfile_adds_the_nodes_to_that_of_comfyui() -> None:
    nodes = locked(NODES, ARCHIVE)
    assert nodes.locked is not None

    text = layer.dockerfile(layer.base(), nodes, nodes.locked)

    assert text.startswith(layer.base().rstrip())
    added = text.removeprefix(layer.base().rstrip())
    assert "--require-hashes --no-deps" in added
    assert f"fetch --quiet --depth 1 {URL} {COMMIT}" in added
    assert f"ADD --checksum={ARCHIVE.checksum} {ARCHIVE.url} /build/comfyui-kjnodes.zip" in added
    # The result is ComfyUI's own last stage, with neither compilers nor git.
    last = added.rpartition("\nFROM ")[2]
    assert last.startswith("comfyui\n")
    assert "apt-get" not in last
    assert "USER" not in last


def test_a_registry_node_without_an_archive_is_not_built() -> None:
    nodes = locked(NODES)
    assert nodes.locked is not None

    with pytest.raises(ValueError, match=r"no archive of comfyui-kjnodes 1\.0\.5"):
        layer.dockerfile(layer.base(), nodes, nodes.locked)


def test_another_dockerfile_is_not_extended() -> None:
    nodes = locked(NODES, ARCHIVE)
    assert nodes.locked is not None

    with pytest.raises(ValueError, match="version of Python"):
        layer.dockerfile("FROM scratch\n", nodes, nodes.locked)


def test_hadolint_has_nothing_to_say(tmp_path: Path) -> None:
    hadolint = shutil.which("hadolint") or str(Path(sys.executable).with_name("hadolint"))
    nodes = locked(NODES, ARCHIVE)
    assert nodes.locked is not None
    file = tmp_path / "Dockerfile"
    file.write_text(layer.dockerfile(layer.base(), nodes, nodes.locked))

    done = subprocess.run([hadolint, str(file)], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout


def test_the_script_builds_from_the_folder_of_the_build(tmp_path: Path) -> None:
    solution = solve(lock_of(solve()))
    text = copy_script.script(images.images(solution), "docker", f"{tmp_path}/my build")

    [line] = [line for line in text.splitlines() if "--file" in line]
    folder = '"$build"/images/graphs'
    assert f"build='{tmp_path}/my build'" in text
    assert f"--build-context custom-nodes={folder} --file {folder}/Dockerfile" in line
    assert line.endswith("--push images/comfyui")
    assert subprocess.run(["bash", "-n"], input=text, text=True, check=False).returncode == 0
