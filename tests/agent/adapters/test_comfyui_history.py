"""The history's shapes, of which a simulation draws only one."""

import pytest
from queue_agent.adapters.comfyui.history import choices, failure, files, place, rejected, texts
from queue_agent.contract import RuntimeUnavailable, TaskError


def test_files_of_every_kind_are_found():
    outputs = {
        "1": {"gifs": [{"filename": "a.gif", "type": "output"}], "animated": [True]},
        "2": {
            "audio": [{"filename": "b.flac", "type": "output"}],
            "images": [{"filename": "p.png", "type": "temp"}],
        },
        "3": {"3d": [{"filename": "c.glb", "type": "output"}], "text": ["a caption"]},
    }

    assert [(node, file["filename"]) for node, file in files(outputs)] == [
        ("1", "a.gif"),
        ("2", "b.flac"),
        ("3", "c.glb"),
    ]
    assert [(text.data.read(), text.kind) for text in texts(outputs)] == [(b"a caption", "text")]


@pytest.mark.parametrize(
    ("more", "params"),
    [
        ({"subfolder": "video", "type": "temp"}, {"subfolder": "video", "type": "temp"}),
        ({"subfolder": "", "type": "output", "format": "video/mp4"}, {"type": "output"}),
        ({}, {}),
        ({"type": ""}, {}),
        ({"type": "video"}, {}),
        ({"subfolder": None, "type": None}, {}),
    ],
)
def test_a_file_without_a_type_is_asked_for_without_one(more: dict[str, object], params: dict[str, str]):
    assert place({"filename": "a.mp4", **more}) == {"filename": "a.mp4", **params}


def shown(outputs: dict[str, object], *, every: bool = False) -> list[str]:
    return [text.data.read().decode() for text in texts(outputs, every=every)]


def test_a_bare_text_of_which_comfyui_made_a_list_of_characters_is_one_text():
    assert shown({"1": {"text": list("Width: 512 , Height: 768")}}) == ["Width: 512 , Height: 768"]
    assert shown({"1": {"string": ["a caption", "x"]}}) == ["a caption", "x"]
    assert shown({"1": {"text": ["7"]}}) == ["7"]


def test_texts_under_other_keys_are_the_result_only_when_there_is_nothing_else():
    tagged = {"1": {"tags": ["1girl, sky"], "value": [7]}}

    assert shown(tagged) == []
    assert shown(tagged, every=True) == ["1girl, sky"]
    assert shown({**tagged, "2": {"text": ["a caption"]}}, every=True) == ["a caption"]


@pytest.mark.parametrize("kind", ["torch.OutOfMemoryError", "torch.cuda.OutOfMemoryError"])
def test_out_of_memory_is_known_with_every_version_of_torch(kind: str):
    error = {"exception_type": kind, "exception_message": "Allocation on device"}
    entry = {"status": {"status_str": "error", "messages": [["execution_error", error]]}}

    error = failure(entry)

    assert isinstance(error, RuntimeUnavailable) and error.code == "out_of_memory"


def test_a_text_of_the_task_in_its_error_is_not_taken_for_a_fault_of_the_gpu():
    graph = {"1": {"class_type": "Math", "inputs": {"expression": "CUDA error + nccl"}}}
    error = {"exception_type": "SyntaxError", "exception_message": "not valid: CUDA error + nccl"}
    entry = {
        "prompt": [1, "id", graph, {}, ["1"]],
        "status": {"status_str": "error", "messages": [["execution_error", error]]},
    }

    assert isinstance(failure(entry), TaskError)

    error["exception_message"] = "CUDA error: an illegal memory access was encountered"
    assert isinstance(failure(entry), RuntimeUnavailable)


def rejection(kind: str, details: str) -> dict[str, object]:
    """The body of a 400 for one node that is invalid."""
    error = {"type": kind, "message": "Value not in list", "details": details}
    nodes = {"4": {"errors": [error], "class_type": "CheckpointLoaderSimple", "dependent_outputs": ["9"]}}
    return {"error": {"type": "prompt_outputs_failed_validation", "message": "failed"}, "node_errors": nodes}


@pytest.mark.parametrize(
    ("kind", "details", "code"),
    [
        ("exception_during_validation", "LocalEntryNotFoundError: cannot find the file", "network_error"),
        (
            "exception_during_inner_validation",
            "[Errno 107] Transport endpoint is not connected",
            "node_error",
        ),
        ("custom_validation_failed", "image - OSError: [Errno 5] Input/output error", "node_error"),
        ("exception_during_validation", "CUDA error: device-side assert triggered", "device_error"),
    ],
)
def test_a_check_that_failed_because_of_the_machine_is_not_the_tasks_fault(
    kind: str, details: str, code: str
):
    error = rejected(rejection(kind, details), {})

    assert isinstance(error, RuntimeUnavailable) and error.code == code


@pytest.mark.parametrize(
    ("kind", "details"),
    [
        ("value_not_in_list", "ckpt_name: 'a.safetensors' not in ['b.safetensors']"),
        ("value_not_in_list", "ckpt_name: 'CUDA error' not in ['b.safetensors']"),
        ("custom_validation_failed", "image - Invalid image file: no space left on dev.png"),
        ("required_input_missing", "ckpt_name"),
    ],
)
def test_any_other_rejection_is_the_tasks_fault(kind: str, details: str):
    error = rejected(rejection(kind, details), {})

    assert isinstance(error, TaskError) and error.code == "bad_workflow"


@pytest.mark.parametrize("name", ["nccl.png", "CUDA error.png", "no space left on device.png"])
def test_the_name_of_a_file_that_reads_like_a_fault_is_none(name: str):
    graph = {"4": {"class_type": "LoadImage", "inputs": {"image": name}}}

    error = rejected(rejection("custom_validation_failed", f"image - Invalid image file: {name}"), graph)

    assert isinstance(error, TaskError) and error.code == "bad_workflow"


def test_a_long_value_that_was_rejected_is_not_repeated_in_full():
    error = rejected(rejection("value_not_in_list", f"image: '{'iVBORw0KGgo' * 1000}' not in ['a.png']"), {})

    assert len(error.message) < 600 and error.message.endswith("not in ['a.png']")


@pytest.mark.parametrize(
    ("config", "values"),
    [
        ([["a", "b"], {}], ["a", "b"]),
        ([["a"]], ["a"]),
        (["COMBO", {"options": ["a"]}], ["a"]),
        (["COMBO", {}], []),
        (["STRING", {"default": ""}], []),
        (None, []),
    ],
)
def test_the_values_of_an_input_are_read_in_both_forms(config: object, values: list[str]):
    assert choices({"Loader": {"input": {"required": {"name": config}}}}, "Loader", "name") == values
