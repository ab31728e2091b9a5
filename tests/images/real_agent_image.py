"""The queue agent's image, built and run: `make test-images`."""

import json
import os
import shlex
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from generator import paths
from testing import images
from testing.account import Account
from testing.images import Container, Containers, Image
from testing.world import World, wait_for

ROOT = paths.root()
NAME = "localhost/sd-on-eks/queue-agent:test"
# The layers of the agent, unpacked; its page says the same.
LARGEST = 90_000_000
PYTHON = "/opt/agent/bin/python"
# The volume that the chart gives to the agent.
SCRATCH = ("--tmpfs=/tmp:rw,mode=1777",)
WRITES = """
import pathlib, tempfile
for folder in ("/", "/opt/agent", "/etc", "/tmp"):
    try:
        pathlib.Path(folder, "x").touch()
        print(folder)
    except OSError:
        pass
"""


@pytest.fixture(scope="module")
def image() -> Image:
    flags = shlex.split(os.environ.get("BUILD_FLAGS", ""))
    began = time.monotonic()
    built = images.build(NAME, ROOT / "agent", ("PYTHON", os.environ.get("BASE", "")), flags=flags)
    seconds = time.monotonic() - began
    print(
        f"\n{NAME}: {built.size / 1e6:.0f} MB, of which the agent {built.own / 1e6:.0f} MB; {seconds:.0f} s"
    )
    return built


@pytest.fixture
def world(account: Account, tmp_path: Path) -> Iterator[World]:
    with World(account.env, account.endpoint, tmp_path) as running:
        yield running


def agent(containers: Containers, world: World, runtime: str) -> Container:
    environment = world.environment(runtime)
    own = {name: value for name, value in environment.items() if os.environ.get(name) != value}
    return containers.start(NAME, own, volumes=SCRATCH)


def test_it_is_small(image: Image) -> None:
    assert image.own < LARGEST


def test_the_page_says_how_large_it_is(image: Image) -> None:
    megabytes = round(image.own / 1e6)
    text = (ROOT / "agent" / "README.md").read_text("utf-8")

    assert f"{megabytes} MB" in text


def test_it_names_a_user_without_rights(image: Image) -> None:
    assert image.user == "65532:65532"


def test_it_can_write_nothing_but_a_volume(image: Image, containers: Containers) -> None:
    def written(volumes: Sequence[str]) -> list[str]:
        return containers.output(image.name, [PYTHON, "-c", WRITES], volumes).split()

    assert written([]) == []
    assert written(SCRATCH) == ["/tmp"]


def test_it_holds_no_build_tools(image: Image, containers: Containers) -> None:
    code = "import importlib.util; print([n for n in ('pip', 'setuptools') if importlib.util.find_spec(n)])"
    output = containers.output(image.name, [PYTHON, "-c", code])

    assert output.strip() == "[]"


def test_the_license_of_each_package_is_in_it(image: Image, containers: Containers) -> None:
    output = containers.output(image.name, [PYTHON, "-c", images.LICENSES])
    files = json.loads(output)

    assert "botocore" in files
    assert [name for name, found in files.items() if not found] == []
    own = containers.output(image.name, ["/bin/cat", "/opt/agent/LICENSE"])
    assert own == (ROOT / "LICENSE").read_text("utf-8")


def test_a_task_ends_with_a_picture_and_the_agent_on_sigterm(
    image: Image, containers: Containers, world: World
) -> None:
    runtime = world.runtime("--service-time", "0.1")
    started = agent(containers, world, runtime.url)

    world.send(["cat"])
    callback = world.callbacks_for(["cat"])["cat"]
    wait_for(lambda: world.messages_left() == 0)
    status = started.status()
    started.signal("TERM")

    assert callback["status"] == "completed", started.log()
    assert status["Uid"].split() == ["65532"] * 4
    assert {status[name] for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")} == {"0" * 16}
    assert status["NoNewPrivs"] == "1"
    assert started.wait(10) == 0, started.log()


def test_a_running_task_is_completed_before_it_ends(
    image: Image, containers: Containers, world: World
) -> None:
    runtime = world.runtime("--service-time", "3")
    started = agent(containers, world, runtime.url)
    world.send(["cat"])
    wait_for(lambda: runtime.report()["running"] == "cat")

    started.signal("TERM")

    assert started.wait(30) == 0, started.log()
    assert world.callbacks_for(["cat"])["cat"]["status"] == "completed"


def test_a_setting_that_is_missing_is_named(image: Image, containers: Containers) -> None:
    started = containers.start(image.name, {})

    assert started.wait(30) != 0
    assert "SQS_QUEUE_URL: is not set" in started.log()
