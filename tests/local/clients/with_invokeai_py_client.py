"""`invokeai-py-client` against the InvokeAI at argv[1], real or simulated: by a graph that needs no model.

A picture is in the folder argv[2].
"""

import sys
from pathlib import Path
from typing import Any

from invokeai_py_client import InvokeAIClient
from invokeai_py_client.workflow import WorkflowDefinition

client = InvokeAIClient.from_url(sys.argv[1])
queue = client.queue_repo.get_queue()
board = client.board_repo.get_uncategorized_handle()


def enlarged(image: str, scale: object) -> dict[str, Any]:
    """The queue item of a workflow of one node, once it is done."""
    values = {"image": {"image_name": image}, "scale_factor": scale}
    inputs = {name: {"name": name, "value": value} for name, value in values.items()}
    node = {"id": "large", "type": "img_scale", "inputs": inputs, "isIntermediate": False, "useCache": False}
    root = {"id": "root", "type": "container", "data": {"layout": "column", "children": []}}
    words = ("name", "author", "description", "contact", "tags", "notes")
    text = {
        **dict.fromkeys(words, ""),
        "version": "1.0.0",
        "exposedFields": [],
        "meta": {"version": "3.0.0", "category": "user"},
        "nodes": [{"id": "large", "type": "invocation", "data": node, "position": {"x": 0, "y": 0}}],
        "edges": [],
        "form": {"elements": {"root": root}, "rootElementId": "root"},
    }
    workflow = client.create_workflow(WorkflowDefinition.from_dict(text))
    workflow.submit_sync()
    return workflow.wait_for_completion_sync(poll_interval=0.05, timeout=30)


def refusal(image: str, scale: object) -> str:
    """How such a workflow fails."""
    try:
        enlarged(image, scale)
    except RuntimeError as error:
        return str(error)
    raise AssertionError(f"{image} × {scale} was taken")


sent = board.upload_image_data((Path(sys.argv[2]) / "small.png").read_bytes(), "small.png")
assert (sent.width, sent.height) == (64, 48), sent
item = enlarged(sent.image_name, 2.0)
assert item["status"] == "completed" and set(item["session"]["source_prepared_mapping"]) == {"large"}, item
(image_name,) = (result["image"]["image_name"] for result in item["session"]["results"].values())
assert client.board_repo.get_image_by_name(image_name).width == 128
assert board.download_image(image_name).startswith(b"\x89PNG")

assert item["item_id"] in [job.item_id for job in queue.list_all()]
assert queue.get_item(item["item_id"]).item_id == item["item_id"]
assert queue.get_item(10**9) is None
assert queue.wait_until_idle(10, 0.05)
assert queue.get_status().queue.completed >= 1

assert "execution failed" in refusal("not there.png", 2.0)
assert "float_parsing" in refusal(sent.image_name, "wide")

assert board.delete_image(image_name) and board.delete_image(sent.image_name)
assert queue.prune().deleted >= 2
