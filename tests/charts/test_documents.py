"""What is written about the charts is true: values, schema, READMEs, notes."""

import importlib.util
import json
import re
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
import yaml

from generator import yaml_loader

from .conftest import BASE, ROOT, RUNTIMES, TYPES, UMBRELLA, Values, helm, merged, template


def tool(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, ROOT / "tools" / f"{name}.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", ["chart_schema", "chart_docs"])
def test_what_is_made_is_up_to_date(name: str) -> None:
    command = [sys.executable, str(ROOT / "tools" / f"{name}.py"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("chart", [RUNTIMES, UMBRELLA], ids=lambda chart: chart.name)
def test_every_value_is_described(chart: Path) -> None:
    values = list(tool("chart_docs").values((chart / "values.yaml").read_text()))
    assert len(values) > 10
    assert [entry.path for entry in values if not entry.text] == []


def described(node: Values, above: str = "") -> dict[str, Values]:
    """The leaves of a schema, by path."""
    keys: dict[str, Values] = {}
    for key, below in node.get("properties", {}).items():
        path = f"{above}.{key}" if above else key
        keys |= described(below, path) if below.get("properties") else {path: below}
    return keys


SCHEMA = json.loads((ROOT / "values-schema.json").read_text())["definitions"]
LEAVES = described(SCHEMA["karpenter"], "karpenter") | described(SCHEMA["runtime"], "runtime")
DEFAULTS = yaml_loader.load((RUNTIMES / "values.yaml").read_text())["defaults"]
NOTHING = object()


def default(path: str) -> object:
    node = DEFAULTS
    for step in re.split(r"\.(?!com/)", path):
        if not isinstance(node, dict) or step not in node:
            return NOTHING
        node = node[step]
    return node


@pytest.mark.parametrize("path", [path for path, leaf in LEAVES.items() if "default" in leaf])
def test_defaults_of_the_schema_are_those_of_the_chart(path: str) -> None:
    assert default(path) == LEAVES[path]["default"]


OLD = [path for path, leaf in LEAVES.items() if "x-no-effect" in leaf or ".XRay." in path]


def test_every_key_of_the_schema_is_a_value_of_the_chart_or_changes_nothing() -> None:
    resources = ".resources."
    absent = [path for path in LEAVES if default(path) is NOTHING and resources not in path]
    optional = ["karpenter.provisioner.resourceLimits.cpu", "karpenter.provisioner.resourceLimits.memory"]
    assert sorted(absent) == sorted([*OLD, *optional])


@pytest.mark.parametrize("path", [path for path in OLD if "XRay" not in path])
def test_keys_without_effect_are_listed(path: str) -> None:
    assert f"| `{path}` |" in (RUNTIMES / "README.md").read_text()


@pytest.mark.parametrize("chart", [RUNTIMES, UMBRELLA], ids=lambda chart: chart.name)
def test_helm_finds_nothing_to_complain_of(chart: Path) -> None:
    done = subprocess.run([helm(), "lint", str(chart)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    problems = [line for line in done.stdout.splitlines() if "[WARNING]" in line or "[ERROR]" in line]
    assert all("missing these dependencies" in line for line in problems)


def test_helm_finds_nothing_to_complain_of_with_runtimes(tmp_path: Path) -> None:
    values = tmp_path / "values.json"
    values.write_text(json.dumps(merged(BASE, {"runtimes": TYPES})))
    command = [helm(), "lint", "--strict", str(RUNTIMES), "-f", str(values)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("chart", [RUNTIMES, UMBRELLA], ids=lambda chart: chart.name)
def test_the_packed_chart_checks_its_values(chart: Path, tmp_path: Path, chart_copy: Path) -> None:
    source = chart_copy / chart.name
    metadata = yaml_loader.load((source / "Chart.yaml").read_text())
    metadata.pop("dependencies", None)
    (source / "Chart.yaml").write_text(yaml.safe_dump(metadata))
    subprocess.run([helm(), "package", str(source), "-d", str(tmp_path)], check=True, capture_output=True)
    with tarfile.open(next(tmp_path.glob("*.tgz"))) as packed:
        assert f"{chart.name}/values.schema.json" in packed.getnames()


Notes = Callable[[Values], str]


@pytest.fixture
def notes_of(chart_copy: Path) -> Notes:
    """NOTES.txt as Helm prints it after an install of these runtimes."""
    chart = chart_copy / "sd-runtimes"
    (chart / "templates" / "shown.yaml").write_text(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: notes}\n"
        'data:\n  text: {{ include "sd-runtimes.notes" . | quote }}\n'
    )

    def notes_of(runtimes: Values) -> str:
        rendered = template(str(chart), json.dumps(merged(BASE, {"runtimes": runtimes})))
        return str(rendered["ConfigMap/notes"]["data"]["text"])

    return notes_of


@pytest.fixture
def notes(notes_of: Notes) -> str:
    return notes_of(TYPES)


def test_a_dynamic_runtime_gets_its_model_from_its_first_task(notes_of: Notes) -> None:
    line = next(line for line in notes_of({"one": TYPES["dynamic"]}).splitlines() if "--message '" in line)
    content = json.loads(line.split("'")[1])["content"]
    assert content["override_settings"]["sd_model_checkpoint"].endswith(".safetensors")


def test_without_runtimes_the_notes_say_how_to_name_one(notes_of: Notes) -> None:
    assert notes_of({}).startswith("There are no runtimes yet. Add one to `runtimes`")


def test_the_notes_send_a_task_that_its_queue_takes(notes: str) -> None:
    line = next(line for line in notes.splitlines() if "--message '" in line)
    message = json.loads(line.split("'")[1])
    assert message["metadata"] == {"id": "first", "runtime": "comfy", "tasktype": "pipeline"}
    assert "arn:aws:sns:us-west-2:123456789012:demo-requests" in notes
    attributes = next(line for line in notes.splitlines() if "--message-attributes" in line)
    assert json.loads(attributes.split("'")[1])["runtime"]["StringValue"] == "comfy"


@pytest.mark.parametrize("kind", ["sdwebui", "comfyui", "invokeai", "custom"])
def test_every_type_has_a_first_task(kind: str) -> None:
    task = yaml_loader.load((RUNTIMES / "profiles" / f"{kind}.yaml").read_text())["firstTask"]
    assert json.loads(task["content"])
    assert task["tasktype"]


def test_the_notes_name_images_and_folders(notes: str) -> None:
    assert "123456789012.dkr.ecr.us-west-2.amazonaws.com/sd-on-eks/queue-agent:0.1.0" in notes
    assert "Stable-diffusion VAE Lora" in notes


def test_notes_and_readmes_say_that_runtimes_go_first(notes: str) -> None:
    texts = [notes, *((chart / "README.md").read_text() for chart in (RUNTIMES, UMBRELLA))]
    for text in texts:
        ending = text[text.index("ninstall") :]
        assert re.search(r"GPU\s+instances keep running", ending)
        assert "nodeclaims" in ending
    steps = (UMBRELLA / "README.md").read_text().split("## Uninstall")[1]
    commands = ["helm upgrade demo", "kubectl wait nodeclaims", "helm uninstall demo"]
    assert sorted(steps.index(entry) for entry in commands) == [steps.index(entry) for entry in commands]


def test_the_values_of_the_readme_work() -> None:
    text = (RUNTIMES / "README.md").read_text().split("```yaml\n")[1].split("```")[0]
    assert "Deployment/turbo" in template(str(RUNTIMES), json.dumps(yaml_loader.load(text)))


@pytest.mark.parametrize("chart", [RUNTIMES, UMBRELLA], ids=lambda chart: chart.name)
def test_no_template_is_too_long_to_read(chart: Path) -> None:
    for file in (chart / "templates").rglob("*.*"):
        assert len(file.read_text().splitlines()) <= 150, file
