"""`generator submit`: what it sends, what it says when that cannot work, and how it exits."""

import json
from pathlib import Path

import pytest

from generator.cli import main
from local import config
from local.cloud import Cloud
from local.emulator import Emulator, free_port

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def api(tmp_path_factory):
    """The HTTP API of the demo's config. No agent runs, so tasks stay in their queues."""
    built = config.build(str(ROOT / "local" / "demo.yaml"), tmp_path_factory.mktemp("build"))
    with Emulator(account=built.solution.account) as emulator:
        cloud = Cloud(emulator, built.solution)
        yield cloud.api_client(cloud.create(built.stacks))


@pytest.fixture
def submit(monkeypatch, tmp_path, capsys):
    """Runs the command in an empty folder: exit code, standard output, standard error."""
    monkeypatch.chdir(tmp_path)

    def run(*words, **environment):
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        code = main.main(["submit", *map(str, words)])
        return code, *capsys.readouterr()

    return run


def test_without_a_pipeline_it_says_how_to_start_one(submit):
    code, _, errors = submit("--runtime", "sdxl-turbo", "--prompt", "a cat")
    assert code == 2
    assert "make up" in errors


def test_a_damaged_state_file_is_named(submit, tmp_path):
    (tmp_path / ".demo").mkdir()
    (tmp_path / ".demo" / "state.json").write_text("{}")

    code, _, errors = submit("--runtime", "sdxl-turbo", "--prompt", "a cat")

    assert code == 2
    assert ".demo/state.json is damaged" in errors


def test_a_missing_key_names_the_variable(submit, monkeypatch):
    monkeypatch.delenv("MY_KEY", raising=False)
    code, _, errors = submit(
        "--runtime", "r", "--prompt", "p", "--api-url", "https://x.test/prod", "--api-key-env", "MY_KEY"
    )
    assert code == 2
    assert "MY_KEY" in errors


def test_an_api_that_does_not_answer_is_not_the_users_fault(submit):
    url = f"http://127.0.0.1:{free_port()}/prod"
    code, _, errors = submit("--runtime", "r", "--prompt", "p", "--api-url", url, SD_API_KEY="k")
    assert code == 3
    assert "Connection refused" in errors


def test_a_url_of_another_scheme_is_refused(submit):
    code, _, errors = submit("--runtime", "r", "--prompt", "p", "--api-url", "file:///etc", SD_API_KEY="k")
    assert code == 3
    assert "not an http or https URL" in errors


@pytest.mark.parametrize("words", [(), ("task.json", "--prompt", "a cat")])
def test_a_file_or_a_prompt_is_needed_and_not_both(submit, words):
    code, _, errors = submit(*words)
    assert code == 2
    assert "either a task FILE or --prompt" in errors


def test_a_prompt_needs_a_runtime(submit):
    code, _, errors = submit("--prompt", "a cat")
    assert code == 2
    assert "--runtime" in errors


def test_a_file_that_is_not_json_is_named_with_line_and_column(submit, tmp_path):
    (tmp_path / "task.json").write_text("{nope}")
    code, _, errors = submit("task.json")
    assert code == 2
    assert "task.json is not valid JSON" in errors
    assert "line 1 column 2" in errors


@pytest.mark.parametrize("text", ["[]", "{}", '{"task": {}}'])
def test_a_file_without_a_task_says_what_is_missing(submit, tmp_path, text):
    (tmp_path / "task.json").write_text(text)
    code, _, errors = submit("task.json")
    assert code == 2
    assert "examples/requests" in errors


def test_a_file_that_is_not_there_is_a_fault_of_the_command_line(submit):
    code, _, errors = submit("absent.json")
    assert code == 2
    assert "absent.json" in errors


def test_a_wrong_key_says_so(submit, api):
    code, _, errors = submit(
        "--runtime", "sdxl-turbo", "--prompt", "p", "--api-url", api.url, SD_API_KEY="wrong"
    )
    assert code == 3
    assert "check the key" in errors


def test_a_runtime_that_is_not_there_gets_the_names_of_those_that_are(submit, api):
    code, _, errors = submit("--runtime", "nope", "--prompt", "p", "--api-url", api.url, SD_API_KEY=api.key)
    assert code == 2
    assert "sdxl-turbo" in errors


def test_a_task_of_the_wrong_type_is_refused_with_the_field(submit, api, tmp_path):
    body = {"task": {"metadata": {"runtime": "comfyui", "tasktype": "graph"}, "content": {"a": 1}}}
    (tmp_path / "task.json").write_text(json.dumps(body))
    code, _, errors = submit("task.json", "--api-url", api.url, SD_API_KEY=api.key)
    assert code == 2
    assert "task.metadata.tasktype" in errors


def test_without_waiting_it_prints_where_the_result_will_be(submit, api):
    file = ROOT / "examples" / "requests" / "text-to-image.json"
    code, output, _ = submit(file, "--id", "later", "--no-wait", "--api-url", api.url, SD_API_KEY=api.key)
    assert code == 0
    assert output.strip().endswith("/examples/later/")


def test_the_older_form_is_taken_too(submit, api):
    file = ROOT / "examples" / "requests" / "v1alpha1-text-to-image.json"
    code, output, _ = submit(file, "--id", "new", "--no-wait", "--api-url", api.url, SD_API_KEY=api.key)
    assert code == 0
    assert output.startswith("s3://demo-sdxl-turbo-")


def test_a_task_that_takes_too_long_is_left_alone(submit, api):
    where = ("--api-url", api.url, "--timeout", "0.5")
    code, _, errors = submit(
        "--runtime", "sdxl-turbo", "--prompt", "p", "--id", "slow", *where, SD_API_KEY=api.key
    )
    assert code == 3
    assert "slow is still queued" in errors
    assert api.status("sdxl-turbo", "slow").status == "queued"


def test_a_fresh_id_is_made_for_each_prompt(submit, api):
    words = ("--runtime", "sdxl-turbo", "--prompt", "p", "--no-wait", "--api-url", api.url)
    first, second = (submit(*words, SD_API_KEY=api.key)[1] for _ in range(2))
    assert first != second
