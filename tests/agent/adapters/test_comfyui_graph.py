"""The history's shapes, of which a simulation draws only one."""

import pytest
from queue_agent.adapters.comfyui.graph import failure, files, texts
from queue_agent.contract import RuntimeUnavailable


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
    assert [(text.data, text.kind) for text in texts(outputs)] == [(b"a caption", "text")]


@pytest.mark.parametrize("kind", ["torch.OutOfMemoryError", "torch.cuda.OutOfMemoryError"])
def test_out_of_memory_is_known_with_every_version_of_torch(kind: str):
    error = {"exception_type": kind, "exception_message": "Allocation on device"}
    entry = {"status": {"status_str": "error", "messages": [["execution_error", error]]}}

    error = failure(entry)

    assert isinstance(error, RuntimeUnavailable) and error.code == "out_of_memory"
