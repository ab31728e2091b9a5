from collections.abc import Callable
from pathlib import Path

import pytest
from queue_agent.ops import metrics
from queue_agent.settings import SettingsError, expected, from_environment, table, variables

README = Path(__file__).parents[2] / "agent" / "README.md"
NEEDED = {
    "AWS_REGION": "us-east-1",
    "RUNTIME_NAME": "painter",
    "RUNTIME_TYPE": "comfyui",
    "SQS_QUEUE_URL": "https://sqs.us-east-1.amazonaws.com/111122223333/sd-painter",
    "DEAD_LETTER_QUEUE_URL": "https://sqs.us-east-1.amazonaws.com/111122223333/sd-painter-dead-letter",
    "S3_BUCKET": "sd-painter-111122223333-us-east-1",
    "SNS_TOPIC_ARN": "arn:aws-cn:sns:cn-north-1:111122223333:sd-results",
}


def test_what_is_needed_is_enough():
    assert from_environment(NEEDED).runtime_url == "http://127.0.0.1:8080"


def test_all_faults_are_said_at_once():
    with pytest.raises(SettingsError) as refused:
        from_environment({"RUNTIME_TYPE": "paint", "MAX_ATTEMPTS": "901"})

    named = {error.partition(":")[0] for error in refused.value.errors}
    assert {"RUNTIME_TYPE", "MAX_ATTEMPTS", "SQS_QUEUE_URL", "AWS_REGION"} <= named


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SQS_QUEUE_URL", "sqs.us-east-1.amazonaws.com/q"),
        ("SNS_TOPIC_ARN", "sd-results"),
        ("S3_BUCKET", "No_Bucket"),
        ("TASK_TIMEOUT_SECONDS", "1e99"),
        ("TASK_TIMEOUT_SECONDS", "nan"),
        ("INPUT_BUCKETS", "good-bucket,Bad_Bucket"),
        ("DYNAMIC_SD_MODEL", "yes"),
        ("LOG_LEVEL", "loud"),
        ("AGENT_PORT", "65536"),
    ],
)
def test_a_value_that_cannot_work_is_refused_by_the_name_of_its_variable(name: str, value: str):
    with pytest.raises(SettingsError, match=name):
        from_environment(NEEDED | {name: value})


def test_an_sd_webui_has_a_model_or_dynamic_ones_or_both():
    webui = NEEDED | {"RUNTIME_TYPE": "sdwebui"}

    with pytest.raises(SettingsError, match="set one of them"):
        from_environment(webui)
    both = from_environment(webui | {"MODEL_FILENAME": "a.safetensors", "DYNAMIC_SD_MODEL": "true"})
    assert (both.model_filename, both.dynamic_model) == ("a.safetensors", True)


def test_an_empty_variable_counts_as_unset_and_the_reference_systems_name_is_known():
    settings = from_environment(
        NEEDED
        | {
            "TASK_TIMEOUT_SECONDS": "",
            "INPUT_BUCKETS": " a-bucket, b-bucket ",
            "EXP_CALLBACK_WHEN_RUNNING": "True",
        }
    )

    assert settings.task_timeout_seconds == 1800
    assert settings.input_buckets == ("a-bucket", "b-bucket")
    assert settings.callback_when_running


def test_a_single_value_is_checked_by_the_same_parsers():
    assert expected("LOG_LEVEL", "verbose") == "one of DEBUG, INFO, WARNING, ERROR, CRITICAL"
    assert expected("EXP_CALLBACK_WHEN_RUNNING", "maybe") == "true or false"
    assert expected("LOG_LEVEL", "debug") is None
    assert expected("LOG_LEVEL", "") is None  # counts as unset
    assert {"LOG_LEVEL", "EXP_CALLBACK_WHEN_RUNNING", "AGENT_HOST"} < variables().keys()


@pytest.mark.parametrize("make_table", [table, metrics.table])
def test_the_tables_in_the_readme_are_those_that_the_code_makes(make_table: Callable[[], str]):
    assert make_table() in README.read_text(), "run: make agent-readme"


@pytest.mark.parametrize(("text", "level"), [("debug", "DEBUG"), ("Warn", "WARNING"), ("FATAL", "CRITICAL")])
@pytest.mark.parametrize("name", ["LOG_LEVEL", "LOGLEVEL"])
def test_a_log_level_has_the_names_that_python_and_the_reference_system_know(
    name: str, text: str, level: str
):
    assert from_environment(NEEDED | {name: text}).log_level == level


@pytest.mark.parametrize("name", ["OTEL_SDK_DISABLED", "DISABLE_XRAY"])
def test_traces_can_be_turned_off_by_either_name(name: str):
    assert from_environment(NEEDED | {name: "TRUE"}).tracing_disabled
    assert not from_environment(NEEDED).tracing_disabled
