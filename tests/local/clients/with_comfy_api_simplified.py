"""`comfy-api-simplified` against the ComfyUI at argv[1], real or simulated; files are in argv[2]."""

import sys
from pathlib import Path

from comfy_api_simplified import ComfyApiWrapper, ComfyWorkflowWrapper
from comfy_api_simplified.exceptions import ComfyApiError

PNG = b"\x89PNG"
folder = Path(sys.argv[2])
api = ComfyApiWrapper(sys.argv[1])


def outputs_with(title: str, name: str, value: object) -> dict[str, bytes]:
    """The files of the workflow with one input changed."""
    workflow = ComfyWorkflowWrapper(str(folder / "workflow.json"))
    workflow.set_node_param(title, name, value)
    return api.queue_and_wait_images(workflow, "Save Image")


two = outputs_with("Empty Latent Image", "batch_size", 2)
assert len(two) == 2 and all(data.startswith(PNG) for data in two.values()), two

sent = api.upload_image(folder / "small.png", "pictures")
assert sent == {"name": "small.png", "subfolder": "pictures", "type": "input"}, sent
assert api.get_image("small.png", "pictures", "input") == (folder / "small.png").read_bytes()

assert api.get_queue() == {"queue_running": [], "queue_pending": []}
loader = api.get_object_info("CheckpointLoaderSimple")["CheckpointLoaderSimple"]
assert loader["input"]["required"]["ckpt_name"][0], loader
assert {"system", "devices"} <= set(api.get_system_stats())
assert isinstance(api.get_embeddings(), list)
api.interrupt()

try:
    outputs_with("Load Checkpoint", "ckpt_name", "not there.safetensors")
except ComfyApiError as error:
    assert "400" in str(error), error
else:
    raise AssertionError("an unknown model was taken")
