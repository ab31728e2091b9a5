"""The solution that the function serves, as the generator writes it into the function's code."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from api.webhook_signatures import SECRET_VARIABLE
from api.webhook_urls import allows_local


@dataclass(frozen=True)
class Runtime:
    """A runtime that accepts tasks; `model` is its checkpoint, whose v1alpha1 tasks go there.

    `model_file`: the model that it was given, of any type of runtime. `timeout`: the longest run in seconds.
    `high_priority_url` is empty where tasks of high priority have no queue of their own, `models_bucket`
    where the models are not in a bucket. `other_checkpoints`: whether it has some that are not there.
    `image`: as in its pods. `input_buckets`: those that `s3://` inputs may come from.
    """

    name: str
    type: str
    bucket: str
    model: str | None
    model_file: str | None = None
    timeout: float = 0
    queue_url: str = ""
    dead_letter_url: str = ""
    high_priority_url: str = ""
    models_bucket: str = ""
    models_prefix: str = ""
    other_checkpoints: bool = False
    image: str = ""
    input_buckets: tuple[str, ...] = ()


@dataclass(frozen=True)
class Retention:
    """How many seconds records of tasks, and messages in a queue, are kept."""

    records: int = 0
    queue: int = 0


@dataclass(frozen=True)
class Settings:
    """The solution's name, its requests topic, its runtimes by name, the names of its keys by their ids.

    `origins`: those of the web pages that may call the API; `*` for all. `webhook_secret`: where the secret
    of webhooks is; `local`: whether webhooks may lead to this machine.
    """

    stack: str
    topic: str
    runtimes: Mapping[str, Runtime]
    retention: Retention = Retention()
    key_names: Mapping[str, str] = field(default_factory=dict)
    origins: tuple[str, ...] = ()
    webhook_secret: str = ""
    local: bool = False

    def of_type(self, runtime_type: str) -> list[str]:
        """The names of the runtimes of a type."""
        return [runtime.name for runtime in self.runtimes.values() if runtime.type == runtime_type]

    def types(self) -> list[str]:
        """The types of the runtimes, sorted."""
        return sorted({runtime.type for runtime in self.runtimes.values()})

    def by_model(self) -> dict[str, Runtime]:
        """The runtime of v1alpha1 tasks for each model: the first that serves it, as in the stack."""
        by_model: dict[str, Runtime] = {}
        for runtime in self.runtimes.values():
            if runtime.model is not None:
                by_model.setdefault(runtime.model, runtime)
        return by_model


def read_settings(text: str, environment: Mapping[str, str]) -> Settings:
    """The settings from the generator's JSON: `{stack, topic, runtimes: {name: fields of Runtime},
    retention: {records, queue}, origins}`.

    The environment has what only the stack knows: in KEY_NAMES, as JSON, the names of its API keys by their
    ids, and where the secret of webhooks is.
    """
    document = json.loads(text)
    return Settings(
        stack=document["stack"],
        topic=document["topic"],
        runtimes={name: _runtime_of(name, entry) for name, entry in document["runtimes"].items()},
        retention=Retention(**document["retention"]),
        key_names=json.loads(environment.get("KEY_NAMES", "{}")),
        origins=tuple(document["origins"]),
        webhook_secret=environment.get(SECRET_VARIABLE, ""),
        local=allows_local(environment),
    )


def _runtime_of(name: str, entry: Mapping[str, Any]) -> Runtime:
    return Runtime(name=name, **{**entry, "input_buckets": tuple(entry["input_buckets"])})
