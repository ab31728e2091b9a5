"""The pure parts of the local pipeline: tasks of a demo, progress, numbers, gallery."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from generator import yaml_loader
from local import config, demo, display, examples, gallery, summary
from local.cloud import for_emulator
from local.examples import PlannedTask, Request
from local.progress import Callback, Progress, QueueDepth, TaskOutcome, TaskTimes, task_times
from sd_on_eks import TaskStatus

ROOT = Path(__file__).parents[2]
REQUESTS = examples.read(ROOT / "examples" / "requests")


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    return config.build(str(ROOT / "local" / "demo.yaml"), tmp_path_factory.mktemp("build"))


@pytest.fixture(scope="module")
def planned(built):
    return demo.plan_tasks(built, rounds=3).planned


def test_the_demo_has_a_runtime_of_every_type(built):
    assert {runtime.type for runtime in built.solution.runtimes} == {
        "sdwebui",
        "comfyui",
        "invokeai",
        "custom",
    }


def test_every_example_request_is_sent(planned):
    assert {task.request.name for task in planned} == {request.name for request in REQUESTS}


def test_every_runtime_of_the_demo_gets_work(built, planned):
    assert {task.runtime for task in planned} == {runtime.name for runtime in built.solution.runtimes}


def test_no_id_is_sent_twice(planned):
    assert len({task.id for task in planned}) == len(planned)


def test_a_request_goes_to_a_runtime_of_its_name(planned):
    named = [task for task in planned if not task.request.legacy]
    assert all(task.request.body["task"]["metadata"]["runtime"] == task.runtime for task in named)


def test_a_request_that_names_a_model_goes_to_the_dynamic_runtime_alone(planned):
    assert {task.runtime for task in planned if task.request.name == "dynamic-model"} == {"any-model"}


def test_a_dynamic_runtime_with_a_checkpoint_gets_every_request_for_sd_webui(built):
    [dynamic] = [runtime for runtime in built.solution.runtimes if runtime.dynamic_model]
    both = replace(dynamic, model_filename="sd_xl_turbo_1.0.safetensors")

    names = {request.name for request in REQUESTS if request.runs_on(both)}

    assert {"text-to-image", "dynamic-model", "v1alpha1-text-to-image"} <= names


def test_the_first_round_sends_the_examples_as_they_are(planned):
    first = next(task for task in planned if task.id == "comfyui-pipeline-comfyui-1")
    example = next(request for request in REQUESTS if request.name == "comfyui-pipeline")
    assert first.request.content == example.content


def test_a_later_round_changes_prompt_and_seed_and_leaves_the_negative_prompt(planned):
    first, second = (
        next(task for task in planned if task.id == f"text-to-image-sdxl-turbo-{n}") for n in (1, 2)
    )

    changed = {
        key for key in first.request.content if first.request.content[key] != second.request.content[key]
    }

    assert changed == {"prompt", "seed"}


def test_a_request_without_prompt_and_seed_is_sent_once(planned):
    assert sum(task.request.name == "extra-single-image" for task in planned) == 1


def test_the_environment_of_the_agent_is_that_of_its_config_map(built):
    config_map = next(
        manifest
        for manifest in built.manifests.objects
        if manifest["kind"] == "ConfigMap" and manifest["metadata"]["name"] == "comfyui-agent"
    )
    assert built.manifests.agent_env("comfyui").items() >= config_map["data"].items()


@pytest.mark.thorough
def test_the_alarm_that_the_emulator_refuses_is_all_that_is_left_out(built):
    resources = yaml_loader.load(built.stacks["demo"])["Resources"]
    supported = json.loads(for_emulator(built.stacks["demo"]))["Resources"]

    assert {resources[name]["Type"] for name in resources.keys() - supported.keys()} == {
        "AWS::CloudWatch::Alarm"
    }


def test_the_resources_of_a_config_are_counted_by_kind(built):
    text = demo.describe(built)
    assert "5 Deployment" in text
    assert "14 SQS Queue" in text


def test_a_runtime_is_idle_only_while_a_task_waits():
    first = TaskTimes(sent=0.0, started=1.0, run=1.0, announced=2.1)
    waited = TaskTimes(sent=1.5, started=2.25, run=1.0, announced=3.4)
    came_later = TaskTimes(sent=8.9, started=9.0, run=1.0, announced=10.1)

    assert summary.idle_times([came_later, waited, first]) == [(0.25, 1.0)]


def test_the_busy_share_is_over_all_runtimes(planned):
    other_task = next(task for task in planned if task.runtime != planned[0].runtime)
    outcomes = [
        TaskOutcome(planned[0], None, times=TaskTimes(0.0, 1.0, 4.5, 6.0)),
        TaskOutcome(planned[0], None, times=TaskTimes(0.0, 6.0, 4.5, 11.0)),
        TaskOutcome(other_task, None, times=TaskTimes(0.0, 1.0, 4.5, 6.0)),
        TaskOutcome(other_task, None, times=TaskTimes(0.0, 6.0, 4.5, 11.0)),
    ]

    numbers = summary.summarize(outcomes, seconds=20.0)

    assert numbers.busy == pytest.approx(0.9)
    assert numbers.idle_median == 0.5


def test_a_run_of_single_tasks_claims_no_busy_share():
    assert summary.summarize([], seconds=1.0).busy is None


def test_the_times_of_a_task_are_split_at_the_agents_timestamps():
    status = TaskStatus("a", "r", "completed", (), started=12.0, duration=0.5)
    times = task_times(status, sent=10.0, announced=12.75)
    assert (times.queue, times.run, times.upload) == (2.0, 0.5, 0.25)


def test_a_row_counts_each_task_once(built, planned):
    tasks = [task for task in planned if task.runtime == "sdxl-turbo"][:5]
    progress = Progress(built.solution.runtimes, tasks, sent={task.id: 1.0 for task in tasks[:4]})
    progress.callbacks = {tasks[0].id: Callback("completed", 2.0), tasks[1].id: Callback("failed", 3.0)}
    progress.refused = {tasks[4].id: "bad"}
    progress.depths = {"sdxl-turbo": QueueDepth(waiting=1, running=1)}

    row = next(row for row in progress.rows() if row.runtime == "sdxl-turbo")

    assert (row.waiting, row.running, row.done, row.failed, row.total) == (1, 1, 1, 2, 5)


def test_a_run_is_finished_when_each_task_has_a_callback_or_was_refused(planned):
    progress = Progress((), planned[:2], callbacks={planned[0].id: Callback("failed", 1.0)})
    assert not progress.finished

    progress.refused[planned[1].id] = "bad"

    assert progress.finished


def test_plain_output_has_a_line_for_each_change(built, planned, capsys):
    tasks = [task for task in planned if task.runtime == "comfyui"]
    progress = Progress(built.solution.runtimes, tasks, sent={task.id: 1.0 for task in tasks})
    lines = display.LineDisplay()

    lines.show(progress.rows())
    progress.callbacks[tasks[0].id] = Callback("completed", 2.0)
    lines.show(progress.rows())
    lines.show(progress.rows())

    assert capsys.readouterr().out.count("\n") == 1


@pytest.fixture
def page(tmp_path):
    picture = tmp_path / "pictures" / "r & b" / "one-1.png"
    picture.parent.mkdir(parents=True)
    Image.new("RGB", (64, 32), "teal").save(picture)
    request = Request(
        "one", {"task": {"metadata": {"tasktype": "text-to-image"}, "content": {"prompt": "<b>hi</b>"}}}
    )
    succeeded = TaskOutcome(
        PlannedTask("one", "r", request),
        TaskStatus("one", "r", "completed", ("u",), seed=7),
        (picture,),
        times=TaskTimes(100.0, 100.25, 0.5, 100.875),
    )
    failed = TaskOutcome(PlannedTask("two", "r", request), None, problem="refused <here>")
    outcomes = [succeeded, failed]
    gallery.write(tmp_path / "gallery.html", outcomes, summary.summarize(outcomes, 2.0), "made here")
    return (tmp_path / "gallery.html").read_text()


def test_the_gallery_shows_a_thumbnail_and_links_the_picture(page):
    assert "data:image/jpeg;base64," in page
    assert 'href="pictures/r%20%26%20b/one-1.png"' in page


def test_the_gallery_says_prompt_seed_and_times(page):
    assert "seed 7" in page
    assert "queue 250 ms" in page
    assert "run 500 ms" in page
    assert "upload 125 ms" in page


def test_a_picture_of_several_says_which_it_is(tmp_path, planned):
    paths = tuple(tmp_path / f"one-{number}.png" for number in (1, 2))
    for path in paths:
        Image.new("RGB", (8, 8)).save(path)
    outcome = TaskOutcome(planned[0], TaskStatus("one", "r", "completed", (), seed=7), paths)

    page = gallery.render([gallery.picture(outcome, paths[1], tmp_path)], [], summary.summarize([], 1.0), "")

    assert "2 of 2" in page
    assert "seed 7" not in page


def test_the_gallery_names_what_failed(page):
    assert "refused &lt;here&gt;" in page


def test_markup_in_a_prompt_is_escaped_in_the_gallery(page):
    assert "<b>hi</b>" not in page


def test_the_gallery_loads_nothing_from_elsewhere(page):
    assert "http://" not in page
    assert "https://" not in page
    assert "<script" not in page
