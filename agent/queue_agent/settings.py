"""The settings from the environment. All errors are reported together, at start.

`generator validate` loads this file, its parsers and the task contract, to check `extraEnv` in the same way
(generator/facts/agent_settings.py). The imports are relative: they must work under another name.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import MISSING, Field, dataclass, field, fields
from typing import Any

from . import parsers
from .parsers import InvalidValueError
from .task.protocol import RUNTIME_TYPES

SQS_MAX_VISIBILITY_SECONDS = 43200


class SettingsError(Exception):
    """The environment is not valid. One line for each error."""

    def __init__(self, errors: list[str]) -> None:
        self.errors = tuple(errors)
        super().__init__("\n".join(["the environment of the queue agent has errors:", *errors]))


def _env(*names: str, parse: Callable[[str], Any], doc: str, default: Any = MISSING) -> Any:
    """A setting: its variables (the first that is set counts), its parser, its description."""
    return field(default=default, metadata={"names": names, "parse": parse, "doc": doc})


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The settings of one agent. The table in README.md is made from this class."""

    region: str = _env(
        "AWS_REGION",
        "AWS_DEFAULT_REGION",
        parse=parsers.matches(r"[a-z]{2}(-[a-z]+)+-\d", "a region"),
        doc="Region of queue, topic and bucket.",
    )
    runtime_name: str = _env(
        "RUNTIME_NAME",
        parse=parsers.matches(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?", "a valid runtime name"),
        doc="Name of the runtime in the config; part of every callback.",
    )
    runtime_type: str = _env(
        "RUNTIME_TYPE",
        parse=parsers.one_of(RUNTIME_TYPES),
        doc="`sdwebui`, `comfyui`, `invokeai` or `custom`.",
    )
    runtime_image: str = _env(
        "RUNTIME_IMAGE",
        parse=parsers.text,
        default="",
        doc="ComfyUI: image of the runtime; its nodes are kept in the bucket under it, for the API.",
    )
    runtime_url: str = _env(
        "RUNTIME_URL", parse=parsers.base_url, default="http://127.0.0.1:8080", doc="URL of the runtime."
    )
    queue_url: str = _env("SQS_QUEUE_URL", parse=parsers.url, doc="Queue of this runtime.")
    dead_letter_queue_url: str = _env(
        "DEAD_LETTER_QUEUE_URL",
        parse=parsers.url,
        doc="Queue for tasks that are malformed or failed too often.",
    )
    high_priority_queue_url: str = _env(
        "HIGH_PRIORITY_QUEUE_URL",
        parse=parsers.url,
        default="",
        doc="Queue of tasks of high priority, which are received first. Unset: there is none.",
    )
    bucket: str = _env("S3_BUCKET", parse=parsers.bucket, doc="Bucket for the outputs.")
    topic_arn: str = _env("SNS_TOPIC_ARN", parse=parsers.topic, doc="Topic for the callbacks.")
    model_filename: str = _env(
        "MODEL_FILENAME",
        parse=parsers.text,
        default="",
        doc="SD WebUI: the checkpoint that is loaded at start, for tasks that name none.",
    )
    dynamic_model: bool = _env(
        "DYNAMIC_SD_MODEL", parse=parsers.flag, default=False, doc="SD WebUI: tasks may name another model."
    )
    task_path: str = _env(
        "TASK_PATH", parse=parsers.path, default="/", doc="`custom` only: the path that tasks are posted to."
    )
    ready_path: str = _env(
        "READY_PATH",
        parse=parsers.path,
        default="/",
        doc="`custom` only: the path that returns 2xx when the runtime is ready.",
    )
    task_timeout_seconds: float = _env(
        "TASK_TIMEOUT_SECONDS",
        parse=parsers.number(0.1, SQS_MAX_VISIBILITY_SECONDS - 60),
        default=1800.0,
        doc="Maximum duration of one run; then it is stopped and the task fails.",
    )
    max_attempts: int = _env(
        "MAX_ATTEMPTS",
        parse=parsers.whole(1, 900),
        default=5,
        doc="Attempts at a task when the runtime or AWS fails; then it goes to the dead-letter queue.",
    )
    shutdown_grace_seconds: float = _env(
        "SHUTDOWN_GRACE_SECONDS",
        parse=parsers.number(0, SQS_MAX_VISIBILITY_SECONDS),
        default=1845.0,
        doc="After SIGTERM, how long the running task may take before it is returned to the queue.",
    )
    visibility_timeout_seconds: int = _env(
        "VISIBILITY_TIMEOUT_SECONDS",
        parse=parsers.whole(2, SQS_MAX_VISIBILITY_SECONDS),
        default=120,
        doc="How soon another pod gets the task of a pod that was killed. Extended after each third of it.",
    )
    receive_wait_seconds: int = _env(
        "RECEIVE_WAIT_SECONDS",
        parse=parsers.whole(0, 20),
        default=5,
        doc="Duration of one long poll; on SIGTERM an idle agent waits for it to end.",
    )
    model_grouping_seconds: float = _env(
        "MODEL_GROUPING_SECONDS",
        parse=parsers.number(0, 3600),
        default=30.0,
        doc="Dynamic model: how long a task may wait for tasks that use the loaded model. 0: not at all.",
    )
    aws_retry_seconds: float = _env(
        "AWS_RETRY_SECONDS",
        parse=parsers.number(0, SQS_MAX_VISIBILITY_SECONDS),
        default=3600.0,
        doc="How long calls to S3 and SNS are retried before the task is returned to the queue.",
    )
    runtime_silence_seconds: float = _env(
        "RUNTIME_SILENCE_SECONDS",
        parse=parsers.number(0.1, 3600),
        default=60.0,
        doc="How long the runtime may leave the readiness probe unanswered during a run.",
    )
    cancel_grace_seconds: float = _env(
        "CANCEL_GRACE_SECONDS",
        parse=parsers.number(0.1, 600),
        default=30.0,
        doc="How long the runtime may take to stop a task; after that it counts as hung.",
    )
    restart_after_seconds: float = _env(
        "RESTART_AFTER_SECONDS",
        parse=parsers.number(0.1, 3600),
        default=300.0,
        doc="How long the runtime may be silent, or answer but not work, before its container is restarted.",
    )
    input_buckets: tuple[str, ...] = _env(
        "INPUT_BUCKETS",
        parse=parsers.buckets,
        default=(),
        doc="Buckets that `s3://` inputs may come from, separated by commas.",
    )
    input_max_bytes: int = _env(
        "INPUT_MAX_BYTES",
        parse=parsers.whole(1, 2**30),
        default=33554432,
        doc="Maximum size of one input by URL. All inputs of a task: four times as much, at most 1 GiB.",
    )
    input_timeout_seconds: float = _env(
        "INPUT_TIMEOUT_SECONDS",
        parse=parsers.number(0.1, 600),
        default=30.0,
        doc="Maximum duration of all downloads of one task together.",
    )
    output_max_bytes: int = _env(
        "OUTPUT_MAX_BYTES",
        parse=parsers.whole(1, 2**30),
        default=134217728,
        doc="Maximum size of all outputs of one task, or of the response that holds them as base64.",
    )
    callback_when_running: bool = _env(
        "CALLBACK_WHEN_RUNNING",
        "EXP_CALLBACK_WHEN_RUNNING",
        parse=parsers.flag,
        default=False,
        doc="Send a callback with status `running` when a task starts.",
    )
    agent_host: str = _env(
        "AGENT_HOST",
        parse=parsers.text,
        default="0.0.0.0",  # noqa: S104 (the kubelet and Prometheus call the pod's address)
        doc="Address of the agent's own endpoints.",
    )
    agent_port: int = _env(
        "AGENT_PORT",
        parse=parsers.whole(0, 65535),
        default=8081,
        doc="Port of the agent's own endpoints.",
    )
    log_level: str = _env(
        "LOG_LEVEL",
        "LOGLEVEL",
        parse=parsers.one_of(parsers.LOG_LEVELS, parsers.level),
        default="INFO",
        doc="`DEBUG` … `CRITICAL`.",
    )
    otlp_endpoint: str = _env(
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        parse=parsers.url,
        default="",
        doc="Endpoint for traces (OTLP over HTTP); needs the extra `tracing`. Unset: no tracing.",
    )
    tracing_disabled: bool = _env(
        "OTEL_SDK_DISABLED", "DISABLE_XRAY", parse=parsers.flag, default=False, doc="Send no traces."
    )


def from_environment(environment: Mapping[str, str]) -> Settings:
    """The settings. An empty variable counts as unset. Raises `SettingsError` with every error."""
    values: dict[str, Any] = {}
    errors: list[str] = []
    for setting in fields(Settings):
        name, text = _variable(setting, environment)
        try:
            if text:
                values[setting.name] = setting.metadata["parse"](text)
            elif setting.default is MISSING:
                errors.append(f"{name}: is not set. {setting.metadata['doc']}")
        except InvalidValueError as error:
            errors.append(f"{name}: {text!r} is not {error}. {setting.metadata['doc']}")
    errors += _combination_errors(values)
    if errors:
        raise SettingsError(errors)
    return Settings(**values)


def _variable(setting: Field[Any], environment: Mapping[str, str]) -> tuple[str, str]:
    names: tuple[str, ...] = setting.metadata["names"]
    return next(((name, environment[name]) for name in names if environment.get(name)), (names[0], ""))


def _combination_errors(values: Mapping[str, Any]) -> Iterator[str]:
    """Errors of settings that are valid each by itself."""
    models = values.get("model_filename") or values.get("dynamic_model")
    if values.get("runtime_type") == "sdwebui" and not models:
        yield "MODEL_FILENAME: is not set, and DYNAMIC_SD_MODEL is not true: set one of them"


def variables() -> dict[str, str]:
    """The name of each variable with its description; a second name of a setting has the same."""
    return {
        name: setting.metadata["doc"] for setting in fields(Settings) for name in setting.metadata["names"]
    }


def expected(name: str, text: str) -> str | None:
    """What the agent expects of a variable when it refuses this value; None when it accepts it.

    Raises KeyError for a name that is no variable of the agent.
    """
    parsers = {name: item.metadata["parse"] for item in fields(Settings) for name in item.metadata["names"]}
    parse = parsers[name]
    if not text:  # counts as unset
        return None
    try:
        parse(text)
    except InvalidValueError as error:
        return str(error)
    return None


def table() -> str:
    """The settings as the Markdown table of README.md."""
    rows = ["| variable | default | meaning |", "|---|---|---|"]
    for setting in fields(Settings):
        names = " or ".join(f"`{name}`" for name in setting.metadata["names"])
        rows.append(f"| {names} | {_default_cell(setting.default)} | {setting.metadata['doc']} |")
    return "\n".join(rows) + "\n"


def _default_cell(default: object) -> str:
    if default is MISSING:
        return "required"
    if default in ("", ()):
        return ""
    if isinstance(default, bool):
        return f"`{str(default).lower()}`"
    return f"`{default:g}`" if isinstance(default, float) else f"`{default}`"
