"""Arguments of the runtimes: the words that a program gets, by running each container's command for real."""

import json
import os
import shlex
import subprocess
from pathlib import Path

import pytest

from generator.config.rules import arguments

from .conftest import (
    BASE,
    ROOT,
    RUNTIMES,
    TYPES,
    HelmError,
    Object,
    Objects,
    Render,
    merged,
    nested,
    template,
)

ARGUMENTS = "runtime.inferenceApi.commandArguments"
BY_TYPE = {TYPES[name]["type"]: TYPES[name] for name in ("static", "comfy", "invoke", "own")}

# Arguments as a user writes them, and the words that the program must get.
WRITTEN: dict[str, tuple[object, list[str]]] = {
    "none": ("", []),
    "plain": ("--medvram  --precision full ", ["--medvram", "--precision", "full"]),
    "double-quotes": ('--styles-file "my styles.csv"', ["--styles-file", "my styles.csv"]),
    "single-quotes": ("--theme 'dark mode'", ["--theme", "dark mode"]),
    "backslash": (r"--theme dark\ mode", ["--theme", "dark mode"]),
    "both-quotes": (r'--theme "it' + r"'" + r's \"dark\""', ["--theme", 'it\'s "dark"']),
    "joined": ("--theme=a'b c'\"d e\"f", ["--theme=ab cd ef"]),
    "empty": ("--theme '' \"\"", ["--theme", "", ""]),
    "shell": (
        "--theme '$HOME' $HOME * ; `id` $(id) > x | y & ~ #",
        ["--theme", "$HOME", "$HOME", "*", ";", "`id`", "$(id)", ">", "x", "|", "y", "&", "~", "#"],
    ),
    "two-lines": ("--medvram \\\n  --lowram\n", ["--medvram", "--lowram"]),
    "unicode": ("--theme 夜 'ü ö'", ["--theme", "夜", "ü ö"]),
    "list": (["--theme", "dark mode", "--seed=4"], ["--theme", "dark mode", "--seed=4"]),
    "numbers": (["--seed", 4, 0.5, 33554432], ["--seed", "4", "0.5", "33554432"]),
    "literals": (["'a'", '"b', "\\", "$X", "", "c\td", "-e"], ["'a'", '"b', "\\", "$X", "", "c\td", "-e"]),
}

# Prints each of its arguments on a line of its own.
PROGRAM = """\
#!/bin/sh
case "$*" in *--help*) exit ;; esac
for word do printf '%s\\n' "$word"; done
"""


def words(container: Object, folder: Path) -> list[str]:
    """What the program of a container gets when the command runs with the container's own variables."""
    if "command" not in container:
        return list(container.get("args", []))
    code = folder / "code"
    code.mkdir(parents=True)
    for name in ("python", "invokeai-web"):
        (code / name).write_text(PROGRAM)
        (code / name).chmod(0o755)
    (code / "serve.sh").write_text((ROOT / "images" / "sdwebui" / "serve.sh").read_text("utf-8"))
    env = {variable["name"]: variable["value"] for variable in container["env"]}
    env |= {"PATH": f"{code}:{os.environ['PATH']}", "CONFIG_FILE": "/dev/null"}
    env |= {"DATA": str(folder / "data"), "INVOKEAI_ROOT": str(folder / "root")}
    command = [word.replace("/opt/ml/code", str(code)) for word in container["command"]]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=True, cwd=folder)
    return done.stdout.split("\n")[:-1]


@pytest.fixture(scope="module")
def all_written() -> Objects:
    """A runtime of each type with each of the arguments, in one rendering."""
    runtimes = {
        f"{kind}-{name}": merged(values, nested(ARGUMENTS, written))
        for kind, values in BY_TYPE.items()
        for name, (written, _) in WRITTEN.items()
    }
    return template(str(RUNTIMES), json.dumps(merged(BASE, {"runtimes": runtimes})))


@pytest.mark.thorough
@pytest.mark.parametrize("name", WRITTEN)
@pytest.mark.parametrize("kind", BY_TYPE)
def test_the_program_gets_the_words_that_were_written(
    all_written: Objects, tmp_path: Path, kind: str, name: str
) -> None:
    own = words(all_written.container(f"{kind}-none", "runtime"), tmp_path / "without")

    received = words(all_written.container(f"{kind}-{name}", "runtime"), tmp_path / "with")

    assert [word.replace("/without", "/with") for word in own] + WRITTEN[name][1] == received


@pytest.mark.thorough
def test_the_variable_holds_the_same_words_for_every_type(all_written: Objects) -> None:
    for name, (_, expected) in WRITTEN.items():
        for kind in BY_TYPE:
            received = shlex.split(all_written.env(f"{kind}-{name}")["EXTRA_CMD_ARG"])
            assert received[len(received) - len(expected) :] == expected, (kind, name)


def test_the_rules_split_arguments_as_the_chart_does() -> None:
    for name, (written, expected) in WRITTEN.items():
        if isinstance(written, str):
            assert arguments.split(written) == expected, name


def test_arguments_can_name_every_other_variable(all_written: Objects) -> None:
    for kind in BY_TYPE:
        names = [item["name"] for item in all_written.container(f"{kind}-plain", "runtime")["env"]]
        assert names[-1] == "EXTRA_CMD_ARG", kind


@pytest.mark.parametrize("written", ["--theme 'dark", '--theme "dark', "--theme dark\\", "--a 'b' \"'\" '"])
def test_a_quote_that_is_not_closed_is_refused(render: Render, written: str) -> None:
    with pytest.raises(HelmError, match="a quote is not closed"):
        render(one=nested(ARGUMENTS, written))


# Arguments that break what the chart relies on, by type.
REFUSED = {
    "sdwebui": [
        *("--port 7860", "--port=7860", "--po 7860", "--server-name 127.0.0.1", "--api-auth me:secret"),
        *("--tls-keyfile /k --tls-certfile /c", "--ckpt /x.safetensors", "--data-dir /tmp/x", "--exit", "-h"),
        *(
            "--models-dir /tmp/models",
            "--ui-settings-file /tmp/x.json",
            "--freeze-settings",
            "--ui-debug-mode",
        ),
    ],
    "comfyui": [
        *("--port 8188", "--listen 127.0.0.1", "--listen=127.0.0.1", "--lis 127.0.0.1", "--tls-keyfile /k"),
        *("--base-directory /x", "--output-directory /x", "--input-directory=/x", "--temp-directory /x"),
        *("--user-directory /x", "--quick-test-for-ci", "--help"),
    ],
    "invokeai": ["--root /srv", "--root=/srv", "--version", "-h"],
}
# Arguments that change nothing of it.
ACCEPTED = {
    "sdwebui": [
        *("--port 8080", "--listen", "--api", "--nowebui", "--server-name 0.0.0.0", "--cors-allow-origins=*"),
        *("--medvram", "--models-dir /opt/ml/code/models"),
    ],
    "comfyui": ["--port 8080", "--listen", "--listen 0.0.0.0", "--listen --lowvram", "--disable-metadata"],
    "invokeai": ["--root /invokeai", "--config /invokeai/my.yaml", "--lowvram"],
    "custom": ["--port 1 --listen 127.0.0.1 --help --api-auth me:secret"],
}
PAIRS = [(kind, written) for kind, texts in REFUSED.items() for written in texts]


@pytest.fixture(scope="module")
def refusal() -> str:
    """What Helm says about all of REFUSED and ACCEPTED, in one rendering."""
    pairs = [*PAIRS, *((kind, written) for kind, texts in ACCEPTED.items() for written in texts)]
    runtimes = {
        f"r{number}": merged(BY_TYPE[kind], nested(ARGUMENTS, written))
        for number, (kind, written) in enumerate(pairs)
    }
    with pytest.raises(HelmError) as error:
        template(str(RUNTIMES), json.dumps(merged(BASE, {"runtimes": runtimes})))
    return str(error.value)


@pytest.mark.parametrize("pair", PAIRS, ids=" ".join)
def test_an_argument_that_would_break_the_pod_is_refused(refusal: str, pair: tuple[str, str]) -> None:
    word = pair[1].split()[0].partition("=")[0]
    where = f"- runtimes.r{PAIRS.index(pair)}.{ARGUMENTS}: {word} cannot be set: "

    assert where in refusal


def test_an_argument_that_changes_nothing_is_accepted(refusal: str) -> None:
    numbers = {int(line.removeprefix("- runtimes.r").partition(".")[0])
               for line in refusal.splitlines() if line.startswith("- runtimes.")}  # fmt: skip

    assert numbers == set(range(len(PAIRS)))
