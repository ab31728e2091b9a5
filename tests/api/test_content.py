"""The content of a task is refused at the door as its agent or its runtime would, and no more than that."""

import gzip
import io
import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import jsonschema
import pytest
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st
from queue_agent.adapters.sdwebui.request import ENDPOINTS

from api import openapi
from api.content import content_errors, legacy_errors
from api.content_schema import content_schemas
from api.node_lists import NodeLists
from api.settings import Runtime, Settings
from tests.api.content_cases import (
    COMFY,
    DEFAULTED,
    DYNAMIC,
    I2I,
    INVOKE,
    REFUSED,
    STATIC,
    T2I,
    TAKEN,
)
from tests.local.sdwebui_requests import ROWS, Row


class Bucket:
    """S3 with one object, or none."""

    def __init__(self, data: bytes | None) -> None:
        self._data = data

    def get_object(self, **_: str) -> dict[str, Any]:
        if self._data is None:
            raise ClientError({"Error": {"Code": "NoSuchKey"}}, "GetObject")
        body, length = io.BytesIO(self._data), len(self._data)
        return {"Body": body, "ContentLength": length, "LastModified": datetime.now(UTC)}


@pytest.fixture
def nodes() -> NodeLists:
    """Of a runtime whose nodes nobody has written."""
    return NodeLists(Bucket(None))


@pytest.mark.parametrize(("runtime", "tasktype", "content"), TAKEN)
def test_what_the_runtime_takes_is_not_refused(
    runtime: Runtime, tasktype: str, content: Any, nodes: NodeLists
) -> None:
    assert content_errors(runtime, tasktype, content, nodes) == []


@pytest.mark.parametrize(("runtime", "tasktype", "content", "expected"), REFUSED)
def test_what_would_fail_is_refused_with_its_field(
    runtime: Runtime, tasktype: str, content: Any, expected: dict[str, str], nodes: NodeLists
) -> None:
    errors = {error.field: error.detail for error in content_errors(runtime, tasktype, content, nodes)}

    fields = {f"task.content.{name}".rstrip("."): words for name, words in expected.items()}
    assert fields.keys() <= errors.keys()
    assert len(errors) == len(fields) or tasktype == "extra-batch-image"
    for field, words in fields.items():
        assert words in errors[field]


def test_a_v1alpha1_task_is_refused_for_what_it_names_only() -> None:
    scripts = {"task": I2I, "sd_model_checkpoint": "sdxl.safetensors"}

    assert legacy_errors(STATIC, I2I, {"alwayson_scripts": scripts}) == []
    [error] = legacy_errors(STATIC, I2I, {"alwayson_scripts": {**scripts, "image_link": "http://a/b"}})
    assert error.field == "alwayson_scripts.image_link"
    [error] = legacy_errors(STATIC, T2I, {"alwayson_scripts": scripts, "steps": 0})
    assert error.field == "steps"


KEYS = st.sampled_from(
    [
        *("1", "2", "prompt", "class_type", "inputs", "_meta", "title", "nodes", "edges", "graph", "batch"),
        *("data", "runs", "items", "node_path", "type", "image_name", "init_images", "imageList", "image"),
        *("alwayson_scripts", "script_args", "override_settings", "sd_model_checkpoint", "steps", "width"),
    ]
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | KEYS | st.just("https://[::/x"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)


# Nodes of the same names as the keys, described in odd ways.
ODD: dict[str, Any] = {
    "1": {
        "output_node": True,
        "python_module": "nodes",
        "input": {"required": {"steps": ["INT", {"min": "a"}]}},
    },
    "2": {"output_node": True, "python_module": 5, "output": None, "input": {"optional": {"image": 7}}},
    "type": {"output_node": True, "python_module": "nodes", "input": {"required": {"data": [["a"], 5]}}},
    "items": {"output": ["*"], "input": {"required": {"data": ["COMFY_AUTOGROW_V3", {"template": {}}]}}},
    "prompt": [],
}
ANY_NODES = NodeLists(Bucket(gzip.compress(json.dumps({"classes": ODD, "replaced": []}).encode())))


@pytest.mark.thorough
@given(content=st.dictionaries(KEYS, VALUES, max_size=4))
def test_any_content_has_an_answer(content: dict[str, Any]) -> None:
    for runtime in (STATIC, DYNAMIC, COMFY, INVOKE):
        for tasktype in (T2I, I2I, "extra-single-image", "extra-batch-images"):
            for error in content_errors(runtime, tasktype, content, ANY_NODES):
                assert error.field.startswith("task.content")
        legacy_errors(STATIC, I2I, content)


def test_a_batch_without_a_graph_is_refused(nodes: NodeLists) -> None:
    [error] = content_errors(INVOKE, "graph", {"batch": {"data": None}, "prepend": False}, nodes)

    assert "must be a graph" in error.detail


RUNTIMES = {"comfyui": COMFY, "custom": Runtime("own", "custom", "own", None), "invokeai": INVOKE}
SCHEMAS = [
    (runtime_type, tasktypes, schema)
    for runtime_type in ("comfyui", "custom", "invokeai", "sdwebui")
    for tasktypes, schema in content_schemas(runtime_type)
]


@pytest.mark.parametrize(("runtime_type", "tasktypes", "schema"), SCHEMAS)
def test_the_examples_are_valid_and_taken(
    runtime_type: str, tasktypes: tuple[str, ...], schema: dict[str, Any], nodes: NodeLists
) -> None:
    parts = [schema, *schema.get("anyOf", ())]
    examples = [example for part in parts for example in part.get("examples", ())]
    assert examples
    for example in examples:
        jsonschema.Draft202012Validator(schema).validate(example)
        runtime = RUNTIMES.get(runtime_type, STATIC)
        assert content_errors(runtime, (*tasktypes, "any")[0], example, nodes) == []


@pytest.mark.parametrize(("runtime", "tasktype", "content"), TAKEN)
def test_the_description_does_not_contradict_the_checks(
    runtime: Runtime, tasktype: str, content: Any
) -> None:
    """What is described as invalid is refused; numbers and texts as each other are taken quietly."""
    if any(isinstance(content.get(name), str) for name in ("cfg_scale", "enable_hr")) or (
        tasktype == I2I and "init_images" not in content
    ):
        return
    [schema] = [
        schema
        for tasktypes, schema in content_schemas(runtime.type)
        if tasktype in tasktypes or not tasktypes
    ]
    assert list(jsonschema.Draft202012Validator(schema).iter_errors(content)) == []


def test_the_document_describes_the_content_of_every_task_type() -> None:
    runtimes = {runtime.name: runtime for runtime in (STATIC, COMFY, INVOKE)}

    document = openapi.document(Settings("s", "t", runtimes), "prod")

    body = document["paths"]["/v1alpha2"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    described = [
        tasktype
        for variant in body["anyOf"]
        for tasktype in variant["properties"]["task"]["properties"]["metadata"]["properties"]["tasktype"][
            "enum"
        ]
    ]
    assert sorted(described) == sorted([*ENDPOINTS, "pipeline", "workflow", "graph", "pipeline"])


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
def test_a_request_that_a_real_sd_webui_answers_is_not_refused(row: Row, nodes: NodeLists) -> None:
    """The rows were compared with A1111 and Forge; images in them are base64."""
    tasktype = {f"/{endpoint}": name for name, endpoint in ENDPOINTS.items()}.get(row.path)
    if tasktype is None or 200 not in (row.status, row.forge):
        return

    assert content_errors(DEFAULTED, tasktype, row.body, nodes) == []


class Models(Bucket):
    """S3 with the models of a dynamic runtime; counts the lists."""

    def __init__(self, *keys: str, failure: str = "") -> None:
        super().__init__(None)
        self.keys, self.failure, self.lists = list(keys), failure, 0

    def list_objects_v2(self, **call: str) -> dict[str, Any]:
        self.lists += 1
        if self.failure:
            raise ClientError({"Error": {"Code": self.failure}}, "ListObjectsV2")
        return {"Contents": [{"Key": key} for key in self.keys if key.startswith(call["Prefix"])]}


LISTED = replace(DYNAMIC, models_bucket="models", models_prefix="sd/")
NAMED = "override_settings.sd_model_checkpoint"


def refused_checkpoint(runtime: Runtime, models: Models, name: str) -> bool:
    content = {"prompt": "x", "override_settings": {"sd_model_checkpoint": name}}
    errors = content_errors(runtime, T2I, content, NodeLists(models))
    assert all(error.field.endswith(NAMED) and "no " in error.detail for error in errors)
    return bool(errors)


@pytest.mark.parametrize(
    ("name", "refused"),
    [
        ("anime.safetensors", False),
        ("anime.safetensors [31e35c80fc]", False),
        ("sub\\anime.safetensors", False),
        ("anime", False),
        ("31e35c80fc", False),
        ("anima.safetensors", True),
        ("me.safetensors", True),
        ("other.safetensors", True),
        ("sub/other.ckpt [31e35c80fc]", True),
    ],
)
def test_a_checkpoint_that_is_not_in_the_bucket_of_a_dynamic_runtime_is_refused(
    name: str, refused: bool
) -> None:
    models = Models("sd/Stable-diffusion/sub/anime.safetensors", "Stable-diffusion/other.safetensors")

    assert refused_checkpoint(LISTED, models, name) is refused


def test_a_checkpoint_is_not_refused_where_it_may_be_elsewhere() -> None:
    assert not refused_checkpoint(DYNAMIC, Models(), "a.safetensors"), "the models are in no bucket"
    assert not refused_checkpoint(replace(LISTED, other_checkpoints=True), Models(), "a.safetensors")
    assert not refused_checkpoint(LISTED, Models(failure="AccessDenied"), "a.safetensors")


def test_a_checkpoint_that_was_found_is_not_looked_for_again_and_one_that_was_not_is() -> None:
    models = Models("sd/a.safetensors")
    lists = NodeLists(models)
    for _ in range(3):
        assert lists.absent(LISTED, {"a.safetensors"}) == set()
    assert models.lists == 1

    assert lists.absent(LISTED, {"b.safetensors"}) == {"b.safetensors"}
    models.keys.append("sd/b.safetensors")
    assert lists.absent(LISTED, {"b.safetensors"}) == set()
