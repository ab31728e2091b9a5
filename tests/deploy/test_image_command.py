"""generator images: what it prints, and which builds it begins."""

from pathlib import Path

import pytest

from generator import yaml_loader
from generator.cli import main
from testing.account import Account, write_config
from tests.deploy.builds import COMMIT, LOCK, MANIFEST, NODES
from tests.deploy.conftest import MakeBench

GRAPHS = {"name": "graphs", "type": "comfyui"}
WITH_NODES = {**GRAPHS, "customNodes": [{"repository": "https://github.com/a/b", "commit": COMMIT}]}


def command(config: Path, *flags: str) -> int:
    return int(main.main(["images", str(config), "-o", str(config.parent / "out"), *flags]))


def test_the_command_prints_its_commands(
    bench: MakeBench, account: Account, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bench("graphs")  # the environment of the account

    assert command(write_config(tmp_path, account, GRAPHS), "--codebuild", "--dry-run") == 0

    assert capsys.readouterr().out.count("codebuild start-build") == 2
    assert not (tmp_path / "out").exists()


def test_custom_nodes_without_a_lock_are_not_built(
    bench: MakeBench, account: Account, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bench("graphs")
    config = write_config(tmp_path, account, WITH_NODES)

    for flag in ("--codebuild", "--script"):
        assert command(config, flag) == 2
        assert "custom nodes of graphs are not locked" in capsys.readouterr().err

    (tmp_path / "graphs.nodes.lock").write_text(LOCK)
    assert command(config, "--codebuild", "--dry-run") == 0
    assert "sd-on-eks/comfyui:0.33.0-nodes-" in capsys.readouterr().out


def test_the_command_prints_the_lines_of_the_config_with_the_digest(
    bench: MakeBench, account: Account, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bench("graphs")
    (tmp_path / "graphs.nodes.lock").write_text(LOCK)
    nodes = NODES.with_lock(LOCK)
    ecr = account.client("ecr")
    for repository, tag in (("sd-on-eks/comfyui", nodes.tag("0.33.0")), ("sd-on-eks/queue-agent", "0.1.0")):
        ecr.create_repository(repositoryName=repository)
        ecr.put_image(repositoryName=repository, imageTag=tag, imageManifest=MANIFEST)

    config = write_config(tmp_path, account, WITH_NODES)
    assert command(config, "--codebuild", "--yes") == 0

    out = capsys.readouterr().out
    lines = yaml_loader.load(out[out.index("    extraValues:") :])
    image = lines["extraValues"]["runtime"]["inferenceApi"]["image"]
    assert image["tag"] == nodes.tag("0.33.0")
    assert image["digest"].startswith("sha256:")
    write_config(tmp_path, account, WITH_NODES | lines)
    assert main.main(["validate", "--strict", str(config)]) in (0, 2)
    assert "SD35" not in capsys.readouterr().err
