"""The parts of the local pipeline that decide: what is sent, what is shown, what is counted."""

import json
from pathlib import Path

import pytest
import yaml
from PIL import Image

from generator.client import TaskStatus
from local import config, demo, display, examples, gallery, summary
from local.cloud import creatable
from local.examples import Planned, Request
from local.progress import Depth, Heard, Outcome, Progress, Times, times

ROOT = Path(__file__).parents[2]
REQUESTS = examples.read(ROOT / "examples" / "requests")


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    return config.build(str(ROOT / "local" / "demo.yaml"), tmp_path_factory.mktemp("build"))


@pytest.fixture(scope="module")
def planned(built):
    return demo.planned(built, rounds=3).planned


def test_the_demo_has_a_runtime_of_every_type(built):
    assert {each.type for each in built.solution.runtimes} == {"sdwebui", "comfyui", "invokeai", "custom"}


def test_every_example_request_is_sent(planned):
    assert {each.request.name for each in planned} == {each.name for each in REQUESTS}


def test_every_runtime_of_the_demo_gets_work(built, planned):
    assert {each.runtime for each in planned} == {each.name for each in built.solution.runtimes}


def test_no_id_is_sent_twice(planned):
    assert len({each.id for each in planned}) == len(planned)


def test_a_request_goes_to_a_runtime_of_its_name(planned):
    named = [each for each in planned if not each.request.legacy]
    assert all(each.request.body["task"]["metadata"]["runtime"] == each.runtime for each in named)


def test_a_request_that_names_a_model_goes_to_the_dynamic_runtime_alone(planned):
    assert {each.runtime for each in planned if each.request.name == "dynamic-model"} == {"any-model"}


def test_the_first_round_sends_the_examples_as_they_are(planned):
    first = next(each for each in planned if each.id == "comfyui-pipeline-comfyui-1")
    example = next(each for each in REQUESTS if each.name == "comfyui-pipeline")
    assert first.request.content == example.content


def test_a_later_round_changes_prompt_and_seed_and_leaves_the_negative_prompt(planned):
    first, second = (
        next(each for each in planned if each.id == f"text-to-image-sdxl-turbo-{n}") for n in (1, 2)
    )

    changed = {
        key for key in first.request.content if first.request.content[key] != second.request.content[key]
    }

    assert changed == {"prompt", "seed"}


def test_a_request_without_prompt_and_seed_is_sent_once(planned):
    assert sum(each.request.name == "extra-single-image" for each in planned) == 1


def test_the_environment_of_the_agent_is_that_of_its_config_map(built):
    config_map = next(
        each
        for each in built.rendered.manifests
        if each["kind"] == "ConfigMap" and each["metadata"]["name"] == "comfyui-agent"
    )
    assert built.rendered.agent_env("comfyui").items() >= config_map["data"].items()


def test_the_alarm_that_the_emulator_refuses_is_all_that_is_left_out(built):
    whole = yaml.safe_load(built.stacks["demo"])["Resources"]
    kept = json.loads(creatable(built.stacks["demo"]))["Resources"]

    assert {whole[name]["Type"] for name in whole.keys() - kept.keys()} == {"AWS::CloudWatch::Alarm"}


def test_what_would_be_created_is_counted_by_kind(built):
    said = demo.creates(built)
    assert "5 Deployment" in said
    assert "11 SQS Queue" in said


def test_a_runtime_is_idle_only_while_a_task_waits():
    first = Times(sent=0.0, started=1.0, run=1.0, heard=2.1)
    waited = Times(sent=1.5, started=2.25, run=1.0, heard=3.4)
    came_later = Times(sent=8.9, started=9.0, run=1.0, heard=10.1)

    assert summary.idle([came_later, waited, first]) == [(0.25, 1.0)]


def test_the_busy_share_is_over_all_runtimes(planned):
    other = next(each for each in planned if each.runtime != planned[0].runtime)
    outcomes = [
        Outcome(planned[0], None, times=Times(0.0, 1.0, 4.5, 6.0)),
        Outcome(planned[0], None, times=Times(0.0, 6.0, 4.5, 11.0)),
        Outcome(other, None, times=Times(0.0, 1.0, 4.5, 6.0)),
        Outcome(other, None, times=Times(0.0, 6.0, 4.5, 11.0)),
    ]

    numbers = summary.summary(outcomes, seconds=20.0)

    assert numbers.busy == pytest.approx(0.9)
    assert numbers.idle_median == 0.5


def test_a_run_of_single_tasks_claims_no_busy_share():
    assert summary.summary([], seconds=1.0).busy is None


def test_the_time_of_a_task_is_split_where_the_agent_says():
    status = TaskStatus("a", "r", "completed", (), started=12.0, duration=0.5)
    found = times(status, sent=10.0, heard=12.75)
    assert (found.queue, found.run, found.upload) == (2.0, 0.5, 0.25)


def test_a_row_counts_each_task_once(built, planned):
    own = [each for each in planned if each.runtime == "sdxl-turbo"][:5]
    progress = Progress(built.solution.runtimes, own, sent={each.id: 1.0 for each in own[:4]})
    progress.heard = {own[0].id: Heard("completed", 2.0), own[1].id: Heard("failed", 3.0)}
    progress.refused = {own[4].id: "bad"}
    progress.depths = {"sdxl-turbo": Depth(waiting=1, running=1)}

    row = next(each for each in progress.rows() if each.runtime == "sdxl-turbo")

    assert (row.waiting, row.running, row.done, row.failed, row.total) == (1, 1, 1, 2, 5)


def test_it_is_over_when_each_task_was_heard_of_or_refused(planned):
    progress = Progress((), planned[:2], heard={planned[0].id: Heard("failed", 1.0)})
    assert not progress.over

    progress.refused[planned[1].id] = "bad"

    assert progress.over


def test_plain_output_has_a_line_for_each_change(built, planned, capsys):
    own = [each for each in planned if each.runtime == "comfyui"]
    progress = Progress(built.solution.runtimes, own, sent={each.id: 1.0 for each in own})
    shown = display.Lines()

    shown.show(progress.rows())
    progress.heard[own[0].id] = Heard("completed", 2.0)
    shown.show(progress.rows())
    shown.show(progress.rows())

    assert capsys.readouterr().out.count("\n") == 1


@pytest.fixture
def page(tmp_path):
    picture = tmp_path / "pictures" / "r & b" / "one-1.png"
    picture.parent.mkdir(parents=True)
    Image.new("RGB", (64, 32), "teal").save(picture)
    request = Request(
        "one", {"task": {"metadata": {"tasktype": "text-to-image"}, "content": {"prompt": "<b>hi</b>"}}}
    )
    good = Outcome(
        Planned("one", "r", request),
        TaskStatus("one", "r", "completed", ("u",), seed=7),
        (picture,),
        times=Times(100.0, 100.25, 0.5, 100.875),
    )
    bad = Outcome(Planned("two", "r", request), None, problem="refused <here>")
    outcomes = [good, bad]
    gallery.write(tmp_path / "gallery.html", outcomes, summary.summary(outcomes, 2.0), "made here")
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
    outcome = Outcome(planned[0], TaskStatus("one", "r", "completed", (), seed=7), paths)

    page = gallery.render([gallery.picture(outcome, paths[1], tmp_path)], [], summary.summary([], 1.0), "")

    assert "2 of 2" in page
    assert "seed 7" not in page


def test_the_gallery_names_what_failed(page):
    assert "refused &lt;here&gt;" in page


def test_a_prompt_is_no_markup_in_the_gallery(page):
    assert "<b>hi</b>" not in page


def test_the_gallery_loads_nothing_from_elsewhere(page):
    assert "http://" not in page
    assert "https://" not in page
    assert "<script" not in page
