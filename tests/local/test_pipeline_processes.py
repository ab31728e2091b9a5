"""The demo and the background pipeline as processes: their output, their files, their end."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

import pytest
from PIL import Image

from local import config, demo
from local.pods import KEPT_VARIABLES
from testing.world import PATIENCE

ROOT = Path(__file__).parents[2]
FAST = ("--service-time", "0.05", "--load-time", "0.1")
# A config with one runtime, `upscaler`, for tests that need no more.
SMALL = ("--config", "examples/custom-runtime.yaml")
# The variables that differ between the chart's pod and the agent here: addresses and credentials.
ADDRESSES = {
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_ENDPOINT_URL",
    "AWS_CONFIG_FILE",
    "AWS_SHARED_CREDENTIALS_FILE",
    "AWS_EC2_METADATA_DISABLED",
    "RUNTIME_URL",
    "AGENT_HOST",
    "AGENT_PORT",
}


def local(command: str, folder: Path, *words: str) -> subprocess.Popen[str]:
    line = [sys.executable, "-m", "local", command, "--folder", str(folder), *FAST, *words]
    return subprocess.Popen(line, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def running_processes(folder: Path) -> list[int]:
    """Processes that write to a log of the folder or work in it."""
    pids = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            files = [file.readlink() for file in [process / "cwd", *(process / "fd").iterdir()]]
        except OSError:
            continue
        if any(str(file).startswith(str(folder)) for file in files):
            pids.append(int(process.name))
    return pids


def wait_until(condition: Callable[[], bool], seconds: float = PATIENCE) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.1)
    return False


@dataclass(frozen=True)
class Run:
    code: int
    output: str
    folder: Path


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A demo from start to end."""
    folder = tmp_path_factory.mktemp("demo")
    process = local("demo", folder, "--rounds", "1")
    output, _ = process.communicate(timeout=60)
    return Run(process.returncode, output, folder)


def test_the_demo_succeeds(run):
    assert run.code == 0, run.output


def test_every_task_of_the_demo_ends_in_pictures_that_open(run):
    built = config.build(str(ROOT / "local" / "demo.yaml"), run.folder / "again")
    tasks = demo.plan_tasks(built, rounds=1).planned
    pictures = sorted((run.folder / "pictures").glob("*/*"))
    for picture in pictures:
        with Image.open(picture) as image:
            image.load()
    stems = {re.sub(r"-\d+\.\w+$", "", picture.name) for picture in pictures}
    assert stems == {task.id for task in tasks}


def test_the_gallery_links_every_picture(run):
    page = (run.folder / "gallery.html").read_text()
    linked = {unquote(link) for link in re.findall(r'<a href="([^"]+)"', page)}
    pictures = (run.folder / "pictures").glob("*/*")
    assert linked == {str(picture.relative_to(run.folder)) for picture in pictures}


def test_the_demo_prints_the_resources_and_the_numbers(run):
    assert "on AWS, this config creates" in run.output
    assert re.search(r"\d+ tasks, 0 failed, \d+ pictures in", run.output)
    assert re.search(r"GPU idle +median \d+ ms between tasks", run.output)


def test_output_that_is_not_a_terminal_has_no_control_characters(run):
    assert "\x1b" not in run.output


def test_the_demo_leaves_nothing_running(run):
    assert running_processes(run.folder) == []


@pytest.fixture(scope="module")
def up(tmp_path_factory):
    """The pipeline in the background."""
    folder = tmp_path_factory.mktemp("up")
    started = local("up", folder)
    output, _ = started.communicate(timeout=60)
    yield Run(started.returncode, output, folder)
    local("down", folder).communicate(timeout=60)


def state(folder: Path) -> dict[str, object]:
    content: dict[str, object] = json.loads((folder / "state.json").read_text())
    return content


@pytest.mark.thorough
def test_the_environment_of_each_agent_is_the_one_that_the_chart_renders(up):
    built = config.build(str(ROOT / "local" / "demo.yaml"), up.folder / "again")
    for runtime in built.solution.runtimes:
        log = up.folder / "up" / f"{runtime.name}-agent.log"
        pids = running_processes(log)
        (agent,) = [pid for pid in pids if b"queue_agent" in Path(f"/proc/{pid}/cmdline").read_bytes()]
        lines = Path(f"/proc/{agent}/environ").read_text().split("\0")
        environment = dict(line.split("=", 1) for line in lines if line)
        expected = built.manifests.agent_env(runtime.name)
        # Where no locale is set, Python sets LC_CTYPE for the programs that it starts (PEP 538).
        excluded = {*ADDRESSES, *KEPT_VARIABLES, "LC_CTYPE"}
        assert {k: v for k, v in environment.items() if k not in excluded} == {
            k: v for k, v in expected.items() if k not in excluded
        }


@pytest.mark.thorough
def test_up_again_prints_the_addresses_and_starts_nothing(up):
    before = state(up.folder)
    again = local("up", up.folder)
    output, _ = again.communicate(timeout=30)
    assert again.returncode == 0
    assert str(before["api_url"]) in output
    assert state(up.folder) == before


@pytest.mark.skipif(shutil.which("curl") is None, reason="README's example is for curl")
@pytest.mark.parametrize("readme", ["README.md", "README.zh-CN.md"])
def test_readmes_curl_works_with_the_line_that_up_prints(up, readme):
    printed, _ = local("up", up.folder).communicate(timeout=30)
    [exports] = re.findall(r"^Set: +(export .*)$", printed, re.M)
    [commands] = re.findall(r"```bash\n(curl .*?)```", (ROOT / readme).read_text("utf-8"), re.DOTALL)

    script = f"set -e\n{exports}\n{commands}"
    run = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=False)

    assert run.returncode == 0, run.stderr
    accepted, status = re.findall(r"\{.*?\}(?=\{|$)", run.stdout, re.DOTALL)
    assert json.loads(accepted)["id"] == json.loads(status)["id"]
    assert json.loads(status)["status"] in {"queued", "running", "completed"}


def test_submit_sends_a_prompt_and_saves_its_picture(up):
    run = submit(
        up.folder, "--runtime", "sdxl-turbo", "--prompt", "a lighthouse", "--id", "lit", "--out", "got"
    )
    assert run.returncode == 0, run.stderr
    (saved,) = run.stdout.split()
    assert saved == "got/lit-1.png"
    with Image.open(up.folder / "work" / saved) as image:
        assert image.size == (512, 512)


def test_submit_twice_with_one_id_makes_the_picture_once(up):
    words = ("--runtime", "sdxl-turbo", "--prompt", "twice", "--seed", "3", "--id", "twice", "--out", "twice")
    first, second = submit(up.folder, *words), submit(up.folder, *words)
    assert (first.returncode, second.returncode) == (0, 0)
    assert first.stdout == second.stdout


def test_submit_prints_why_a_task_failed(up, tmp_path):
    body = {
        "task": {
            "metadata": {"id": "wrong", "runtime": "any-model", "tasktype": "text-to-image"},
            "content": {"prompt": "x", "override_settings": {"sd_model_checkpoint": "absent.safetensors"}},
        }
    }
    (tmp_path / "task.json").write_text(json.dumps(body))
    run = submit(up.folder, tmp_path / "task.json")
    assert run.returncode == 2
    assert "absent.safetensors" in run.stderr


def submit(folder: Path, *words: object) -> subprocess.CompletedProcess[str]:
    """`generator submit` in a folder whose `.demo` is the running pipeline's."""
    work = folder / "work"
    work.mkdir(exist_ok=True)
    link = work / ".demo"
    if not link.exists():
        link.symlink_to(folder)
    line = [str(Path(sys.executable).with_name("generator")), "submit", *map(str, words), "--timeout", "20"]
    return subprocess.run(line, cwd=work, capture_output=True, text=True, check=False)


@pytest.mark.thorough
def test_down_stops_it_and_a_second_one_finds_nothing(up):
    first, second = (local("down", up.folder).communicate(timeout=60)[0] for _ in range(2))

    assert "has stopped" in first
    assert "No local pipeline is running" in second
    assert running_processes(up.folder) == []
    assert not (up.folder / "state.json").exists()


@pytest.mark.thorough
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_a_demo_that_is_stopped_leaves_nothing_running(tmp_path, number):
    process = local("demo", tmp_path, "--service-time", "30", *SMALL)
    assert wait_until((tmp_path / "logs" / "upscaler-agent.log").exists)

    process.send_signal(number)
    process.communicate(timeout=30)

    assert wait_until(lambda: running_processes(tmp_path) == [])


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("part", "log"), [("local.runtimes", "upscaler-runtime.log"), ("ministack", "emulator/emulator.log")]
)
def test_a_process_that_ends_stops_the_demo_with_its_log(tmp_path, part, log):
    process = local("demo", tmp_path, "--service-time", "30", *SMALL)
    assert wait_until((tmp_path / "logs" / "upscaler-agent.log").exists)

    for pid in running_processes(tmp_path / "logs" / log):
        if part.encode() in Path(f"/proc/{pid}/cmdline").read_bytes():
            os.kill(pid, signal.SIGKILL)
    output, _ = process.communicate(timeout=30)

    assert process.returncode == 1
    assert f"{Path(log).stem} ended with code -9" in output
    assert str(tmp_path / "logs" / log) in output
    assert running_processes(tmp_path) == []


@pytest.mark.thorough
def test_two_demos_do_not_share_a_folder(tmp_path):
    first = local("demo", tmp_path, "--service-time", "30", *SMALL)
    assert wait_until((tmp_path / "demo.lock").exists)

    output, _ = local("demo", tmp_path, *SMALL).communicate(timeout=30)
    first.terminate()
    first.communicate(timeout=30)

    assert "another demo is running in this folder" in output


@pytest.mark.thorough
def test_a_config_for_china_is_refused_with_the_reason(tmp_path):
    process = local("demo", tmp_path, "--config", "examples/china.yaml")
    output, _ = process.communicate(timeout=30)
    assert process.returncode == 1
    assert "the emulator does not support cn-north-1" in output


def test_an_invalid_config_ends_the_demo_with_the_line_of_each_problem(tmp_path):
    bad = tmp_path / "bad.yaml"
    bad.write_text((ROOT / "local" / "demo.yaml").read_text().replace("type: invokeai", "type: invoke"))
    process = local("demo", tmp_path, "--config", str(bad))
    output, _ = process.communicate(timeout=30)
    assert process.returncode == 2
    assert "bad.yaml:23" in output
