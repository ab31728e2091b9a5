"""Variables of the containers, and the collector of traces with its settings."""

from collections.abc import Callable

import pytest

from .conftest import Objects


def test_traces_go_through_a_collector_of_its_own(with_value: Callable[..., Objects], types: Objects) -> None:
    rendered = with_value("runtime.queueAgent.xray.enabled", True)
    collector = rendered.container("one", "trace-collector")
    assert collector["resources"] == {
        "requests": {"cpu": "50m", "memory": "64Mi"},
        "limits": {"memory": "256Mi"},
    }
    assert rendered.agent("one")["OTEL_EXPORTER_OTLP_ENDPOINT"] == "http://127.0.0.1:4318"
    assert "region: us-west-2" in rendered["ConfigMap/one-runtime"]["data"]["collector.yaml"]
    assert "OTEL_EXPORTER_OTLP_ENDPOINT" not in types.agent("static")


def test_the_reference_spelling_of_tracing_works_too(with_value: Callable[..., Objects]) -> None:
    rendered = with_value("runtime.queueAgent.XRay.enabled", True)
    assert rendered.container("one", "trace-collector")


def test_the_collector_reads_its_file_and_knows_its_region(with_value: Callable[..., Objects]) -> None:
    collector = with_value("runtime.queueAgent.xray.enabled", True).container("one", "trace-collector")
    assert collector["args"] == ["--config=/etc/sd-on-eks/collector.yaml"]
    assert collector["env"] == [{"name": "AWS_REGION", "value": "us-west-2"}]
    assert collector["volumeMounts"] == [
        {"name": "runtime-config", "mountPath": "/etc/sd-on-eks", "readOnly": True}
    ]


def test_the_last_spans_are_sent_before_the_collector_ends(with_value: Callable[..., Objects]) -> None:
    collector = with_value("runtime.queueAgent.xray.enabled", True).container("one", "trace-collector")
    assert collector["lifecycle"]["preStop"] == {"httpGet": {"path": "/drained", "port": 8081}}


SECRET = {"name": "HF_TOKEN", "valueFrom": {"secretKeyRef": {"name": "huggingface", "key": "token"}}}


@pytest.mark.parametrize(("part", "container"), [("inferenceApi", "runtime"), ("queueAgent", "queue-agent")])
def test_a_list_of_variables_keeps_its_order_and_its_sources(
    with_value: Callable[..., Objects], part: str, container: str
) -> None:
    # $(NAME) refers to a variable before it.
    extra = [
        {"name": "Z", "value": "1"},
        SECRET,
        {"name": "A", "value": "$(Z)$(HF_TOKEN)"},
        {"name": "NUMBER", "value": 33554432},
        {"name": "OFF", "value": False},
        {"name": "ZERO", "value": 0},
        {"name": "EMPTY"},
        {"name": "NULL", "value": None},
    ]
    rendered = with_value(f"runtime.{part}.extraEnv", extra)
    env = rendered.container("one", container)["env"]
    # Only the arguments follow, which can name every variable.
    assert [item for item in env if item["name"] != "EXTRA_CMD_ARG"][-len(extra) :] == [
        {"name": "Z", "value": "1"},
        SECRET,
        {"name": "A", "value": "$(Z)$(HF_TOKEN)"},
        {"name": "NUMBER", "value": "33554432"},
        {"name": "OFF", "value": "false"},
        {"name": "ZERO", "value": "0"},
        {"name": "EMPTY", "value": ""},
        {"name": "NULL", "value": ""},
    ]


def test_a_listed_variable_replaces_the_charts_own(with_value: Callable[..., Objects]) -> None:
    extra = [{"name": "HF_HOME", "value": "/cache"}]
    variables = with_value("runtime.inferenceApi.extraEnv", extra).container("one", "runtime")["env"]
    assert [variable for variable in variables if variable["name"] == "HF_HOME"] == extra


def test_variables_of_the_agent_are_a_list_of_strings(with_value: Callable[..., Objects]) -> None:
    rendered = with_value("runtime.queueAgent.extraEnv", {"LOG_LEVEL": "debug", "A": 2})
    assert rendered.container("one", "queue-agent")["env"] == [
        {"name": "A", "value": "2"},
        {"name": "LOG_LEVEL", "value": "debug"},
    ]
