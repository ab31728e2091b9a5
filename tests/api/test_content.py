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
from tests.local.sdwebui_requests import ROWS, Row

URL = "https://example.com/cat.png"
STATIC = Runtime(
    "static", "sdwebui", "own", "sdxl.safetensors", model_file="sdxl.safetensors", input_buckets=("in",)
)
DYNAMIC = Runtime("dynamic", "sdwebui", "own", None)
DEFAULTED = Runtime("defaulted", "sdwebui", "own", "sdxl.safetensors")
COMFY = Runtime("comfy", "comfyui", "own", None)
INVOKE = Runtime("invoke", "invokeai", "own", None)


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


def loader(value: str) -> dict[str, Any]:
    return {"1": {"class_type": "LoadImage", "_meta": {"title": "Cat"}, "inputs": {"image": value}}}


DATUM = {"node_path": "z", "field_name": "x", "items": [1, 2]}
T2I, I2I = "text-to-image", "image-to-image"
TAKEN: list[tuple[Runtime, str, Any]] = [
    (STATIC, T2I, {"prompt": "a cat"}),
    (STATIC, T2I, {"steps": "20", "width": 768.0, "height": "512", "cfg_scale": "7.5", "seed": -1}),
    (STATIC, T2I, {"steps": 20.9, "negative_prompt": None, "styles": None, "alwayson_scripts": []}),
    (STATIC, T2I, {"prompt": 7, "extension_field": {"a": 1}, "enable_hr": "true"}),
    (STATIC, T2I, {"prompt": "see http://example.com for cats", "denoising_strength": 1.5}),
    (STATIC, T2I, {"override_settings": {"sd_model_checkpoint": "sdxl.safetensors [31e35c80fc]"}}),
    (STATIC, T2I, {"override_settings": {"sd_model_checkpoint": "31e35c80fc"}}),
    (STATIC, T2I, {"override_settings": {"sd_model_checkpoint": "models/sdxl"}}),
    (STATIC, I2I, {"init_images": [URL, "iVBORw0KGgo="], "mask": "s3://in/mask.png"}),
    (STATIC, I2I, {"init_images": ["s3://own/upload"], "alwayson_scripts": {"image_link": URL}}),
    (STATIC, I2I, {"alwayson_scripts": {"image_link": URL}}),
    (STATIC, I2I, {"init_images": ["https://bücher.example/a.png", "https://[2606:4700::1111]/a"]}),
    (STATIC, "extra-single-image", {"image": URL, "upscaling_resize": 0.5}),
    (STATIC, "extra-batch-images", {"imageList": [{"data": URL, "name": "a"}]}),
    (DYNAMIC, T2I, {"override_settings": {"sd_model_checkpoint": "anything.safetensors"}}),
    (DYNAMIC, "extra-single-image", {"image": URL}),
    (DEFAULTED, T2I, {"prompt": "a cat"}),
    (COMFY, "workflow", loader(URL)),
    (COMFY, "workflow", {"prompt": loader("cat.png"), "extra_data": {}}),
    (INVOKE, "graph", {"nodes": {"a": {"type": "noise"}}, "edges": []}),
    (INVOKE, "graph", {"graph": {"nodes": {"a": {"type": "noise"}}}, "runs": 2}),
    (INVOKE, "graph", {"graph": {"nodes": {"z": {"type": "b"}}}, "data": [[DATUM], [DATUM]], "runs": 25}),
    (INVOKE, "graph", {"batch": {"graph": {"nodes": {"a": {"type": "noise"}}}}, "prepend": False}),
    (INVOKE, "graph", {"nodes": {"a": {"type": "image", "image": {"image_name": URL}}}}),
    (Runtime("own", "custom", "own", None), "any", {"image": "http://10.0.0.1/x"}),
]


@pytest.mark.parametrize(("runtime", "tasktype", "content"), TAKEN)
def test_what_the_runtime_takes_is_not_refused(
    runtime: Runtime, tasktype: str, content: Any, nodes: NodeLists
) -> None:
    assert content_errors(runtime, tasktype, content, nodes) == []


REFUSED: list[tuple[Runtime, str, Any, dict[str, str]]] = [
    (STATIC, T2I, {"steps": "many"}, {"steps": "must be an integer"}),
    (STATIC, T2I, {"steps": 0, "width": 7, "height": -1}, {"steps": "least 1", "width": "8", "height": "8"}),
    (STATIC, T2I, {"batch_size": 0, "n_iter": None}, {"batch_size": "least 1", "n_iter": "null"}),
    (STATIC, T2I, {"seed": 2**63}, {"seed": "must be at most"}),
    (STATIC, T2I, {"seed": -(2**63)}, {"seed": "must be at least"}),
    (STATIC, T2I, {"cfg_scale": "high"}, {"cfg_scale": "must be a number"}),
    (STATIC, T2I, {"cfg_scale": "nan"}, {"cfg_scale": "must be a finite number"}),
    (STATIC, T2I, {"prompt": ["a"], "sampler_name": {}}, {"prompt": "a string", "sampler_name": "a string"}),
    (STATIC, T2I, {"prompt": None}, {"prompt": "must not be null"}),
    (
        STATIC,
        T2I,
        {"styles": "a", "override_settings": "x"},
        {"styles": "list", "override_settings": "object"},
    ),
    (STATIC, T2I, {"alwayson_scripts": [1]}, {"alwayson_scripts": "must be an object"}),
    (STATIC, T2I, {"enable_hr": "maybe"}, {"enable_hr": "true or false"}),
    (
        STATIC,
        T2I,
        {"override_settings": {"sd_model_checkpoint": "other.safetensors"}},
        {"override_settings.sd_model_checkpoint": "this runtime serves sdxl.safetensors, not other"},
    ),
    (DYNAMIC, T2I, {"prompt": "x"}, {"override_settings.sd_model_checkpoint": "no default model"}),
    (STATIC, I2I, {"prompt": "x"}, {"init_images": "is missing"}),
    (STATIC, I2I, {"init_images": []}, {"init_images": "not empty"}),
    (STATIC, I2I, {"init_images": [5]}, {"init_images": "list of strings"}),
    (STATIC, I2I, {"init_images": ["http://example.com/a"]}, {"init_images[0]": "https:// or s3://"}),
    (STATIC, I2I, {"init_images": ["https://10.0.0.1/a"]}, {"init_images[0]": "not a public address"}),
    *(
        (STATIC, I2I, {"init_images": [f"https://{host}/a"]}, {"init_images[0]": "not a public address"})
        for host in (
            "localhost",
            "a.localhost:8443",
            "0x7f000001",
            "127.1",
            "db.svc.cluster.local",
            "x.INTERNAL.",
        )
    ),
    (STATIC, I2I, {"init_images": ["https://[::1]/a"]}, {"init_images[0]": "not a public address"}),
    (STATIC, I2I, {"init_images": ["https://a:b@example.com/"]}, {"init_images[0]": "a user name"}),
    (STATIC, I2I, {"init_images": ["https://example.com:0/a"]}, {"init_images[0]": "an invalid port"}),
    (STATIC, I2I, {"init_images": ["https://example.com:x/a"]}, {"init_images[0]": "not a valid URL"}),
    (STATIC, I2I, {"init_images": ["https://exa mple.com/a"]}, {"init_images[0]": "not a valid host name"}),
    (STATIC, I2I, {"init_images": ["file:///etc/passwd"]}, {"init_images[0]": "https:// or s3://"}),
    (STATIC, I2I, {"init_images": ["https://example.com/" + "a" * 4096]}, {"init_images[0]": "4096"}),
    (STATIC, I2I, {"init_images": ["s3://another/a"]}, {"init_images[0]": "bucket another are not allowed"}),
    (STATIC, I2I, {"init_images": [URL], "mask": "http://a/b"}, {"mask": "https:// or s3://"}),
    (
        STATIC,
        T2I,
        {"alwayson_scripts": {"controlnet": {"args": [{"image": "http://a/b"}]}}},
        {"alwayson_scripts.controlnet.args[0].image": "https:// or s3://"},
    ),
    (STATIC, "extra-single-image", {"upscaler_1": "x"}, {"image": "is missing"}),
    (STATIC, "extra-single-image", {"image": URL, "upscaling_resize": 0}, {"upscaling_resize": "greater"}),
    (STATIC, "extra-single-image", {"image": URL, "gfpgan_visibility": 2}, {"gfpgan_visibility": "most 1"}),
    (STATIC, "extra-single-image", {"image": URL, "resize_mode": 2}, {"resize_mode": "most 1"}),
    (STATIC, "extra-batch-images", {"upscaler_1": "x"}, {"imageList": "is missing"}),
    (STATIC, "extra-batch-image", {"imageList": [{"data": URL}, 5]}, {"imageList[0].name": "a string"}),
    (COMFY, "workflow", loader("http://example.com/cat.png"), {"1.inputs.image": "https:// or s3://"}),
    (COMFY, "workflow", {"prompt": loader("ftp://a/b")}, {"prompt.1.inputs.image": "https:// or s3://"}),
    (COMFY, "workflow", {"nodes": [], "links": []}, {"": "has the UI format"}),
    (INVOKE, "graph", {"nodes": {}}, {"": "must be a graph"}),
    (INVOKE, "graph", {"nodes": {"a": {}}}, {"": "must be a graph"}),
    (INVOKE, "graph", {"nodes": [], "edges": []}, {"": "UI format of InvokeAI"}),
    (INVOKE, "graph", {"nodes": {"a": {"type": "b"}}, "batch_id": "x"}, {"": "batch_id cannot be used"}),
    (INVOKE, "graph", {"graph": {"nodes": {"a": {"type": "b"}}}, "runs": 0}, {"": "greater than 0"}),
    (INVOKE, "graph", {"graph": {"nodes": {"a": {"type": "b"}}}, "runs": 101}, {"": "more than 100 times"}),
    (INVOKE, "graph", {"graph": {"nodes": {"a": {"type": "b"}}}, "data": [[DATUM]]}, {"": "the node z"}),
    (INVOKE, "graph", {"graph": {"nodes": {"z": {"type": "b"}}}, "data": DATUM}, {"": "a list of lists"}),
    (INVOKE, "graph", {"graph": {"nodes": {"z": {"type": "b"}}}, "data": ""}, {"": "a list of lists"}),
    (
        INVOKE,
        "graph",
        {"graph": {"nodes": {"z": {"type": "b"}}}, "data": [[{**DATUM, "field_name": {}}]]},
        {"": "field_name a string"},
    ),
    (
        INVOKE,
        "graph",
        {"graph": {"nodes": {"z": {"type": "b"}}}, "data": [[DATUM], [DATUM]], "runs": 26},
        {"": "more than 100 times"},
    ),
    (
        INVOKE,
        "graph",
        {"nodes": {"a": {"type": "image", "image": {"image_name": "http://a/b"}}}},
        {"nodes.a.image.image_name": "https:// or s3://"},
    ),
]


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
