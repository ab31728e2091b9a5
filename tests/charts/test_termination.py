"""How containers end: the command of each profile as PID 1 of a process namespace, as in a container."""

import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from local import processes
from testing import containers
from testing.containers import Contained
from testing.world import wait_for

from .conftest import ROOT, TYPES, Object, Objects

# The runtimes whose command is the chart's.
COMMANDS = ("static", "dynamic", "comfy", "invoke")
# A program that has no handler, as ComfyUI; one that starts processes and leaves them to PID 1.
PROGRAMS = {
    "no-handler": "import time; print('started', flush=True); time.sleep(600)",
    "deaf": (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "print('started', flush=True); time.sleep(600)"
    ),
    "own-code": (
        "import signal, sys, time; signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))\n"
        "print('started', flush=True); time.sleep(600)"
    ),
    "ends": "import sys; print('started', flush=True); sys.exit(3)",
    "orphans": (
        "import os, pathlib, time\n"
        "for _ in range(3):\n"
        "    if not os.fork():\n"
        "        os._exit(0) if os.fork() else time.sleep(0.1)\n"
        "        os._exit(0)\n"
        "    os.wait()\n"
        "time.sleep(0.5)\n"
        "print('started', len([path for path in pathlib.Path('/proc').iterdir() if path.name.isdigit()\n"
        "    and path.joinpath('stat').read_text().rpartition(')')[2].split()[0] == 'Z']), flush=True)\n"
        "time.sleep(600)"
    ),
}
Start = Callable[..., Contained]


@pytest.fixture
def start(tmp_path: Path, types: Objects) -> Iterator[Start]:
    """`start(name, program)`: a runtime's command with a stand-in for the program that it starts."""
    started: list[Contained] = []

    def start(name: str, program: str, *, grace: int = 20, plain: bool = False) -> Contained:
        container = types.container(name, "runtime")
        code = tmp_path / name
        command = [word.replace("/opt/ml/code", str(code)) for word in _command(container, code, program)]
        command = [word.replace("sleep 20", f"sleep {grace}") for word in command]
        child = containers.start(name, command[4:] if plain else command, _environment(container, code), code)
        started.append(child)
        return child

    yield start
    processes.stop(started, 0)


def _command(container: Object, code: Path, program: str) -> list[str]:
    """The command as Kubernetes starts it; the program is in the folder `code`."""
    code.mkdir()
    (code / "program.py").write_text(PROGRAMS[program])
    for name in ("python", "invokeai-web"):
        started = shlex.join([sys.executable, f"{code}/program.py"])
        text = f'#!/bin/sh\ncase "$*" in *--help*) exit ;; esac\nexec {started}\n'
        (code / name).write_text(text)
        (code / name).chmod(0o755)
    (code / "serve.sh").write_text((ROOT / "images" / "sdwebui" / "serve.sh").read_text("utf-8"))
    variables = {item["name"]: item["value"] for item in container["env"]}
    return containers.expand(container["command"], variables)


def _environment(container: Object, code: Path) -> dict[str, str]:
    variables = {item["name"]: item["value"] for item in container["env"]}
    variables |= {"PATH": f"{code}:{os.environ['PATH']}", "CONFIG_FILE": "/dev/null", "PYTHONPATH": ""}
    return variables | {"DATA": str(code / "data"), "INVOKEAI_ROOT": str(code / "root")}


def _printed(child: Contained) -> list[str]:
    return child.log.read_text().split()


def _stopped(child: Contained, number: signal.Signals = signal.SIGTERM, seconds: float = 5) -> int:
    """The exit code after a signal. Raises TimeoutExpired if it does not end."""
    wait_for(lambda: _printed(child)[:1] == ["started"])
    child.signal(number)
    return child.process.wait(seconds)


@pytest.mark.parametrize("name", COMMANDS)
def test_a_program_without_a_handler_ends_on_sigterm(start: Start, name: str) -> None:
    assert _stopped(start(name, "no-handler")) == 128 + signal.SIGTERM


@pytest.mark.parametrize("name", COMMANDS)
def test_without_the_init_it_would_go_on(start: Start, name: str) -> None:
    with pytest.raises(subprocess.TimeoutExpired):
        _stopped(start(name, "no-handler", plain=True), seconds=0.5)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGQUIT, signal.SIGHUP])
def test_an_image_may_name_another_signal(start: Start, number: signal.Signals) -> None:
    assert _stopped(start("comfy", "no-handler"), number) == 128 + signal.SIGTERM


@pytest.mark.parametrize("name", COMMANDS)
def test_a_program_ends_in_its_own_way(start: Start, name: str) -> None:
    assert _stopped(start(name, "own-code")) == 7


def test_a_program_that_does_not_end_is_killed(start: Start) -> None:
    assert _stopped(start("comfy", "deaf", grace=1)) == 128 + signal.SIGKILL


def test_it_is_killed_before_a_failed_liveness_probe_kills_the_container(types: Objects) -> None:
    container = types.container("comfy", "runtime")
    assert "sleep 20;" in container["command"][2]
    assert container["livenessProbe"]["terminationGracePeriodSeconds"] > 20


@pytest.mark.parametrize("name", COMMANDS)
def test_the_exit_code_of_the_program_is_that_of_the_container(start: Start, name: str) -> None:
    assert start(name, "ends").process.wait(10) == 3


@pytest.mark.parametrize("name", COMMANDS)
def test_a_signal_right_after_the_start_ends_it(start: Start, name: str) -> None:
    child = start(name, "no-handler")
    wait_for(lambda: child.handles(signal.SIGTERM))
    child.signal(signal.SIGTERM)

    child.process.wait(5)


def test_processes_that_lost_their_parent_are_collected(start: Start) -> None:
    child = start("comfy", "orphans")
    wait_for(lambda: len(_printed(child)) == 2)

    assert _printed(child) == ["started", "0"]


@pytest.mark.parametrize("name", COMMANDS)
def test_the_init_is_the_one_that_other_tests_use(types: Objects, name: str) -> None:
    command = types.container(name, "runtime")["command"]
    assert containers.with_init(command[4:]) == command


@pytest.mark.parametrize("name", TYPES)
def test_kubernetes_changes_nothing_in_a_command(types: Objects, name: str) -> None:
    container = types.container(name, "runtime")
    command = container.get("command", [])
    assert containers.expand(command, {item["name"]: item["value"] for item in container["env"]}) == command


@pytest.mark.parametrize(
    ("written", "expanded"),
    [("$(A)", "1"), ("$$(A)", "$(A)"), ("$(B)", "$(B)"), ("$$", "$"), ("$A $(", "$A $("), ("$$$$", "$$")],
)
def test_variables_in_a_command_are_those_of_the_container(written: str, expanded: str) -> None:
    assert containers.expand([written], {"A": "1"}) == [expanded]


# A custom runtime: the command is that of its image.


def test_the_program_of_a_custom_image_is_not_pid_1(types: Objects) -> None:
    assert "command" not in types.container("own", "runtime")
    assert types.pod("own")["shareProcessNamespace"] is True


@pytest.mark.parametrize("name", COMMANDS)
def test_the_others_share_no_processes(types: Objects, name: str) -> None:
    assert "shareProcessNamespace" not in types.pod(name)


SPY = """
import os, subprocess, sys
user = int(sys.argv[1])
secret = subprocess.Popen(["/bin/sleep", "60"], env={"AWS_SECRET": "x"}, user=user, group=user)
os.setgroups([1000]); os.setgid(1000); os.setuid(1000)
seen = []
for name in ("environ", "mem", "maps"):
    try: open(f"/proc/{secret.pid}/{name}", "rb").close(); seen.append(name)
    except PermissionError: pass
for name in ("root", "cwd", "fd"):
    try: os.listdir(f"/proc/{secret.pid}/{name}"); seen.append(name)
    except PermissionError: pass
try: os.kill(secret.pid, 9); seen.append("kill")
except PermissionError: pass
print(*seen)
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can change the user")
def test_a_runtime_cannot_read_what_the_agent_has_in_memory(types: Objects) -> None:
    agent, pod = types.container("own", "queue-agent")["securityContext"], types.pod("own")["securityContext"]

    def seen(user: int) -> list[str]:
        command = [*containers.unshare(), sys.executable, "-c", SPY, str(user)]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()

    assert pod["runAsUser"] == 1000
    assert seen(agent["runAsUser"]) == []
    assert "environ" in seen(1000)
