"""Every example works as it stands, and the documented builds match what is built."""

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from generator import paths, yaml_loader
from generator.facts.facts import Facts

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = sorted((ROOT / "examples").glob("*.yaml"))
NAMES = {
    "minimal",
    "three-runtimes",
    "dynamic-model",
    "image-cache-snapshot",
    "china",
    "customer-keys",
    "custom-runtime",
    "reserved-capacity",
    "spot-with-fallback",
    "many-runtimes",
    "eks-1.28",
}
# The one that keeps the EKS version that the project was planned for.
PLANNED = "eks-1.28"
CURRENT = [path for path in EXAMPLES if path.stem != PLANNED]
FACTS = Facts(paths.data())
READMES = sorted(ROOT.glob("README*.md"))

Cli = Callable[..., "subprocess.CompletedProcess[str]"]


def each_of(examples: list[Path], *, thorough_but: str) -> list[Any]:
    """A case for each; only that one is also in `make test`."""
    marks = {True: (), False: (pytest.mark.thorough,)}
    return [pytest.param(path, id=path.stem, marks=marks[path.stem == thorough_but]) for path in examples]


def test_there_is_an_example_for_each_use_case() -> None:
    assert {path.stem for path in EXAMPLES} == NAMES


@pytest.mark.parametrize("example", each_of(EXAMPLES, thorough_but="many-runtimes"))
def test_an_example_validates_builds_and_renders(example: Path, cli: Cli) -> None:
    result = cli("render", str(example), "--chart", "sd-runtimes")

    kinds = [document["kind"] for document in yaml_loader.load_all(result.stdout) if document]
    runtimes = yaml_loader.load(example.read_text("utf-8"))["modelsRuntime"]
    assert result.returncode == 0, result.stderr
    assert kinds.count("Deployment") == kinds.count("NodePool") == len(runtimes)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_states_its_purpose_in_its_first_line(example: Path) -> None:
    assert example.read_text("utf-8").startswith("# ")


@pytest.mark.parametrize("config", [*CURRENT, ROOT / "local/demo.yaml"], ids=lambda path: path.stem)
def test_an_example_names_the_version_that_was_recommended_when_the_table_was_checked(config: Path) -> None:
    version = yaml_loader.load(config.read_text("utf-8"))["eksVersion"]

    assert version == FACTS.recommended_eks(FACTS.as_of)


@pytest.mark.parametrize("example", each_of(EXAMPLES, thorough_but="minimal"))
def test_an_example_passes_a_dry_run_of_deploy_as_it_stands(
    example: Path, cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_credentials(monkeypatch, tmp_path)

    result = cli("deploy", str(example), "--dry-run", "-o", str(tmp_path / "out"))

    assert result.returncode == 0, result.stderr
    assert "eksctl create cluster" in result.stdout + result.stderr


@pytest.mark.thorough
def test_the_dry_run_of_the_example_of_eks_1_28_says_the_line_to_set_for_a_new_cluster(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_credentials(monkeypatch, tmp_path)
    [example] = [path for path in EXAMPLES if path.stem == PLANNED]

    result = cli("deploy", str(example), "--dry-run", "-o", str(tmp_path / "out"))

    assert re.search(
        r'# if the cluster sdoneks does not exist yet: .* set eksVersion: "1\.\d+"\n',
        result.stdout + result.stderr,
    )


def without_credentials(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    """No AWS account can be found: a dry run then prints what it would do in an empty one."""
    for name in ("AWS_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(home / "no-config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(home / "no-credentials"))


@pytest.mark.parametrize("readme", READMES, ids=lambda path: path.name)
def test_the_config_of_a_readme_is_the_minimal_example(readme: Path) -> None:
    [block] = re.findall(r"```yaml\n(.*?)```", readme.read_text("utf-8"), re.DOTALL)
    minimal = (ROOT / "examples" / "minimal.yaml").read_text("utf-8")
    lines = [line for line in minimal.splitlines() if line and not line.lstrip().startswith("#")]

    assert block.splitlines() == lines


@pytest.mark.parametrize("readme", READMES, ids=lambda path: path.name)
def test_a_readme_advises_the_version_that_is_recommended(readme: Path) -> None:
    versions = set(re.findall(r'eksVersion: "([\d.]+)"', readme.read_text("utf-8")))

    assert versions == {"1.28", FACTS.recommended_eks(FACTS.as_of)}


def test_the_documented_builds_match_what_the_generator_writes() -> None:
    check = [sys.executable, "tools/examples.py", "--check"]

    result = subprocess.run(check, cwd=ROOT, capture_output=True, text=True, check=False)

    assert (result.returncode, result.stdout, result.stderr) == (0, "", ""), "run `make examples`"
