"""The command line itself: wrong words are corrected, shells complete it, any terminal can print it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from generator import yaml_loader
from generator.cli.encoding import look_alike
from generator.cli.main import COMMANDS

pytestmark = pytest.mark.thorough

ROOT = Path(__file__).resolve().parents[2]
WHERE = ("--account", "123456789012")
# For each command what it is called with, in a folder that holds config.yaml; no AWS answers.
CALLS: dict[str, tuple[str, ...]] = {
    "init": ("--no-questions", "--stack-name", "studio"),
    "validate": ("config.yaml", "wrong.yaml"),
    "build": ("config.yaml", *WHERE),
    "render": ("config.yaml", "--chart", "sd-runtimes", *WHERE),
    "diff": ("config.yaml", *WHERE),
    "plan": ("config.yaml", *WHERE),
    "whatif": ("config.yaml", "trace.csv", *WHERE),
    "preflight": ("config.yaml", *WHERE),
    "models": ("pull", "config.yaml", "--dry-run", *WHERE),
    "deploy": ("config.yaml", "--dry-run", *WHERE),
    "api": ("config.yaml", *WHERE),
    "keys": ("list", "config.yaml", *WHERE),
    "smoke": ("config.yaml", "--dry-run", *WHERE),
    "status": ("config.yaml", *WHERE),
    "logs": ("config.yaml", "sdxl", *WHERE),
    "uninstall": ("config.yaml", "--dry-run", *WHERE),
    "images": ("config.yaml", *WHERE),
    "submit": ("--runtime", "sdxl", "--prompt", "ein Bär — 熊", "--api-url", "http://127.0.0.1:9/prod"),
    "schema": (),
    "explain": ("SD105",),
    "completion": ("bash",),
}  # fmt: skip
# Commands whose standard output is data in UTF-8, whatever the locale is.
DATA = {"init", "render", "schema", "completion"}
# Their exit codes; 0 for the others. AWS does not answer, and one of the configs is wrong.
EXITS = {"validate": 2, "models": 2, "preflight": 3, "status": 3, "logs": 3, "submit": 3, "api": 3, "keys": 3}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a good and a wrong config, both with characters that are not ASCII."""
    path = tmp_path_factory.mktemp("command")
    config = yaml_loader.load((ROOT / "examples" / "minimal.yaml").read_text("utf-8"))
    config |= {"eksVersion": "1.35", "tags": {"team": "Künstler 图"}}
    wrong = {**config, "region": "地区—x"}
    (path / "trace.csv").write_text("0,sdxl-turbo,5\n", "utf-8")
    for name, data in (("config.yaml", config), ("wrong.yaml", wrong)):
        (path / name).write_text(yaml.safe_dump(data, allow_unicode=True), "utf-8")
    return path


def run(folder: Path, *words: str, **environment: str) -> "subprocess.CompletedProcess[bytes]":
    """The command as a user runs it."""
    env = {"PATH": f"{ROOT}/.cache/bin:{os.environ['PATH']}", "PYTHONPATH": str(ROOT), "HOME": str(folder)}
    env |= {"AWS_EC2_METADATA_DISABLED": "true", "SD_API_KEY": "x"}
    command = [sys.executable, "-m", "generator", *words]
    return subprocess.run(command, cwd=folder, env=env | environment, capture_output=True, check=False)


def test_every_command_is_called() -> None:
    assert CALLS.keys() == COMMANDS.keys()


@pytest.mark.parametrize("command", CALLS)
def test_a_command_prints_on_a_stream_that_knows_only_ascii(command: str, folder: Path) -> None:
    result = run(folder, command, *CALLS[command], PYTHONIOENCODING="ascii")

    assert b"Traceback" not in result.stderr, result.stderr.decode()
    assert result.returncode == EXITS.get(command, 0), result.stderr.decode()
    assert result.stderr.isascii()
    assert command in DATA or result.stdout.isascii()


@pytest.mark.parametrize("command", ["validate", "plan", "explain"])
def test_a_command_prints_under_the_locale_c(command: str, folder: Path) -> None:
    result = run(folder, command, *CALLS[command], LC_ALL="C", PYTHONUTF8="0", PYTHONCOERCECLOCALE="0")

    assert b"Traceback" not in result.stderr, result.stderr.decode()


def test_data_is_utf_8_whatever_the_locale_is(folder: Path) -> None:
    plain, ascii_only = (
        run(folder, "render", *CALLS["render"], PYTHONIOENCODING=encoding).stdout
        for encoding in ("utf-8", "ascii")
    )

    assert "图".encode() in plain
    assert plain == ascii_only


def test_a_file_name_that_is_not_utf_8_can_be_printed(folder: Path) -> None:
    command = [sys.executable.encode(), b"-m", b"generator", b"validate", b"\xff.yaml"]

    result = subprocess.run(
        command, cwd=folder, env={"PYTHONPATH": str(ROOT)}, capture_output=True, check=False
    )

    assert (result.returncode, b"Traceback" in result.stderr) == (2, False)


@pytest.mark.parametrize(
    ("char", "ascii_text"),
    [("→", "->"), ("—", "-"), ("─", "-"), ("│", "|"), ("┼", "+"), ("é", "e"), ("熊", "\\u718a")],
)
def test_a_character_has_a_look_alike_in_ascii(char: str, ascii_text: str) -> None:
    assert look_alike(char) == ascii_text


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["vaildate", "config.yaml"], "unknown command 'vaildate': did you mean 'validate'?"),
        (["biuld", "config.yaml"], "did you mean 'build'?"),
        (["preflght"], "did you mean 'preflight'?"),
        (["destroy", "config.yaml"], "did you mean 'uninstall'?"),
        (["apply"], "did you mean 'deploy'?"),
        (["validate", "config.yaml", "--formt", "json"], "did you mean '--format'?"),
        (["validate", "config.yaml", "--strct"], "did you mean '--strict'?"),
        (["plan", "config.yaml", "--acount=1"], "did you mean '--account'?"),
        (["validate", "config.yaml", "--format", "jsn"], "did you mean 'json'?"),
        (["init", "--type", "comfiui"], "did you mean 'comfyui'?"),
        (["completion", "bsh"], "did you mean 'bash'?"),
    ],
    ids=" ".join,
)
def test_a_wrong_word_is_corrected(words: list[str], hint: str, folder: Path) -> None:
    result = run(folder, *words)

    assert result.returncode == 2
    assert hint in result.stderr.decode()


def test_a_word_like_no_command_lists_the_commands(folder: Path) -> None:
    error = run(folder, "xyzzy").stderr.decode()

    assert "did you mean" not in error
    assert all(command in error for command in COMMANDS)


# Commands whose output has no other form, and why.
NOT_JSON = {"init": "prints a config, which is YAML", "completion": "prints a shell script"}
# Commands that print a JSON object on each line while they work.
JSON_LINES = {"deploy", "uninstall"}
# Without AWS these print nothing on standard output.
NO_ANSWER = {"api", "keys", "logs", "models", "status", "submit"}


@pytest.mark.parametrize("command", sorted(COMMANDS.keys() - NOT_JSON.keys()))
def test_a_command_that_prints_results_prints_them_as_json(command: str, folder: Path) -> None:
    result = run(folder, command, *CALLS[command], "--format", "json")

    text = result.stdout.decode()
    assert result.returncode == EXITS.get(command, 0), result.stderr.decode()
    if command in NO_ANSWER:
        assert text == ""
    elif command in JSON_LINES:
        assert text
        assert all(set(json.loads(line)) == {"message"} for line in text.splitlines())
    else:
        assert json.loads(text)


@pytest.mark.parametrize(
    ("words", "key"),
    [
        (["explain", "queueLength"], "path"),
        (["explain"], "path"),
        (["schema", "--rules"], "code"),
        (["schema", "--markdown"], "path"),
    ],
    ids=" ".join,
)
def test_reference_pages_have_a_form_for_programs(words: list[str], key: str, folder: Path) -> None:
    rows = json.loads(run(folder, *words, "--format", "json").stdout)

    assert rows
    assert all(row[key] for row in rows)


@pytest.mark.parametrize(
    ("other", "flags", "code"),
    [("config.yaml", ["--exit-code"], 0), ("other.yaml", ["--exit-code"], 4), ("other.yaml", [], 0)],
)
def test_diff_tells_differences_by_its_exit_code(
    other: str, flags: list[str], code: int, folder: Path
) -> None:
    text = (folder / "config.yaml").read_text("utf-8")
    (folder / "other.yaml").write_text(text.replace("sdoneks", "studio"), "utf-8")

    result = run(folder, "diff", "config.yaml", "--against", other, *WHERE, *flags, "--format", "json")

    assert result.returncode == code
    assert json.loads(result.stdout)["different"] == (other != "config.yaml")


@pytest.fixture(scope="module")
def script(folder: Path) -> Path:
    """The completion script for bash."""
    path = folder / "completion.sh"
    path.write_bytes(run(folder, "completion", "bash").stdout)
    return path


def test_the_completion_script_is_valid_bash(script: Path) -> None:
    result = subprocess.run(["bash", "-n", str(script)], capture_output=True, text=True, check=False)

    assert (result.returncode, result.stderr) == (0, "")


@pytest.mark.parametrize(
    ("words", "completed"),
    [
        (["val"], ["validate"]),
        (["validate", "--str"], ["--strict"]),
        (["validate", "--format", "sa"], ["sarif"]),
        (["deploy", "--only", "rel"], ["release"]),
        (["build", "conf"], ["config.yaml"]),
    ],
    ids=" ".join,
)
def test_bash_completes(words: list[str], completed: list[str], script: Path, folder: Path) -> None:
    line = f"COMP_WORDS=(generator {' '.join(words)}); COMP_CWORD={len(words)}"
    program = f'source {script}; {line}; _shtab_generator; echo "${{COMPREPLY[@]}}"'

    result = subprocess.run(["bash", "-c", program], cwd=folder, capture_output=True, text=True, check=False)

    assert result.stdout.split() == completed, result.stderr


@pytest.mark.parametrize("shell", ["zsh", "tcsh"])
def test_other_shells_have_a_script_that_names_every_command(shell: str, folder: Path) -> None:
    text = run(folder, "completion", shell).stdout.decode()

    assert all(command in text for command in COMMANDS)
