"""The agent's image, as far as that can be seen without Docker."""

import re
import signal
from pathlib import Path

from testing.world import World, wait_for

DOCKERFILE = (Path(__file__).parents[2] / "agent" / "Dockerfile").read_text()


def words(instruction: str) -> list[str]:
    return re.findall(rf"^{instruction} (.*)$", DOCKERFILE, re.MULTILINE)


def test_every_stage_is_built_on_one_image_that_is_pinned_by_digest():
    assert re.fullmatch(r"PYTHON=python:[\w.-]+@sha256:[0-9a-f]{64}", words("ARG")[0])
    assert words("FROM") == ["${PYTHON} AS build", "${PYTHON}"]


def test_it_does_not_run_as_root():
    assert words("USER") == ["65532:65532"]


def test_it_holds_the_license_of_this_project():
    agent = Path(__file__).parents[2] / "agent"

    assert (agent / "LICENSE").read_bytes() == (agent.parent / "LICENSE").read_bytes()
    assert "LICENSE /opt/agent/" in words("COPY")
    assert "!LICENSE" in (agent / ".dockerignore").read_text().splitlines()


def test_the_agent_itself_gets_the_signals():
    assert words("ENTRYPOINT") == ['["/opt/agent/bin/python", "-m", "queue_agent"]']
    assert words("CMD") == []


def test_an_agent_does_its_work_and_ends_without_writing_a_file(world: World):
    runtime = world.runtime("--service-time", "0.05")
    agent = world.agent(runtime.url, "tests.agent.read_only", TMPDIR="/nowhere", HOME="/nowhere")

    world.send(["cat"])
    callback = world.callbacks_for(["cat"])["cat"]
    wait_for(lambda: world.messages_left() == 0)
    agent.signal(signal.SIGTERM)

    assert callback["status"] == "completed"
    assert agent.process.wait(10) == 0, agent.log.read_text()
